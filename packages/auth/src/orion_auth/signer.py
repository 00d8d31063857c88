"""Signing access tokens: JWTs of type `at+jwt` (RFC 9068), ES256."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from joserfc import jwt
from joserfc.jwk import ECKey

from orion_contracts.claims import AccessClaims
from orion_core.access_tokens import ALGORITHM, AUDIENCE, TYPE
from orion_core.ids import uuid7

LIFETIME = timedelta(minutes=10)
RELOAD_SECONDS = 60
FIRST_PARTY = "orion"
"""`client_id` of the product's own applications, which sign users in with a password."""


@dataclass(frozen=True)
class SigningKey:
    """The key that signs now."""

    kid: str
    key: ECKey


@dataclass(frozen=True)
class AccessToken:
    """A signed token."""

    text: str = field(repr=False)
    expires_in: int
    """Seconds it is good for."""


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
            await self._reload()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RELOAD_SECONDS)

    async def ready(self) -> SigningKey:
        """The active key."""
        return self._key or await self._reload()

    async def _reload(self) -> SigningKey:
        async with self._loading:
            try:
                self._key = await self._load()
            except Exception as error:
                self.fault = None if self._key else f"the signing key cannot be loaded ({type(error).__name__})"
                raise
            self.fault = None
            return self._key

    async def for_user(
        self, user_id: object, session_id: object, *, epoch: int, auth_time: datetime, now: datetime
    ) -> AccessToken:
        """A token of a user who signed in with a password at `auth_time`."""
        claims = self._claims(str(user_id), FIRST_PARTY, now).model_copy(
            update={"sid": str(session_id), "epoch": epoch, "auth_time": int(auth_time.timestamp()), "amr": ["pwd"]}
        )
        return await self._sign(claims)

    async def for_service(self, name: str, scope: str, now: datetime) -> AccessToken:
        """A token of the service called `name`: subject and client are the same (RFC 9068 §2.2)."""
        return await self._sign(self._claims(name, name, now).model_copy(update={"scope": scope}))

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
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": active.kid}
        text = jwt.encode(header, claims.model_dump(exclude_none=True), active.key, algorithms=[ALGORITHM])
        return AccessToken(text, claims.exp - claims.iat)
