"""Verifying ID tokens (OpenID Connect Core 1.0 §3.1.3.7), as RFC 8725 asks: we choose the algorithm, not the token."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256, sha384, sha512
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from orion_auth.providers.discovery import Directory, PublicKey, VerificationKey
from orion_auth.providers.rules import Provider, ProviderError, is_issuer, is_subject

ALGORITHMS: Mapping[str, type[PublicKey] | None] = {
    "RS256": RSAKey,
    "RS384": RSAKey,
    "RS512": RSAKey,
    "PS256": RSAKey,
    "PS384": RSAKey,
    "PS512": RSAKey,
    "ES256": ECKey,
    "ES384": ECKey,
    "ES512": ECKey,
}
"""What is accepted, and the kind of key that each needs. Neither `none` nor HMAC: a public key is no shared secret."""

LONGEST = 32_768
"""Characters; Microsoft's grow with the groups of their user."""

LONGEST_HEADER = 4096
"""A certificate may be in it."""

LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be from ours."""
OLDEST = timedelta(minutes=15)
"""How long ago a token may have been issued that we have just asked for."""


@dataclass(frozen=True)
class Expected:
    """What a token has to fit."""

    nonce_hash: bytes
    """SHA-256 of the nonce that the request was sent with."""
    access_token: str | None = field(repr=False)
    """What came with it; `at_hash`, where there is one, is of this."""
    now: datetime


class _Registry(JWSRegistry):
    """What a header may be: an unknown name in it is to be ignored, except when `crit` names it (RFC 7515 §4)."""

    max_header_length = LONGEST_HEADER
    max_payload_length = LONGEST


_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


async def verify(
    directory: Directory, provider: Provider, jwks_url: str, token: str, expected: Expected
) -> dict[str, Any]:
    """The claims of a good token; ProviderError otherwise."""
    if len(token) > LONGEST:
        raise _bad("ID_TOKEN_MALFORMED", "it is too long")
    algorithm, key_id = _read_header(token)
    keys = _candidates(await directory.keys(jwks_url), algorithm, key_id)
    if not keys:
        keys = _candidates(await directory.keys(jwks_url, anew=True), algorithm, key_id)
    payload = _verified_payload(token, keys)
    claims = _read_claims(payload)
    check_claims(provider, claims, algorithm, expected)
    return claims


def _read_header(token: str) -> tuple[str, str | None]:
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
        algorithm: Any = header["alg"]
        key_id: Any = header.get("kid")
    except (JoseError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _bad("ID_TOKEN_MALFORMED", "it is not a signed JWT") from None
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _bad("ID_TOKEN_ALGORITHM", "it is signed with an algorithm that is not accepted")
    if "crit" in header or (key_id is not None and not isinstance(key_id, str)):
        raise _bad("ID_TOKEN_MALFORMED", "its header asks for what is not known here")
    return algorithm, key_id


def _candidates(keys: tuple[VerificationKey, ...], algorithm: str, key_id: str | None) -> list[VerificationKey]:
    """The key it names, of the kind that the algorithm needs; without a name, all of that kind."""
    kind = ALGORITHMS[algorithm]
    return [
        key
        for key in keys
        if (key_id is None or key.key_id == key_id)
        and key.algorithm in (None, algorithm)
        and kind is not None
        and isinstance(key.key, kind)
    ]


def _verified_payload(token: str, keys: list[VerificationKey]) -> bytes:
    for key in keys:
        try:
            return jws.deserialize_compact(token.encode(), key.key, registry=_REGISTRY).payload
        except (JoseError, ValueError, TypeError):
            continue
    raise _bad("ID_TOKEN_SIGNATURE", "it is not signed by a key of the provider")


def _read_claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise _bad("ID_TOKEN_MALFORMED", "its payload is no JSON object")
    return claims  # pyright: ignore[reportUnknownVariableType]


def check_claims(provider: Provider, claims: Mapping[str, Any], algorithm: str, expected: Expected) -> None:
    """Raise ProviderError unless the token is from this provider, for us, of now, and of this very request."""
    if not is_issuer(provider, claims.get("iss"), claims):
        raise _bad("ID_TOKEN_ISSUER", "it was issued by somebody else")
    _check_audience(provider.client_id, claims.get("aud"), claims.get("azp"))
    expires_at, issued_at, not_before = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    now = expected.now
    if expires_at is None or expires_at <= (now - LEEWAY).timestamp():
        raise _bad("ID_TOKEN_EXPIRED", "it has expired")
    if issued_at is None or not (now - OLDEST).timestamp() <= issued_at <= (now + LEEWAY).timestamp():
        raise _bad("ID_TOKEN_EXPIRED", "it was not issued just now")
    if not_before is not None and not_before > (now + LEEWAY).timestamp():
        raise _bad("ID_TOKEN_EXPIRED", "it is not valid yet")
    nonce: Any = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(_nonce_hash(nonce), expected.nonce_hash):
        raise _bad("ID_TOKEN_NONCE", "it belongs to another sign-in")
    if not is_subject(claims.get("sub")):
        raise _bad("ID_TOKEN_SUBJECT", "it does not say who its user is")
    at_hash, access_token = claims.get("at_hash"), expected.access_token
    if at_hash is not None and access_token is not None and at_hash != half_hash(algorithm, access_token):
        raise _bad("ID_TOKEN_ACCESS_TOKEN", "it came with the access token of somebody else")


def _check_audience(client_id: str, audience: Any, authorized_party: Any) -> None:
    audiences = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise _bad("ID_TOKEN_AUDIENCE", "it was issued for somebody else")
    if len(audiences) > 1 and authorized_party is None:
        raise _bad("ID_TOKEN_AUDIENCE", "it was issued for several, and does not say for whom first")
    if authorized_party is not None and authorized_party != client_id:
        raise _bad("ID_TOKEN_AUDIENCE", "it was issued to somebody else")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _nonce_hash(nonce: str) -> bytes:
    return sha256(nonce.encode(errors="replace")).digest()


def half_hash(algorithm: str, text: str) -> str:
    """`at_hash` of an access token: the left half of its hash (OpenID Connect Core 1.0 §3.1.3.6)."""
    digest = {"256": sha256, "384": sha384, "512": sha512}[algorithm[-3:]](text.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _bad(reason: str, detail: str) -> ProviderError:
    return ProviderError(reason, f"the ID token is not believed: {detail}")
