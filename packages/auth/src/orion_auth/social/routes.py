"""Social login, over HTTP: to a provider, back, and into a session."""

import json
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse

from orion_auth.answers import SECOND_FACTOR_NEEDED, admitted
from orion_auth.bearers import bearer_of
from orion_auth.components import Claims, Components, Wired
from orion_auth.sessions.shapes import SessionGranted
from orion_auth.social import accounts, actions, arrivals
from orion_auth.social.actions import Return
from orion_auth.social.arrivals import EmailSaid, Shown
from orion_auth.social.bridge import Bridge, callback_path, cookie_name
from orion_auth.social.rules import JOURNEY
from orion_auth.social.shapes import (
    Authorization,
    LinkedAccount,
    LinkedAccounts,
    NewAuthorization,
    NewLinkedAccount,
    NewSocialSession,
    SignInOption,
    SignInOptions,
)
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import require_shown
from orion_core.errors import Problem
from orion_core.http.authentication import user_id
from orion_core.http.context import Context, RequestContext
from orion_core.http.openapi import refusals
from orion_core.http.pages import html, page

router = APIRouter(prefix="/auth/v1", tags=["social login"])

Name = Annotated[str, Path(max_length=50, description="The connection's name.")]


def bridge_of(wired: Wired) -> Bridge:
    """The bridge, as routes and the background put it together."""
    settings = wired.settings
    return Bridge(
        gate=wired.gate,
        providers=wired.providers,
        mailing=wired.mailing,
        addresses=wired.address_policy,
        keyring=settings.sealing_keys,
        public_prefix=settings.link_prefix,
        return_urls=settings.return_urls,
    )


Bridged = Annotated[Bridge, Depends(bridge_of)]

_PAGE: dict[str, Any] = {
    "description": "A page, for a browser that comes back with nothing that is known here",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
_ON: dict[str, Any] = {
    "description": "On to `return_to` with `authorization` and `code`, or `error` (`access_denied`, `provider_failed`)"
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {n: {"type": "string"} for n in ("state", "code", "error", "iss")},
}


@router.get("/sign-in-options")
async def sign_in_options(wired: Wired) -> SignInOptions:
    """The providers that one may sign in through, for a page that shows a button for each."""
    listed = await actions.options(wired.database)
    return SignInOptions(items=[SignInOption(name=name, display_name=shown) for name, shown in listed])


@router.post(
    "/oauth-connections/{name}/authorizations",
    status_code=HTTPStatus.CREATED,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY),
)
async def begin(
    name: Name, body: NewAuthorization, bridge: Bridged, wired: Wired, context: Context, response: Response
) -> Authorization:
    """Begin to sign in through a provider, or to link an account there: where to send the browser."""
    now = wired.clock()
    journey = await actions.begin(
        bridge,
        name,
        body.return_to,
        in_browser=body.started_by == "BROWSER",
        bearer=Bearer(context.ip_address, context.user_agent),
        now=now,
    )
    if journey.cookie is not None:
        response.set_cookie(
            journey.cookie.name,
            journey.cookie.value,
            max_age=int(JOURNEY.total_seconds()),
            path=callback_path(name),
            secure=bridge.is_https or journey.cookie.is_sent_across_sites,
            httponly=True,
            samesite="none" if journey.cookie.is_sent_across_sites else "lax",
        )
    return Authorization(
        id=journey.id,
        authorization_url=journey.authorization_url,
        flow=journey.flow,
        expires_in=int((journey.expires_at - now).total_seconds()),
    )


@router.get(
    "/oauth-connections/{name}/callback",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses={303: _ON, 400: _PAGE, 404: _PAGE, 429: _PAGE},
)
async def come_back(name: Name, request: Request, bridge: Bridged, wired: Wired, context: Context) -> Response:
    """Where the provider sends the browser back to."""
    return await _come_back(name, list(request.query_params.multi_items()), request, bridge, wired, context)


@router.post(
    "/oauth-connections/{name}/callback",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses={303: _ON, 400: _PAGE, 404: _PAGE, 429: _PAGE},
    openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": _ANSWER}}}},
)
async def come_back_by_form(name: Name, request: Request, bridge: Bridged, wired: Wired, context: Context) -> Response:
    """The same, for a provider that answers by form (Apple)."""
    try:
        fields = parse_qsl((await request.body()).decode("ascii"), max_num_fields=20, keep_blank_values=True)
    except ValueError:
        fields = []
    return await _come_back(name, fields, request, bridge, wired, context)


