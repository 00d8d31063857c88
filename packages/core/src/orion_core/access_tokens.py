"""Verifying access tokens without asking auth: signature by JWKS, refusal by what auth's feed has said.

RFC 9068 (JWT profile for access tokens) and RFC 8725 (JWT best current practices): the algorithm is fixed by us and
never taken from the token, `typ` must be `at+jwt`, issuer and audience must be ours.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import httpx
import structlog
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from pydantic import ValidationError

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.errors import unauthenticated, unavailable

ALGORITHM = "ES256"
TYPE = "at+jwt"
LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""

LONGEST_TOKEN = 8192
CACHED_TOKENS = 20_000
KEYS_LIVE = timedelta(minutes=5)
UNKNOWN_KEY_PAUSE = timedelta(seconds=5)

FetchKeys = Callable[[], Awaitable[dict[str, object]]]
"""Gets the JWK set document; may raise httpx.HTTPError."""

log = structlog.get_logger()


class Refusals(Protocol):
    """Who knows which tokens are refused although their signature is good."""

    async def check(self, claims: AccessClaims) -> None:
        """Return when the token may be used; raise a Problem when it is refused, or when that cannot be known now."""
        ...


class TokenVerifier:
    """Verifies signature, type, issuer, audience and times of access tokens for one audience."""

    def __init__(self, fetch_keys: FetchKeys, issuer: str, audience: str, clock: Clock) -> None:
        self._fetch_keys = fetch_keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys: dict[str, ECKey] = {}
        self._fetched_at: datetime | None = None
        self._fetching = asyncio.Lock()
        self._verified: OrderedDict[str, tuple[AccessClaims, datetime]] = OrderedDict()

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a good token; raises a 401 Problem otherwise, or 503 while no key could be had from auth."""
        now = self._clock()
        claims, verified_at = self._verified.get(token, (None, now))
        if claims is None or now - verified_at >= KEYS_LIVE:
            claims = await self._verify_anew(token)
            self._remember(token, claims, now)
        self._check_times(claims, now)
        return claims

    async def _verify_anew(self, token: str) -> AccessClaims:
        if len(token) > LONGEST_TOKEN:
            raise unauthenticated("The access token is too long to be one of ours.")
        try:
            header = jws.extract_compact(token.encode()).headers()
            if str(header.get("typ", "")).lower() != TYPE or header.get("alg") != ALGORITHM:
                raise unauthenticated("This is not an access token.")
            key = await self._key(str(header.get("kid", "")))
            payload = jws.deserialize_compact(token.encode(), key, algorithms=[ALGORITHM]).payload
            claims = AccessClaims.model_validate_json(payload)
        except (JoseError, ValueError, ValidationError):
            raise unauthenticated("The access token is malformed, or its signature is not ours.") from None
        if claims.iss != self._issuer or self._audience not in claims.audiences:
            raise unauthenticated("The access token was issued for somebody else.")
        return claims

    def _check_times(self, claims: AccessClaims, now: datetime) -> None:
        if claims.exp <= now.timestamp():
            raise unauthenticated("The access token has expired; refresh it.")
        if claims.iat > (now + LEEWAY).timestamp():
            raise unauthenticated("The access token was issued in the future; check the clock.")

    async def _key(self, key_id: str) -> ECKey:
        async with self._fetching:
            age = KEYS_LIVE if self._fetched_at is None else self._clock() - self._fetched_at
            if age >= KEYS_LIVE or (key_id not in self._keys and age >= UNKNOWN_KEY_PAUSE):
                await self._refresh_keys()
        if key_id not in self._keys:
            raise unauthenticated("The access token was signed by an unknown key.")
        return self._keys[key_id]

    async def _refresh_keys(self) -> None:
        try:
            document = await self._fetch_keys()
        except (httpx.HTTPError, OSError) as error:
            log.warning("keys.unreachable", reason=type(error).__name__)
            if not self._keys:
                raise unavailable("keys_unreachable", "auth's keys could not be fetched yet; try again.", 2) from None
            return
        keys = KeySet.import_key_set(document)  # pyright: ignore[reportArgumentType]
        self._keys = {str(key.kid): key for key in keys.keys if isinstance(key, ECKey)}
        self._fetched_at = self._clock()

    def _remember(self, token: str, claims: AccessClaims, now: datetime) -> None:
        """Keep the result as long as a fetched key is kept, so a key that auth takes back stops working here too."""
        self._verified[token] = claims, now
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)
