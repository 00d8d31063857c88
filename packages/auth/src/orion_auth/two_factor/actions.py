"""Codes sent to an address: making them and taking them back, inside the transactions of other slices."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.base import TwoFactorMethod
from orion_auth.tokens.actions import Confirmed
from orion_auth.two_factor import store
from orion_auth.two_factor.tables import ChallengePurpose
from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.secrets import new_code


@dataclass(frozen=True)
class Challenged:
    """A sign-in that waits for its second factor."""

    challenge: str = field(repr=False)
    methods: Sequence[TwoFactorMethod]
    expires_at: datetime


PURPOSE = "challenge code"
"""What the keyring derives the key of code hashes for."""


async def open_email_verification(
    transaction: Transaction, keyring: Keyring, confirmed: Confirmed, expires_at: datetime
) -> str:
    """A new code for verifying this address; from now on it is the only one that counts."""
    challenge_id, code = uuid7(), new_code()
    values: dict[str, Any] = {
        "id": challenge_id,
        "user_id": confirmed.user_id,
        "purpose": ChallengePurpose.EMAIL_VERIFICATION,
        "methods": [TwoFactorMethod.EMAIL],
        "code_hash": keyring.mac(PURPOSE, _message(challenge_id, code)),
        "context": {"email": confirmed.email, "password_hash": confirmed.password_hash},
        "expires_at": expires_at,
    }
    await store.insert_challenge(transaction.connection, values)
    return code


async def try_email_verification(
    transaction: Transaction, keyring: Keyring, user_id: UUID, code: str, now: datetime
) -> Confirmed | None:
    """What the code confirms, which is then used up; None when it is wrong.

    A wrong try counts when the transaction is committed; the caller must commit it.
    """
    challenge = await store.count_try(transaction.connection, user_id, ChallengePurpose.EMAIL_VERIFICATION, now)
    if challenge is None or not keyring.verify_mac(PURPOSE, _message(challenge.id, code), challenge.code_hash):
        return None
    await store.consume(transaction.connection, challenge.id, now)
    return Confirmed(user_id, challenge.context["email"], challenge.context.get("password_hash"))


async def forget_passwords(transaction: Transaction, user_id: UUID) -> None:
    """Take the password hashes off a user's verification codes: one of them is the identity's now."""
    await store.forget_passwords(transaction.connection, user_id, ChallengePurpose.EMAIL_VERIFICATION)


def _message(challenge_id: UUID, code: str) -> bytes:
    return f"{challenge_id}:{code}".encode()
