"""Clients that sign instead of showing a secret (`private_key_jwt`: RFC 7521, RFC 7523, OpenID Connect Core §9).

What a client sends is good once, for a minute or few, and here alone; whoever reads it on the way, or in our logs, has
nothing, and auth keeps nothing by which somebody could be taken for the client.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast

from cryptography.exceptions import InvalidSignature

from orion_auth.oauth2.rules import TokenRequestError
from orion_core.service_token import ASSERTION_TYPE
from orion_core.signatures import ALGORITHMS, VerifyingKey, decode, verifying_key

LONGEST = 4096
LONGEST_ID = 255
LONGEST_LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=10)

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True)
class Assertion:
    """A good assertion, which is still to be used up."""

    client_id: str
    id: bytes
    """SHA-256 of the client and the assertion's `jti`."""
    expires_at: datetime


def read_assertion(
    form: Mapping[str, str], keys: Mapping[str, Mapping[str, Any]], issuer: str, now: datetime
) -> Assertion:
    """Who has signed the assertion of this form, by its key in `keys`; raises TokenRequestError."""
    text = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise TokenRequestError("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}.")
    parts = _FORM.fullmatch(text) if len(text) <= LONGEST else None
    if parts is None:
        raise _refused()
    header, claims = _json(parts[1]), _json(parts[2])
    client_id = claims.get("sub")
    key = _key(keys, client_id)
    if key is None or header.get("alg") != key.algorithm or "crit" in header:
        raise _refused()
    try:
        key.verify(decode(parts[3]), text[: parts.end(2)].encode())
    except (InvalidSignature, ValueError):
        raise _refused() from None
    expires_at, audience, identifier = _moment(claims.get("exp")), claims.get("aud"), claims.get("jti")
    audiences = cast("list[object]", audience) if isinstance(audience, list) else [audience]
    if claims.get("iss") != client_id or issuer not in audiences or form.get("client_id", client_id) != client_id:
        raise _refused()
    if expires_at is None or not now < expires_at <= now + LONGEST_LIFE + LEEWAY:
        raise TokenRequestError("invalid_client", "exp of the assertion is past, or more than five minutes away.")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= LONGEST_ID:
        raise _refused()
    identified = sha256(f"assertion {client_id} {identifier}".encode("utf-8", "surrogatepass")).digest()
    return Assertion(str(client_id), identified, expires_at)


def _key(keys: Mapping[str, Mapping[str, Any]], client_id: object) -> VerifyingKey | None:
    jwk = keys.get(client_id) if isinstance(client_id, str) else None
    if jwk is None or jwk.get("alg") not in ALGORITHMS:
        return None
    return verifying_key(jwk, jwk["alg"])


def _json(segment: str) -> dict[str, Any]:
    try:
        read = json.loads(decode(segment))
    except (ValueError, RecursionError):
        raise _refused() from None
    if not isinstance(read, dict):
        raise _refused()
    return cast("dict[str, Any]", read)


def _moment(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _refused() -> TokenRequestError:
    return TokenRequestError(
        "invalid_client", "This is not the assertion of a client that is known here, for this issuer."
    )
