"""Verifying access tokens without asking auth: signature by JWKS, refusal by what auth's feed has said.

RFC 9068 (JWT profile for access tokens) and RFC 8725 (JWT best current practices): the algorithm is that of the key as
auth publishes it and never taken from the token, `typ` must be `at+jwt`, issuer and audience must be ours.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

import structlog
from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.errors import Problem, unauthenticated, unavailable
from orion_core.signatures import ALGORITHMS, VerifyingKey, decode, verifying_key

TYPE = "at+jwt"
AUDIENCE = "orion"
"""`aud` of access tokens that are for every service: those of one product."""

LEEWAY = timedelta(seconds=5)
"""How far the clocks of two machines may be apart."""

LONGEST_TOKEN = 8192
CACHED_TOKENS = 20_000
KEYS_LIVE = timedelta(minutes=5)
"""How long fetched keys, and what was verified with them, are used without asking again."""
KEYS_LAST = timedelta(hours=1)
"""How long they are used when auth cannot be asked."""
FETCH_PAUSE = timedelta(seconds=2)
"""Between two fetches: unknown key ids, or an auth that is away, cause no more than this."""

FetchKeys = Callable[[], Awaitable[dict[str, object]]]
"""Gets the JWK set document; may fail in any way."""

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

log = structlog.get_logger()


def audience_of(service: str) -> str:
    """`aud` of access tokens that are for that service, and not for others that do not stand beside it (RFC 8707)."""
    return f"urn:orion:{service}"


class Refusals(Protocol):
    """Who knows which tokens are refused although their signature is good."""

    async def check(self, claims: AccessClaims) -> None:
        """Return when the token may be used; raise a Problem when it is refused, or when that cannot be known now."""
        ...


class TokenVerifier:
    """Verifies signature, type, issuer, audience and times of access tokens: those for `audience` or for everybody.

    `others` are further audiences, for whoever looks at tokens that are not for himself.
    """

    def __init__(self, fetch_keys: FetchKeys, issuer: str, audience: str, clock: Clock, *others: str) -> None:
        self._fetch_keys = fetch_keys
        self._issuer = issuer
        self._audiences = frozenset((audience, AUDIENCE, *others))
        self._clock = clock
        self._keys: dict[str, VerifyingKey] = {}
        self._headers: dict[str, VerifyingKey] = {}
        self._fetched_at: datetime | None = None
        self._keys_live_until = clock()
        self._tried_at: datetime | None = None
        self._fetching = asyncio.Lock()
        self._verified: OrderedDict[str, tuple[AccessClaims, datetime]] = OrderedDict()

    async def verify(self, token: str) -> AccessClaims:
        """The claims of a good token; raises a 401 Problem otherwise, or 503 while no key could be had from auth."""
        now = self._clock()
        claims, good_until = self._verified.get(token, (None, now))
        if claims is None or now >= good_until:
            claims = await self._verify_anew(token, now)
            self._remember(token, claims)
        _check_times(claims, now.timestamp())
        return claims

    async def _verify_anew(self, token: str, now: datetime) -> AccessClaims:
        if len(token) > LONGEST_TOKEN:
            raise unauthenticated("The access token is too long to be one of ours.")
        parts = _FORM.fullmatch(token)
        if parts is None:
            raise _malformed()
        header, payload, signature = parts.groups()
        key = self._headers.get(header)
        if key is None or now >= self._keys_live_until:
            key_id, algorithm = _read_header(header)
            key = await self._key(key_id)
            if algorithm != key.algorithm:
                raise unauthenticated("This is not an access token.")
        try:
            key.verify(decode(signature), token[: parts.end(2)].encode())
            claims = AccessClaims.model_validate_json(decode(payload))
        except (InvalidSignature, ValueError, ValidationError):
            raise _malformed() from None
        self._headers[header] = key  # auth writes one for each of its keys; it is not read again while they are fresh
        if claims.iss != self._issuer or self._audiences.isdisjoint(claims.audiences):
            raise unauthenticated("The access token was issued for somebody else.")
        return claims

    async def _key(self, key_id: str) -> VerifyingKey:
        if self._wants_keys(key_id):
            async with self._fetching:
                if self._wants_keys(key_id):  # still, after waiting for whoever was fetching
                    await self._refresh_keys()
        if not self._keys_are_fresh(KEYS_LAST):
            raise unavailable("keys_unreachable", "auth's keys cannot be fetched just now; try again.", 2)
        if key_id not in self._keys:
            raise unauthenticated("The access token was signed by an unknown key.")
        return self._keys[key_id]

    def _wants_keys(self, key_id: str) -> bool:
        if key_id in self._keys and self._keys_are_fresh(KEYS_LIVE):
            return False
        return self._tried_at is None or self._clock() - self._tried_at >= FETCH_PAUSE

    def _keys_are_fresh(self, age: timedelta) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < age

    async def _refresh_keys(self) -> None:
        asked_at = self._clock()
        try:
            keys = _read_keys(await self._fetch_keys())
        except Exception as error:  # out of reach, or no key set: in both cases the keys we have must do
            log.warning("keys.unreachable", reason=type(error).__name__)
            return
        finally:
            self._tried_at = self._clock()
        self._keys = keys
        self._headers = {}
        self._fetched_at = asked_at
        self._keys_live_until = asked_at + KEYS_LIVE

    def _remember(self, token: str, claims: AccessClaims) -> None:
        """Keep the result as long as the keys are kept, so that a key which auth takes back stops working here too."""
        self._verified[token] = claims, self._keys_live_until
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)


def _check_times(claims: AccessClaims, now: float) -> None:
    if claims.exp <= now:
        raise unauthenticated("The access token has expired; refresh it.")
    if claims.iat > now + LEEWAY.seconds:
        raise unauthenticated("The access token was issued in the future; check the clock.")


def _read_keys(document: dict[str, object]) -> dict[str, VerifyingKey]:
    """The keys of a JWK set that say what they are for; others are left out (RFC 7517 §5)."""
    keys: dict[str, VerifyingKey] = {}
    for jwk in cast("list[dict[str, Any]]", document["keys"]):
        try:
            keys[str(jwk["kid"])] = verifying_key(jwk, jwk["alg"])
        except (LookupError, ValueError):
            continue
    if not keys:
        raise ValueError("no key that can be used")
    return keys


def _read_header(segment: str) -> tuple[str, str]:
    """The `kid` and `alg` of what at least says that it is an access token of ours."""
    try:
        header = json.loads(decode(segment))
        kind, algorithm, key_id = header["typ"], header["alg"], header["kid"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _malformed() from None
    if kind != TYPE or algorithm not in ALGORITHMS or not isinstance(key_id, str) or "crit" in header:
        raise unauthenticated("This is not an access token.")
    return key_id, algorithm


def _malformed() -> Problem:
    return unauthenticated("The access token is malformed, or its signature is not ours.")
