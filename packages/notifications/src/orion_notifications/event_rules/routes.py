"""`/rules`: which messages follow from which events, for administrators."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_core.http.etags import etag, require_match
from orion_core.http.openapi import refusals
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_notifications.components import Claims, Wired
from orion_notifications.event_rules import administration
from orion_notifications.event_rules.facts import EVENTS, OURS_ALONE, names_of
from orion_notifications.event_rules.shapes import (
    EventShape,
    EventsShape,
    EventToSimulate,
    NewRule,
    RuleChanges,
    RuleShape,
    SimulatedRules,
)

router = APIRouter(prefix="/rules", tags=["rules"])

MISSING = refusals(HTTPStatus.NOT_FOUND)
CHANGED = refusals(HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)


@router.get("")
async def rules(
    request: Request,
    response: Response,
    wired: Wired,
    claims: Claims,
    event_type: Annotated[str | None, Query(max_length=120)] = None,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[RuleShape]:
    """Rules by name, with their failures. Needs `notification_rule:read`."""
    await wired.require(claims, "notification_rule:read")
    listing = f"notification rules by name {event_type!r}"
    after = None if cursor is None else wired.cursors.read(listing, cursor)
    found = await administration.page(wired.database, event_type, after, limit + 1)
    shown, following = found[:limit], None
    if len(found) > limit:
        following = wired.cursors.issue(listing, [shown[-1]["name"]])
        link_next(request, response, following)
    return Page(items=[_shape(row) for row in shown], next=following)


@router.get("/events")
async def events(wired: Wired, claims: Claims) -> EventsShape:
    """The events that there can be rules for, and what each tells. Needs `notification_rule:read`."""
    await wired.require(claims, "notification_rule:read")
    offered = (event for name, event in sorted(EVENTS.items()) if name not in OURS_ALONE)
    items = [
        EventShape(type=event.type, description=(event.__doc__ or "").partition("\n")[0], facts=sorted(names_of(event)))
        for event in offered
    ]
    return EventsShape(items=items)


@router.post("/simulate")
async def simulate(wired: Wired, claims: Claims, body: EventToSimulate) -> SimulatedRules:
    """What each rule would make of an event, and why. Nothing is sent, and nothing stays.

    What would be sealed in the event is taken to be there. Needs `notification_rule:read`.
    """
    await wired.require(claims, "notification_rule:read")
    return await administration.simulate(
        wired.database, wired.desk, wired.product, body.event_type, body.data, wired.clock()
    )


@router.post("", status_code=HTTPStatus.CREATED, responses=refusals(HTTPStatus.CONFLICT))
async def create_rule(response: Response, wired: Wired, claims: Claims, body: NewRule) -> RuleShape:
    """Make a rule; it counts from the next event on. Needs `notification_rule:create`.

    422 when it could never be followed: a condition that is none, facts that the event does not tell, a template that
    is not in force for a channel or needs other variables.
    """
    await wired.require(claims, "notification_rule:create")
    made = _shown(response, await administration.create(wired.database, _values(body), wired.clock()))
    response.headers["Location"] = f"/notifications/v1/rules/{made.id}"
    return made


@router.get("/{rule_id}", responses=MISSING)
async def rule(response: Response, wired: Wired, claims: Claims, rule_id: UUID) -> RuleShape:
    """One rule. Needs `notification_rule:read`."""
    await wired.require(claims, "notification_rule:read")
    return _shown(response, await administration.read(wired.database, rule_id))


@router.patch("/{rule_id}", responses=MISSING | CHANGED)
async def change_rule(
    request: Request, response: Response, wired: Wired, claims: Claims, rule_id: UUID, body: RuleChanges
) -> RuleShape:
    """Change a rule; `If-Match` is required, and its failures begin anew. Needs `notification_rule:update`.

    Of a rule that Orion is delivered with the description, the priority and, unless it protects an account, whether it
    is on can be changed.
    """
    await wired.require(claims, "notification_rule:update")
    row = await administration.change(
        wired.database,
        rule_id,
        _values(body),
        lambda before: require_match(request, _etag(_shape(before))),
        wired.clock(),
    )
    return _shown(response, row)


@router.delete("/{rule_id}", status_code=HTTPStatus.NO_CONTENT, responses=MISSING | refusals(HTTPStatus.CONFLICT))
async def delete_rule(wired: Wired, claims: Claims, rule_id: UUID) -> None:
    """Put a rule away; its name becomes free. Needs `notification_rule:delete`."""
    await wired.require(claims, "notification_rule:delete")
    await administration.remove(wired.database, rule_id, wired.clock())


def _values(body: NewRule | RuleChanges) -> dict[str, Any]:
    """What was said, a source as the database keeps it; of a new rule also what was not."""
    values = body.model_dump(exclude_unset=isinstance(body, RuleChanges))
    if body.address is not None:
        values["address"] = body.address.kept()
    if "variables" in values:
        values["variables"] = {name: source.kept() for name, source in body.variables.items()}
    return values


def _shape(row: Mapping[Any, Any]) -> RuleShape:
    return RuleShape.model_validate(dict(row))


def _etag(shown: RuleShape) -> str:
    """Of what somebody has written: a rule that fails all the time can be mended all the same."""
    written = {"failures": 0, "last_error": None, "last_error_at": None, "updated_at": shown.created_at}
    return etag(shown.model_copy(update=written))


def _shown(response: Response, row: Mapping[Any, Any]) -> RuleShape:
    shown = _shape(row)
    response.headers["ETag"] = _etag(shown)
    return shown
