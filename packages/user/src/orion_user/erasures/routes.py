"""Archives, erasures and legal holds."""

from http import HTTPStatus
from io import SEEK_END
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orion_core.http.authentication import require_recent
from orion_core.http.authentication import user_id as caller_id
from orion_core.http.openapi import refusals
from orion_core.rights.caller import caller
from orion_user.access import guard
from orion_user.access.actions import require_rank
from orion_user.audit.actions import Actor
from orion_user.components import Claims, Components, Wired
from orion_user.erasures import actions
from orion_user.erasures.archive import archive, pieces
from orion_user.erasures.shapes import ErasureShape, HoldReason, HoldShape

router = APIRouter()

ZIP = "application/zip"
_ARCHIVE: dict[int | str, dict[str, Any]] = {200: {"content": {ZIP: {}}, "description": "The archive"}}
_REFUSALS = refusals(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_CONFLICT = refusals(HTTPStatus.CONFLICT)


@router.get("/me/archive", tags=["me"], response_class=Response, responses=_ARCHIVE | _REFUSALS)
async def my_archive(request: Request, wired: Wired, claims: Claims) -> Response:
    """All that the three services know of the user, in one file. It needs a recent proof of who asks."""
    me = caller_id(claims)
    require_recent(claims, wired.clock())
    return await _archive(request, wired, claims, me)


@router.post(
    "/me/erasure",
    tags=["me"],
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSALS | _CONFLICT,
)
async def erase_me(request: Request, wired: Wired, claims: Claims) -> ErasureShape:
    """Have everything that tells of the user erased, for good. It needs a recent proof of who asks."""
    me = caller_id(claims)
    require_recent(claims, wired.clock())
    return await _erase(request, wired, claims, me)


@router.get("/users/{user_id}/archive", tags=["users"], response_class=Response, responses=_ARCHIVE | _REFUSALS)
async def user_archive(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> Response:
    """All that the three services know of a user, in one file, to be handed to them."""
    await _require_above(wired, claims, user_id)
    return await _archive(request, wired, claims, user_id)


@router.post(
    "/users/{user_id}/erasure", tags=["users"], status_code=HTTPStatus.ACCEPTED, responses=_REFUSALS | _CONFLICT
)
async def erase_user(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> ErasureShape:
    """Have everything that tells of a user erased, for good. Once more tells how far it is."""
    await _require_above(wired, claims, user_id)
    return await _erase(request, wired, claims, user_id)


@router.get("/erasures/{erasure_id}", tags=["users"], responses=_REFUSALS)
async def read_erasure(erasure_id: UUID, wired: Wired, claims: Claims) -> ErasureShape:
    """How far an erasure is; its receipt once all three services are done."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:delete", wired.clock())
        return await actions.read(connection, erasure_id)


@router.get("/users/{user_id}/legal-hold", tags=["users"], responses=_REFUSALS)
async def read_hold(user_id: UUID, wired: Wired, claims: Claims) -> HoldShape:
    """The legal hold on a user."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "system:configure", wired.clock())
        return await actions.read_hold(connection, user_id)


@router.put("/users/{user_id}/legal-hold", tags=["users"], responses=_REFUSALS | _CONFLICT)
async def place_hold(user_id: UUID, body: HoldReason, request: Request, wired: Wired, claims: Claims) -> HoldShape:
    """Have a user not be forgotten as long as this stands, whoever asks for it."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "system:configure", wired.clock())
    actor, now = Actor.of(claims, request), wired.clock()
    return await actions.hold(wired.database, user_id, body.reason, by=claims.sub[:100], actor=actor, now=now)


@router.delete("/users/{user_id}/legal-hold", tags=["users"], status_code=HTTPStatus.NO_CONTENT, responses=_REFUSALS)
async def lift_hold(user_id: UUID, request: Request, wired: Wired, claims: Claims) -> None:
    """Let a user be forgotten again."""
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "system:configure", wired.clock())
    await actions.lift(wired.database, user_id, actor=Actor.of(claims, request), now=wired.clock())


async def _require_above(wired: Components, claims: Claims, user_id: UUID) -> None:
    async with wired.database.autocommit() as connection:
        await guard.require(connection, claims, "user:delete", wired.clock())
        await require_rank(connection, caller(claims), user_id, wired.clock())


async def _archive(request: Request, wired: Components, claims: Claims, user_id: UUID) -> Response:
    actor, now = Actor.of(claims, request), wired.clock()
    file = await archive(wired.database, wired.others, user_id, actor=actor, now=now)
    headers = {
        "Content-Disposition": f'attachment; filename="orion-{user_id}.zip"',
        "Content-Length": str(file.seek(0, SEEK_END)),
    }
    return StreamingResponse(pieces(file), media_type=ZIP, headers=headers)


async def _erase(request: Request, wired: Components, claims: Claims, user_id: UUID) -> ErasureShape:
    actor, now = Actor.of(claims, request), wired.clock()
    return await actions.request(wired.database, wired.outbox, user_id, by=claims.sub[:100], actor=actor, now=now)
