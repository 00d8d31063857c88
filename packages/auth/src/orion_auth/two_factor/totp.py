"""Time-based codes of an authenticator app (RFC 6238): secrets that are offered, and those that were confirmed."""

from base64 import b32encode
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_bytes
from typing import Any
from uuid import UUID

import segno
from pyotp.totp import TOTP
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.two_factor import store
from orion_auth.two_factor.rules import matching_step
from orion_core.sealing import Keyring, place

TOTP_BYTES = 20
"""Of a secret: as long as the hash it is used with (RFC 4226 §4, R6)."""


@dataclass(frozen=True)
class TotpOffer:
    """A secret to be put into an authenticator app."""

    secret: str = field(repr=False)
    """In base32, for typing."""
    uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


def offer_totp(issuer: str, account: str) -> TotpOffer:
    """A new secret with its key URI, drawn as a QR code."""
    secret = b32encode(token_bytes(TOTP_BYTES)).decode()
    uri = TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
    return TotpOffer(secret, uri, segno.make(uri, error="m", micro=False).svg_inline(scale=4))


async def totp_values(
    connection: AsyncConnection, keyring: Keyring, user_id: UUID, secret: str, step: int, now: datetime
) -> dict[str, Any]:
    """The columns of a TOTP secret whose code of `step` was shown; that step is over."""
    row_id = await store.ensure_row(connection, user_id)
    sealed = keyring.seal(secret.encode(), place("two_factor_auth", "totp_secret", row_id))
    return {"totp_secret": sealed, "totp_verified_at": now, "totp_last_step": step}


def seal_pending(keyring: Keyring, challenge_id: UUID, secret: str) -> str:
    """A secret that was offered, until it is confirmed."""
    return keyring.seal_text(secret, place("two_factor_challenges", "context", challenge_id))


def open_pending(keyring: Keyring, challenge_id: UUID, sealed: str) -> str:
    """The inverse of `seal_pending`."""
    return keyring.open_text(sealed, place("two_factor_challenges", "context", challenge_id))


async def accept_totp(
    connection: AsyncConnection, keyring: Keyring, user_id: UUID, code: str, now: datetime, drift: int
) -> bool:
    """Whether `code` is the user's app's of these minutes; its time step is over then, and is accepted once."""
    row = await store.find_factors(connection, user_id)
    if row is None or row.totp_verified_at is None:
        return False
    secret = keyring.open(row.totp_secret, place("two_factor_auth", "totp_secret", row.id)).decode()
    step = matching_step(secret, code, now, row.totp_last_step, drift)
    return step is not None and await store.accept_step(connection, user_id, step)