@router.post(
    "/oauth-authorizations/{authorization}/session",
    status_code=HTTPStatus.CREATED,
    response_model=SessionGranted,
    responses=SECOND_FACTOR_NEEDED
    | refusals(
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.GONE,
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
)
async def sign_in(
    authorization: UUID, body: NewSocialSession, bridge: Bridged, wired: Wired, request: Request
) -> Response:
    """Sign in by what the provider has proved. The account may be a new one."""
    now = wired.clock()
    outcome = await arrivals.sign_in(
        bridge,
        Shown(authorization, body.flow, body.code),
        EmailSaid(body.email, body.email_code),
        bearer_of(request, body),
        now,
        remember=body.remember,
    )
    return admitted(outcome, now)


@router.get("/me/oauth-accounts")
async def list_linked_accounts(claims: Claims, wired: Wired) -> LinkedAccounts:
    """The accounts elsewhere that are linked to one's own."""
    return LinkedAccounts(items=await accounts.list_of(wired.database, user_id(claims)))


@router.post(
    "/me/oauth-accounts",
    status_code=HTTPStatus.CREATED,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.TOO_MANY_REQUESTS),
)
async def link_account(
    body: NewLinkedAccount, claims: Claims, bridge: Bridged, wired: Wired, context: Context
) -> LinkedAccount:
    """Link what a journey has proved to one's own account. Needs a recent proof of who one is."""
    now, owner = wired.clock(), user_id(claims)
    await require_shown(wired.database, claims, now)
    bearer = Bearer(context.ip_address, context.user_agent)
    return await accounts.link(
        bridge, owner, UUID(claims.sid), Shown(body.authorization, body.flow, body.code), bearer, now
    )


@router.delete(
    "/me/oauth-accounts/{account}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def unlink_account(
    account: UUID, claims: Claims, bridge: Bridged, wired: Wired, context: Context, afterwards: BackgroundTasks
) -> None:
    """Unlink an account, unless it is the last way in. Needs a recent proof of who one is.

    The provider is asked afterwards to revoke the tokens that it gave us.
    """
    now, owner = wired.clock(), user_id(claims)
    await require_shown(wired.database, claims, now)
    bearer = Bearer(context.ip_address, context.user_agent)
    unlinked = await accounts.unlink(bridge, owner, UUID(claims.sid), account, bearer, now)
    afterwards.add_task(accounts.give_back_tokens, bridge, unlinked, now)


@router.put(
    "/me/oauth-accounts/{account}/primary",
    status_code=HTTPStatus.NO_CONTENT,
    responses=refusals(HTTPStatus.NOT_FOUND),
)
async def make_primary(account: UUID, claims: Claims, bridge: Bridged, wired: Wired) -> None:
    """Make a linked account the primary one."""
    await accounts.make_primary(bridge, user_id(claims), account, wired.clock())


async def _come_back(
    name: str,
    fields: list[tuple[str, str]],
    request: Request,
    bridge: Bridge,
    wired: Components,
    context: RequestContext,
) -> Response:
    try:
        returned = _read(fields, request)
        bearer = Bearer(context.ip_address, context.user_agent)
        onward = await actions.come_back(bridge, name, returned, bearer, wired.clock())
    except Problem as problem:
        # There is nowhere to send the browser on to.
        refused = html(page(problem.title, problem.detail), problem.status)
        refused.headers.update(problem.headers)
        return refused
    response = RedirectResponse(onward, HTTPStatus.SEE_OTHER)
    response.delete_cookie(cookie_name(returned.state), path=callback_path(name), httponly=True)
    return response


def _read(fields: list[tuple[str, str]], request: Request) -> Return:
    """What the provider had the browser bring. Each parameter once (RFC 6749 §3.1), and none of them long."""
    known = {field: value for field, value in fields if field in ("state", "code", "error", "iss", "user")}
    times = [field for field, _ in fields if field in known]
    if len(times) != len(known) or any(len(value) > 8192 for value in known.values()) or not known.get("state"):
        detail = "This is not an answer of a provider. Begin to sign in again."
        raise Problem(400, "invalid_answer", "Unknown sign-in", detail)
    state = known["state"]
    return Return(
        state=state,
        code=known.get("code"),
        error=known.get("error"),
        issuer=known.get("iss"),
        cookie=request.cookies.get(cookie_name(state)),
        name=_name(known.get("user")),
    )


def _name(text: str | None) -> str | None:
    """The name in Apple's `user`; nothing else in there is used, since it is not signed."""
    try:
        name: Any = json.loads(text or "")["name"]
        parts = [name[part] for part in ("firstName", "lastName")]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    whole = " ".join(part.strip() for part in parts if isinstance(part, str)).strip()
    return whole if 0 < len(whole) <= 100 and whole.isprintable() else None
