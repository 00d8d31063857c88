"""`/templates`: for administrators and programs that were given the right."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_core.rights.caller import caller
from orion_notifications.authoring import actions
from orion_notifications.authoring.actions import Writer
from orion_notifications.authoring.shapes import (
    CategoryLabel,
    ChannelLabel,
    InForce,
    KindLabel,
    NewTemplate,
    TemplateChanges,
    TemplateShape,
)
from orion_notifications.components import Claims, Wired
from orion_notifications.kinds import Category, Channel
from orion_notifications.templates.actions import Filters
from orion_notifications.templates.rules import TemplateKind

router = APIRouter(prefix="/templates", tags=["templates"])

MISSING = refusals(HTTPStatus.NOT_FOUND)
CHANGED = refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
FAULTY = refusals(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)

Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=LARGEST_LIMIT)]


def writer(wired: Wired, claims: Claims) -> Writer:
    """Whoever asks, as actions want him."""
    return Writer(wired.database, caller(claims).user_id, wired.clock())


@router.get("")
async def templates(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    q: Annotated[
        str | None, Query(min_length=1, max_length=100, description="In name, display name or description.")
    ] = None,
    category: CategoryLabel | None = None,
    channel: ChannelLabel | None = None,
    kind: KindLabel | None = None,
    tag: Annotated[str | None, Query(max_length=50)] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[TemplateShape]:
    """Templates by name. A further page is asked for with `cursor` and the same filters. Needs `template:read`."""
    await wired.require(claims, "template:read")
    filters = Filters(
        q,
        None if category is None else Category[category],
        None if channel is None else Channel[channel],
        None if kind is None else TemplateKind[kind],
        tag,
    )
    listing = f"templates by name {q!r} {category} {channel} {kind} {tag!r}"
    after = None if cursor is None else wired.cursors.read(listing, cursor)
    found = await actions.page(wired.database, filters, after, limit + 1)
    shown, following = found[:limit], None
    if len(found) > limit:
        following = wired.cursors.issue(listing, [shown[-1]["name"], shown[-1]["id"]])
        link_next(request, response, following)
    return Page(items=[_shape(row) for row in shown], next=following)


@router.post("", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def create_template(response: Response, wired: Wired, claims: Claims, body: NewTemplate) -> TemplateShape:
    """Make a template. It says nothing before a version of it is published. Needs `template:create`."""
    await wired.require(claims, "template:create")
    made = _shown(response, await actions.create(writer(wired, claims), body.model_dump()))
    response.headers["Location"] = f"/notifications/v1/templates/{made.id}"
    return made


@router.get("/{template_id}", responses=MISSING)
async def template(response: Response, wired: Wired, claims: Claims, template_id: UUID) -> TemplateShape:
    """One template. Needs `template:read`."""
    await wired.require(claims, "template:read")
    return _shown(response, await actions.read(wired.database, template_id))


@router.patch("/{template_id}", responses=MISSING | CHANGED)
async def change_template(
    request: Request, response: Response, wired: Wired, claims: Claims, template_id: UUID, body: TemplateChanges
) -> TemplateShape:
    """Change what is known of a template. `If-Match` is required. Needs `template:update`.

    422 when the version in force would not fit: MARKETING mails, say, must tell how to end them.
    """
    await wired.require(claims, "template:update")
    row = await actions.change(
        writer(wired, claims),
        template_id,
        body.model_dump(exclude_unset=True),
        lambda before: require_match(request, etag(_shape(before))),
    )
    return _shown(response, row)


@router.delete("/{template_id}", status_code=HTTPStatus.NO_CONTENT, responses=MISSING)
async def delete_template(wired: Wired, claims: Claims, template_id: UUID) -> None:
    """Put a template away. What is queued still leaves; its name becomes free. Needs `template:delete`."""
    await wired.require(claims, "template:delete")
    await actions.remove(writer(wired, claims), template_id)


@router.put("/{template_id}/published-version", responses=MISSING | FAULTY)
async def put_version_in_force(
    response: Response, wired: Wired, claims: Claims, template_id: UUID, body: InForce
) -> TemplateShape:
    """Have messages rendered from this version. Needs `template:publish`.

    A draft is published by that and never changes again; naming an earlier version goes back to it. What is queued
    leaves by the version that it was made for. 422 with all findings when it has errors.
    """
    await wired.require(claims, "template:publish")
    return _shown(response, await actions.put_in_force(writer(wired, claims), template_id, body.version))


def _shape(row: Mapping[Any, Any]) -> TemplateShape:
    return TemplateShape.model_validate(dict(row))


def _shown(response: Response, row: Mapping[Any, Any]) -> TemplateShape:
    shown = _shape(row)
    response.headers["ETag"] = etag(shown)
    return shown
