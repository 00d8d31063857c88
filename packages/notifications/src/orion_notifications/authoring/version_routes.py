"""`/templates/{template_id}/versions`: what templates say, written, looked at and tried."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, Page, link_next
from orion_notifications.authoring import actions, trying
from orion_notifications.authoring.routes import CHANGED, FAULTY, MISSING, Cursor, Limit, writer
from orion_notifications.authoring.shapes import (
    DifferenceShape,
    FindingShape,
    NewVersion,
    Number,
    Preview,
    Sample,
    Trial,
    VersionChanges,
    VersionShape,
    VersionSummary,
)
from orion_notifications.authoring.trying import Filled
from orion_notifications.components import Claims, Wired

router = APIRouter(prefix="/templates/{template_id}/versions", tags=["templates"])

PUBLISHED = refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
Version = Annotated[Number, Path(description="Its number, counted from 1.")]


@router.get("", responses=MISSING)
async def versions(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    template_id: UUID,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[VersionSummary]:
    """Versions, newest first. Needs `template:read`."""
    await wired.require(claims, "template:read")
    listing = f"versions of template {template_id}"
    before = None if cursor is None else wired.cursors.read(listing, cursor)[0]
    found = await actions.versions(wired.database, template_id, before, limit + 1)
    shown, following = found[:limit], None
    if len(found) > limit:
        following = wired.cursors.issue(listing, [shown[-1]["version"]])
        link_next(request, response, following)
    return Page(items=[_summary(row) for row in shown], next=following)


@router.post("", status_code=HTTPStatus.CREATED, responses=MISSING)
async def draft_version(
    response: Response, wired: Wired, claims: Claims, template_id: UUID, body: NewVersion
) -> VersionShape:
    """Add a draft, which nobody gets before it is put in force. Needs `template:update`."""
    await wired.require(claims, "template:update")
    row = await actions.draft(writer(wired, claims), template_id, _values(body))
    response.headers["Location"] = f"/notifications/v1/templates/{template_id}/versions/{row['version']}"
    return _shown(response, row)


@router.get("/{version}", responses=MISSING)
async def version(
    response: Response, wired: Wired, claims: Claims, template_id: UUID, version: Version
) -> VersionShape:
    """A version with what was written. Needs `template:read`."""
    await wired.require(claims, "template:read")
    return _shown(response, await actions.version(wired.database, template_id, version))


@router.patch("/{version}", responses=PUBLISHED | CHANGED)
async def edit_version(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    template_id: UUID,
    version: Version,
    body: VersionChanges,
) -> VersionShape:
    """Change a draft. `If-Match` is required; what is published never changes. Needs `template:update`."""
    await wired.require(claims, "template:update")
    row = await actions.edit(
        writer(wired, claims),
        template_id,
        version,
        _values(body),
        lambda before: require_match(request, etag(_shape(before))),
    )
    return _shown(response, row)


@router.delete("/{version}", status_code=HTTPStatus.NO_CONTENT, responses=PUBLISHED)
async def discard_version(wired: Wired, claims: Claims, template_id: UUID, version: Version) -> None:
    """Throw a draft away. Needs `template:update`."""
    await wired.require(claims, "template:update")
    await actions.discard(writer(wired, claims), template_id, version)


@router.get("/{version}/diff", responses=MISSING)
async def diff_versions(
    wired: Wired,
    claims: Claims,
    template_id: UUID,
    version: Version,
    against: Annotated[Number, Query(description="The version that is compared with, usually an earlier one.")],
) -> list[DifferenceShape]:
    """What this version says otherwise than another one, part by part. Needs `template:read`."""
    await wired.require(claims, "template:read")
    found = await actions.diff(wired.database, template_id, version, against)
    return [DifferenceShape.model_validate(difference._asdict()) for difference in found]


@router.get("/{version}/findings", responses=MISSING)
async def lint_version(wired: Wired, claims: Claims, template_id: UUID, version: Version) -> list[FindingShape]:
    """What is wrong with it, with the layouts and partials now in force. Needs `template:read`."""
    await wired.require(claims, "template:read")
    found = await actions.lint(wired.database, template_id, version)
    return [FindingShape.model_validate(finding, from_attributes=True) for finding in found]


@router.post("/{version}/previews", responses=MISSING)
async def preview_version(wired: Wired, claims: Claims, template_id: UUID, version: Version, body: Sample) -> Preview:
    """What a reader would get; nothing is kept or sent. Needs `template:read`."""
    await wired.require(claims, "template:read")
    shown = await trying.preview(writer(wired, claims), template_id, version, _filled(body))
    return Preview(
        locale=shown.locale,
        subject=shown.content.subject,
        text=shown.content.text,
        html=shown.content.html,
        bytes=shown.size,
        sms=shown.sms,
    )


@router.post("/{version}/trials", status_code=HTTPStatus.ACCEPTED, responses=MISSING | FAULTY)
async def try_version(wired: Wired, claims: Claims, template_id: UUID, version: Version, body: Sample) -> Trial:
    """Send it to yourself, through the queue, as a preview shows it. Needs `template:update`."""
    await wired.require(claims, "template:update")
    made, recipient = await trying.send_trial(writer(wired, claims), wired.desk, template_id, version, _filled(body))
    return Trial(notification_id=made, recipient=recipient)


def _values(body: NewVersion | VersionChanges) -> dict[str, Any]:
    values = body.model_dump()
    return values if isinstance(body, NewVersion) else {name: values[name] for name in body.model_fields_set}


def _filled(body: Sample) -> Filled:
    return Filled(body.locale, body.timezone, body.variables)


def _summary(row: Mapping[Any, Any]) -> VersionSummary:
    return VersionSummary.model_validate({**row, "locales": row["locale_names"]})


def _shape(row: Mapping[Any, Any]) -> VersionShape:
    return VersionShape.model_validate(dict(row))


def _shown(response: Response, row: Mapping[Any, Any]) -> VersionShape:
    shown = _shape(row)
    response.headers["ETag"] = etag(shown)
    return shown
