"""The journey to a provider and back: it is begun here, and ends with a proof of who came back."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from orion_auth.addresses import normalise_email
from orion_auth.base import AnyRow
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Attempt, Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.oauth_connections import actions as oauth_connections
from orion_auth.providers.actions import Request
from orion_auth.providers.rules import Account, Provider, ProviderError, ResponseMode
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.social import store
from orion_auth.social.bridge import Bridge, cookie_name, no_such_provider
from orion_auth.social.proofs import Proof
from orion_auth.social.rules import JOURNEY, PROVED, may_return_to, with_parameters
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database
from orion_core.errors import Problem, invalid_field
from orion_core.ids import uuid7
from orion_core.sealing import place
from orion_core.secrets import hash_secret, new_secret

log = structlog.get_logger()


@dataclass(frozen=True)
class Cookie:
    """What the browser that begins a journey is known by when it comes back."""

    name: str
    value: str = field(repr=False)
    is_sent_across_sites: bool
    """The provider's form comes from its own site, and only then is the cookie needed there."""


@dataclass(frozen=True)
class Journey:
    """A journey that has begun."""

    id: UUID
    authorization_url: str = field(repr=False)
    flow: str = field(repr=False)
    expires_at: datetime
    cookie: Cookie | None


@dataclass(frozen=True)
class Return:
    """What a browser brings back from a provider."""

    state: str = field(repr=False)
    code: str | None = field(repr=False)
    error: str | None
    issuer: str | None
    cookie: str | None = field(repr=False)
    name: str | None = None
    """Apple tells its user's name here, the first time, and nowhere else."""


async def begin(
    bridge: Bridge, name: str, return_to: str, *, in_browser: bool, bearer: Bearer, now: datetime
) -> Journey:
    """Begin a journey to the provider called `name`."""
    await rate_limits.take_social_login(bridge.database, bearer.ip_address, now)
    if not may_return_to(return_to, bridge.return_urls):
        raise _may_not_return()
    async with bridge.database.autocommit() as connection:
        provider = await oauth_connections.enabled(connection, bridge.keyring, name)
    if provider is None:
        raise no_such_provider()
    request = Request(bridge.redirect_uri(name), state=new_secret(), nonce=new_secret(), code_verifier=new_secret())
    try:
        authorization_url = await bridge.providers.authorization_url(provider, request)
    except ProviderError as error:
        log.warning("social.provider_unusable", provider=name, reason=error.reason, detail=error.detail)
        raise _unusable() from error
    flow_id, flow, browser = uuid7(), new_secret(), new_secret()
    values: dict[str, Any] = {
        "id": flow_id,
        "provider": name,
        "state_hash": hash_secret(request.state),
        "nonce_hash": hash_secret(request.nonce),
        "browser_hash": hash_secret(browser) if in_browser else None,
        "flow_hash": hash_secret(flow),
        "code_verifier": bridge.keyring.seal(request.code_verifier.encode(), _verifier_place(flow_id)),
        "return_to": return_to,
        "expires_at": now + JOURNEY,
    }
    async with bridge.database.autocommit() as connection:
        await store.insert_flow(connection, values)
    across_sites = provider.response_mode is ResponseMode.FORM_POST
    cookie = Cookie(cookie_name(request.state), browser, across_sites) if in_browser else None
    return Journey(flow_id, authorization_url, flow, now + JOURNEY, cookie)


async def options(database: Database) -> list[tuple[str, str | None]]:
    """Name and display name of the providers that one may sign in through."""
    async with database.autocommit() as connection:
        return await oauth_connections.list_enabled(connection)


async def come_back(bridge: Bridge, name: str, returned: Return, bearer: Bearer, now: datetime) -> str:
    """Ask the provider who came back; the URL that the browser goes on to, with a code for one use, or with an error.

    A Problem, and no way on, when the journey is none of this browser's: whoever wrote that link may not choose where
    it leads. Of two that come back from one journey, one does.
    """
    started = time.perf_counter()
    await rate_limits.take_social_login(bridge.database, bearer.ip_address, now)
    async with bridge.database.autocommit() as connection:
        provider = await oauth_connections.enabled(connection, bridge.keyring, name)
        if provider is None:
            raise no_such_provider()
        browser_hash = hash_secret(returned.cookie or "")
        flow = await store.take_back(connection, hash_secret(returned.state), name, browser_hash, now)
    if flow is None:
        raise _not_this_browsers()
    try:
        proof = await _ask(bridge, provider, flow, returned, now)
    except ProviderError as error:
        log.warning("social.refused", provider=name, reason=error.reason, detail=error.detail)
        await _record_failure(bridge, error.reason, bearer, now, started)
        word = "access_denied" if error.reason == "access_denied" else "provider_failed"
        return with_parameters(flow.return_to, {"authorization": str(flow.id), "error": word})
    code = new_secret()
    sealed = proof.seal(bridge.keyring, flow.id)
    async with bridge.database.autocommit() as connection:
        await store.keep_proof(connection, flow.id, sealed, hash_secret(code), now + PROVED)
    return with_parameters(flow.return_to, {"authorization": str(flow.id), "code": code})


async def _ask(bridge: Bridge, provider: Provider, flow: AnyRow, returned: Return, now: datetime) -> Proof:
    await bridge.providers.check_answerer(provider, returned.issuer)
    if returned.error is not None or returned.code is None:
        word = "access_denied" if returned.error in _DENIALS else "NO_CODE"
        raise ProviderError(word, "the provider sent no code")
    verifier = bridge.keyring.open(flow.code_verifier, _verifier_place(flow.id)).decode()
    redirect_uri = bridge.redirect_uri(provider.name)
    tokens = await bridge.providers.exchange(
        provider, returned.code, redirect_uri=redirect_uri, code_verifier=verifier, now=now
    )
    account = await bridge.providers.identify(provider, tokens, flow.nonce_hash, now)
    if returned.name is not None and "name" not in account.profile:
        profile = {**account.profile, "name": returned.name}
        account = Account(account.subject, account.email, account.email_is_verified, profile)
    return Proof.of(account, normalise_email(account.email) if account.email is not None else None, tokens)


_DENIALS = ("access_denied", "user_cancelled_authorize", "user_cancelled_login")


async def _record_failure(bridge: Bridge, reason: str, bearer: Bearer, now: datetime, started: float) -> None:
    seen = bridge.gate.locate(bearer)
    attempt = Attempt(LoginMethod.SOCIAL, None, seen.ip_address, seen.user_agent, seen.device_id, now, seen.place)
    duration = int((time.perf_counter() - started) * 1000)
    finding = Finding("FAILED", reason.upper()[:60])
    await login_attempts.record_alone(bridge.database, attempt, finding, user_id=None, duration_ms=duration)


def _verifier_place(flow_id: UUID) -> str:
    return place("oauth_flows", "code_verifier", flow_id)


def _may_not_return() -> Problem:
    detail = "The browser may not be sent there; AUTH_RETURN_URLS lists where it may."
    return invalid_field("/return_to", "not_allowed", detail)


def _unusable() -> Problem:
    detail = "The provider cannot be reached, or says nothing usable of itself. Sign in another way, or later."
    return Problem(502, "provider_unusable", "Provider unusable", detail)


def _not_this_browsers() -> Problem:
    detail = "This sign-in was not begun in this browser, has ended, or was finished before. Begin again."
    return Problem(400, "unknown_authorization", "Unknown sign-in", detail)
