"""`/me/preferences`, the same of any user for administrators, and the schemas."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orion_core.http.authentication import user_id
from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.http.shapes import RequestShape
from orion_core.rights.caller import caller
from orion_user.access import guard
from orion_user.access.actions import require_rank
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired
from orion_user.preferences import actions
from orion_user.preferences.documents import (
    DisplayPreferences,
    Document,
    NotificationPreferences,
    PrivacyPreferences,
    SecurityPreferences,
    schema,
)
from orion_user.preferences.shapes import PreferencesShape

router = APIRouter(tags=["preferences"])

Kind = Literal["notifications", "privacy", "display", "security"]
AnyDocument = NotificationPreferences | PrivacyPreferences | DisplayPreferences | SecurityPreferences


class Patch(RequestShape):
    """A merge patch: any object. What its members may be is for the document's schema to say."""

    model_config = ConfigDict(extra="allow")


Changes = Annotated[Patch, Body(description="A JSON merge patch (RFC 7396): null gives a choice back to its default.")]

_CHANGING = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)


class SchemaResponse(JSONResponse):
    """A JSON Schema, and said to be one."""

    media_type = "application/schema+json"


@router.get("/preferences/{kind}/schema", response_class=SchemaResponse)
async def read_schema(kind: Kind, _: Claims) -> SchemaResponse:
    """The JSON Schema of a document, with its defaults."""
    return SchemaResponse(schema(kind))


@router.get("/me/preferences", responses=refusals(HTTPStatus.NOT_FOUND))
async def my_preferences(wired: Wired, claims: Claims) -> PreferencesShape:
    """All that the user has chosen, and the defaults where they have not."""
    async with wired.database.autocommit() as connection:
        return await actions.read_all(connection, user_id(claims))


@router.get("/me/preferences/{kind}", response_model=AnyDocument, responses=refusals(HTTPStatus.NOT_FOUND))
async def my_document(kind: Kind, response: Response, wired: Wired, claims: Claims) -> Document:
    """One document of the user's preferences."""
    return await _read(wired, response, user_id(claims), kind)


@router.patch("/me/preferences/{kind}", response_model=AnyDocument, responses=_CHANGING)
async def change_my_document(
    kind: Kind, changes: Changes, request: Request, response: Response, wired: Wired, claims: Claims
) -> Document:
    """Merge changes into a document, under `If-Match`. To weaken the security of one's account needs a recent proof."""
    return await _patch(wired, request, response, user_id(claims), kind, changes, claims)


@router.get(
    "/users/{user_id}/preferences/{kind}",
    response_model=AnyDocument,
    responses=refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)
async def read_document(user_id: UUID, kind: Kind, response: Response, wired: Wired, claims: Claims) -> Document:
    """One document of anybody's preferences."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:update", wired.clock())
    return await _read(wired, response, user_id, kind)


@router.patch(
    "/users/{user_id}/preferences/{kind}",
    response_model=AnyDocument,
    responses=refusals(HTTPStatus.FORBIDDEN) | _CHANGING,
)
async def change_document(
    user_id: UUID, kind: Kind, changes: Changes, request: Request, response: Response, wired: Wired, claims: Claims
) -> Document:
    """Merge changes into anybody's document, under `If-Match`."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:update", wired.clock())
        await require_rank(connection, caller(claims), user_id, wired.clock())
    return await _patch(wired, request, response, user_id, kind, changes, claims)


async def _read(wired: Components, response: Response, whose: UUID, kind: str) -> Document:
    async with wired.database.autocommit() as connection:
        found = await actions.read_document(connection, whose, kind)
    response.headers["ETag"] = etag(found)
    return found


async def _patch(
    wired: Components, request: Request, response: Response, whose: UUID, kind: str, changes: Patch, claims: Claims
) -> Document:
    values: dict[str, Any] = changes.model_extra or {}
    changed = await actions.patch(
        wired.database,
        wired.outbox,
        whose,
        kind,
        values,
        claims=claims,
        actor=Actor.of(claims, request),
        now=wired.clock(),
        require=partial(require_match, request),
    )
    response.headers["ETag"] = etag(changed)
    return changed
