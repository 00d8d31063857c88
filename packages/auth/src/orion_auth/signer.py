"""Signing access tokens: JWTs of type `at+jwt` (RFC 9068)."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Literal

import structlog

from orion_contracts.claims import AccessClaims, Confirmation
from orion_core.access_tokens import AUDIENCE, TYPE
from orion_core.background import pause
from orion_core.database_faults import database_reason
from orion_core.errors import unavailable
from orion_core.http.step_up import MULTI_FACTOR, SEVERAL_FACTORS
from orion_core.ids import uuid7
from orion_core.sealing import SealError
from orion_core.signatures import PrivateKey, encode

log = structlog.get_logger()

Network = IPv4Network | IPv6Network

LIFETIME = timedelta(minutes=10)
RELOAD_SECONDS = 60
RETRY_SECONDS = 1
FIRST_PARTY = "orion"
"""`client_id` of the product's own applications, which sign users in with a password."""


@dataclass(frozen=True)
class SigningKey:
    """The key that signs now."""

    kid: str
    key: PrivateKey

    @cached_property
    def header(self) -> str:
        """The first part of every token that it signs."""
        header = {"alg": self.key.algorithm, "typ": TYPE, "kid": self.kid}
        return encode(json.dumps(header, separators=(",", ":")).encode())


@dataclass(frozen=True)
class AccessToken:
    """A signed token."""

    text: str = field(repr=False)
    expires_in: int
    """Seconds it is good for."""
    token_type: Literal["Bearer", "DPoP"]
    """How it is sent (RFC 6749 §7.1, RFC 9449 §5)."""


class AccessTokenSigner:
    """Signs with the active key, which `load` gets from the database when it is first needed."""

    def __init__(self, load: Callable[[], Awaitable[SigningKey]], issuer: str) -> None:
        self._load = load
        self._issuer = issuer
        self._key: SigningKey | None = None
        self._loading = asyncio.Lock()
        self.fault: str | None = None
        """Why there is no key to sign with, if there is none; for `/readyz`."""

    async def run(self, stop: asyncio.Event) -> None:
        """Load the key at the start, and again every minute, so that a rotation reaches every process."""
        while not stop.is_set():
            try:
                await self._reload()
            except Exception:  # noted by _reload, whatever it was
                await pause(stop, RETRY_SECONDS)
            else:
                await pause(stop, RELOAD_SECONDS)

    async def ready(self) -> SigningKey:
        """The active key; a 503 Problem when it cannot be opened."""
        try:
            return self._key or await self._reload()
        except SealError:
            detail = "The server's signing key cannot be opened; an operator has to put its sealing key back."
            raise unavailable("signing_key_unusable", detail, RELOAD_SECONDS) from None

    async def _reload(self) -> SigningKey:
        async with self._loading:
            try:
                self._key = await self._load()
            except Exception as error:
                self._note(error)
                raise
            self.fault = None
            return self._key

    def _note(self, error: Exception) -> None:
        """Say once what is wrong. A key loaded before still signs."""
        is_sealed = isinstance(error, SealError)
        reason = str(error) if is_sealed else database_reason(error)
        fault = None if self._key else f"the signing key cannot be loaded: {reason}"
        if fault != self.fault:
            hint = "is AUTH_SEALING_KEYS the one it was sealed under?" if is_sealed else "is AUTH_DATABASE_URL right?"
            log.error("signing_key.unusable", reason=fault, hint=hint)
        self.fault = fault

    async def for_user(
        self,
        user_id: object,
        session_id: object,
        *,
        epoch: int,
        auth_time: datetime,
        amr: tuple[str, ...],
        now: datetime,
        scopes: tuple[str, ...] = (),
        audience: str | list[str] = AUDIENCE,
        jkt: str | None = None,
    ) -> AccessToken:
        """A token of a user who proved who he is at `auth_time`, by the methods `amr` (RFC 8176).

        With `jkt` it is good only for whoever holds the key of that thumbprint (RFC 9449 §6).
        """
        claims = self._claims(str(user_id), FIRST_PARTY, now).model_copy(
            update={
                "sid": str(session_id),
                "aud": audience,
                "scope": " ".join(scopes),
                "epoch": epoch,
                "auth_time": int(auth_time.timestamp()),
                "acr": MULTI_FACTOR if SEVERAL_FACTORS in amr else None,
                "amr": list(amr),
                "cnf": _confirmation(jkt),
            }
        )
        return await self._sign(claims)

    async def for_service(
        self, name: str, scope: str, now: datetime, *, audience: str | list[str] = AUDIENCE, jkt: str | None = None
    ) -> AccessToken:
        """A token of the service called `name`: subject and client are the same (RFC 9068 §2.2)."""
        changes = {"scope": scope, "aud": audience, "cnf": _confirmation(jkt)}
        return await self._sign(self._claims(name, name, now).model_copy(update=changes))

    async def for_api_key(
        self,
        subject: str,
        client_id: str,
        key_id: object,
        scope: str,
        now: datetime,
        *,
        epoch: int,
        audience: str | list[str] = AUDIENCE,
        ends_at: datetime | None = None,
        networks: Sequence[Network] = (),
        rate_limit: int | None = None,
        jkt: str | None = None,
    ) -> AccessToken:
        """A token for an API key of `subject`: the key's id stands where a session's does, and it ends with the key."""
        claims = self._claims(subject, client_id, now)
        changes: dict[str, Any] = {"sid": str(key_id), "scope": scope, "aud": audience, "epoch": epoch}
        changes |= {"networks": list(networks) or None, "rate_limit": rate_limit, "cnf": _confirmation(jkt)}
        if ends_at is not None:
            changes["exp"] = min(claims.exp, int(ends_at.timestamp()))
        return await self._sign(claims.model_copy(update=changes))

    def _claims(self, subject: str, client_id: str, now: datetime) -> AccessClaims:
        issued_at = int(now.timestamp())
        return AccessClaims(
            iss=self._issuer,
            aud=AUDIENCE,
            sub=subject,
            client_id=client_id,
            exp=issued_at + int(LIFETIME.total_seconds()),
            iat=issued_at,
            jti=str(uuid7()),
        )

    async def _sign(self, claims: AccessClaims) -> AccessToken:
        active = await self.ready()
        signed = f"{active.header}.{encode(claims.model_dump_json(exclude_none=True).encode())}"
        text = f"{signed}.{encode(active.key.sign(signed.encode()))}"
        return AccessToken(text, claims.exp - claims.iat, "Bearer" if claims.cnf is None else "DPoP")


def _confirmation(jkt: str | None) -> Confirmation | None:
    return Confirmation(jkt=jkt) if jkt is not None else None
