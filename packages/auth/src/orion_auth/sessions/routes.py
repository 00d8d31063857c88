"""Sessions, over HTTP. Signing in creates one, signing out deletes it."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response

from orion_auth.components import Claims, Wired
from orion_auth.sessions import actions
from orion_auth.sessions.shapes import SessionGranted, SignIn
from orion_auth.tokens.actions import Bearer
from orion_core.http.authentication import require_scope, user_id
from orion_core.http.context import Context
from orion_core.http.feed import SCOPE
from orion_core.http.openapi import refusals
from orion_core.revocations import RevocationSnapshot

router = APIRouter(prefix="/auth/v1", tags=["sessions"])


@router.post(
    "/sessions",
    status_code=HTTPStatus.CREATED,
    responses=refusals(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def sign_in(body: SignIn, wired: Wired, context: Context, response: Response) -> SessionGranted:
    """Sign in with a password."""
    now = wired.clock()
    grant = await actions.sign_in(
        wired.database,
        wired.lane,
        wired.signer,
        wired.outbox,
        email_text=body.email,
        password=body.password,
        bearer=Bearer(context.ip_address, context.user_agent, body.device_id),
        now=now,
    )
    response.headers.update(grant.limit.headers() if grant.limit else {})
    return SessionGranted(
        access_token=grant.access_token.text,
        expires_in=grant.access_token.expires_in,
        refresh_token=grant.refresh_token,
        refresh_expires_in=int((grant.expires_at - now).total_seconds()),
        session_id=grant.session_id,
        user_id=grant.user_id,
    )


@router.delete("/sessions/current", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(claims: Claims, wired: Wired) -> None:
    """Sign out: this session ends, and every service refuses its tokens within a second."""
    subject = user_id(claims)
    await actions.sign_out(wired.database, wired.outbox, subject, UUID(claims.sid), wired.clock())


@router.get("/revocations")
async def read_revocations(claims: Claims, wired: Wired) -> RevocationSnapshot:
    """What is refused now, for services that begin to follow."""
    require_scope(claims, SCOPE)
    return await actions.snapshot(wired.database, wired.feed, wired.clock())
