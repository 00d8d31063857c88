"""Sessions, over HTTP: signing out deletes one."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from orion_auth.components import Claims, Components, Investigator, Sender, Wired, claims_of
from orion_auth.places import NOWHERE, Places
from orion_auth.refresh_tokens import actions as refresh_tokens
from orion_auth.refresh_tokens.shapes import RefreshTokenShape
from orion_auth.security_events.actions import Circumstances
from orion_auth.sessions import actions, listings
from orion_auth.sessions.listings import Located
from orion_auth.sessions.shapes import SessionsEnded, SessionShape
from orion_contracts.claims import AccessClaims
from orion_core.http.authentication import require_recent, require_scope, user_id
from orion_core.http.feed import SCOPE
from orion_core.http.openapi import refusals
from orion_core.http.shortcut import Shortcut
from orion_core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, link_next
from orion_core.revocations import RevocationSnapshot

LISTING = "sessions by -id"

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.delete("/sessions/current", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(claims: Claims, wired: Wired) -> None:
    """Sign out: this session ends, and every service refuses its tokens within a second."""
    subject = user_id(claims)
    await actions.sign_out(wired.database, wired.outbox, subject, UUID(claims.sid), wired.clock())


@router.get("/sessions")
async def list_sessions(
    request: Request,
    response: Response,
    claims: Claims,
    wired: Wired,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[SessionShape]:
    """Where the caller is signed in, the latest sign-in first."""
    subject = user_id(claims)
    listing = f"{LISTING} of {subject}"
    after = UUID(str(wired.cursors.read(listing, cursor)[0])) if cursor is not None else None
    found = await listings.live(wired.database, subject, wired.clock(), after, limit + 1)
    page = found[:limit]
    following = wired.cursors.issue(listing, [page[-1].session.id]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=[_shape(each, claims, wired.gate.places) for each in page], next=following)


@router.delete("/sessions", responses=refusals(HTTPStatus.UNAUTHORIZED))
async def end_others(
    claims: Claims,
    wired: Wired,
    bearer: Sender,
    every: Annotated[bool, Query(alias="all", description="End this one too.")] = False,
) -> SessionsEnded:
    """Sign out everywhere else, or with `all=true` everywhere. Needs a proof of who one is that is minutes old."""
    subject, now = user_id(claims), wired.clock()
    require_recent(claims, now)
    keep = None if every else UUID(claims.sid)
    circumstances = Circumstances.of(bearer)
    ended = await listings.end_others(wired.database, wired.outbox, subject, keep, circumstances, now)
    return SessionsEnded(ended=ended)


@router.get("/sessions/current", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_current_session(claims: Claims, wired: Wired) -> SessionShape:
    """The session that this request belongs to."""
    found = await listings.one(wired.database, user_id(claims), UUID(claims.sid), wired.clock())
    return _shape(found, claims, wired.gate.places)


def shortcut() -> Shortcut:
    """`GET /auth/v1/sessions/current` past FastAPI: by it others ask whether a token is good."""

    async def answer(request: Request) -> Response:
        wired: Components = request.app.state.components
        session = await read_current_session(await claims_of(request, wired), wired)
        return Response(session.model_dump_json(by_alias=True), media_type="application/json")

    return Shortcut("GET", f"{router.prefix}/sessions/current", answer)


@router.get("/sessions/{session_id}", responses=refusals(HTTPStatus.NOT_FOUND))
async def read_session(session_id: UUID, claims: Claims, wired: Wired) -> SessionShape:
    """One of the caller's sessions."""
    found = await listings.one(wired.database, user_id(claims), session_id, wired.clock())
    return _shape(found, claims, wired.gate.places)


@router.delete(
    "/sessions/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND),
)
async def end_session(session_id: UUID, claims: Claims, wired: Wired) -> None:
    """Sign out one of the caller's sessions. One that is not this needs a proof of who one is that is minutes old."""
    subject, now = user_id(claims), wired.clock()
    if str(session_id) != claims.sid:
        require_recent(claims, now)
    await listings.end_one(wired.database, wired.outbox, subject, session_id, now)


def _shape(located: Located, claims: AccessClaims, places: Places) -> SessionShape:
    session, device = located.session, located.device
    # Where it was refreshed last; what is kept with it is where it began.
    place = places.find(session.ip_address) if session.ip_address else NOWHERE
    country, city = (place.country, place.city) if place.country else (session.country, session.city)
    return SessionShape(
        id=session.id,
        is_current=str(session.id) == claims.sid,
        device_name=device.name if device else None,
        device_type=device.type if device else None,
        ip_address=str(session.ip_address) if session.ip_address else None,
        user_agent=session.user_agent,
        country=country,
        city=city,
        started_at=session.started_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        authenticated_at=session.authenticated_at,
        amr=list(session.amr),
    )


@router.get(
    "/users/{user_id}/sessions/{session_id}/refresh-tokens",
    tags=["administration"],
    responses=refusals(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)
async def list_refresh_tokens(
    user_id: UUID,
    session_id: UUID,
    _: Investigator,
    wired: Wired,
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
) -> Page[RefreshTokenShape]:
    """Every refresh token that a session has had, the first one first, also once the session has ended."""
    listing = f"refresh tokens of {session_id}"
    after: int | None = wired.cursors.read(listing, cursor)[0] if cursor is not None else None
    found = await refresh_tokens.line(wired.database, user_id, session_id, after, limit + 1)
    items = list(found[:limit])
    following = wired.cursors.issue(listing, [items[-1].refresh_count]) if len(found) > limit else None
    link_next(request, response, following)
    return Page(items=items, next=following)


@router.get("/revocations")
async def read_revocations(claims: Claims, wired: Wired) -> RevocationSnapshot:
    """What is refused now, for services that begin to follow."""
    require_scope(claims, SCOPE)
    return await actions.snapshot(wired.database, wired.feed, wired.clock())
