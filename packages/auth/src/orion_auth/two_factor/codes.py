"""Codes that are sent out to one user for one purpose; the newest is the only one that counts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.two_factor import store
from orion_auth.two_factor_methods import ChallengePurpose, TwoFactorMethod
from orion_core.database import Transaction
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.secrets import new_code

PURPOSE = "challenge code"
"""What the keyring derives the key of code hashes for."""

SET_UPS = frozenset({ChallengePurpose.ENROLMENT, ChallengePurpose.PHONE_VERIFICATION})
"""What is begun anew in place of what was begun before, so that repeating it leaves no rows."""


def sent_message(challenge_id: UUID, method: TwoFactorMethod, code: str) -> bytes:
    """What the hash of a code is made of: it is good for this challenge, and by the way it was sent."""
    return f"{challenge_id}:{method.value}:{code}".encode()


async def open_code(
    transaction: Transaction,
    keyring: Keyring,
    user_id: UUID,
    purpose: ChallengePurpose,
    method: TwoFactorMethod,
    context: dict[str, Any],
    expires_at: datetime,
) -> str:
    """A new code to be sent by `method`; `context` is what it leads to."""
    challenge_id, code = uuid7(), new_code()
    values: dict[str, Any] = {
        "id": challenge_id,
        "user_id": user_id,
        "purpose": purpose,
        "methods": [method],
        "code_hash": keyring.mac(PURPOSE, sent_message(challenge_id, method, code)),
        "context": context,
        "expires_at": expires_at,
    }
    if purpose in SET_UPS:
        await store.drop_begun(transaction.connection, user_id, purpose)
    await store.insert_challenge(transaction.connection, values)
    return code


async def take_back_codes(transaction: Transaction, user_id: UUID) -> None:
    """Make worthless what was sent out to show a second factor: whoever reads it there need not be the user any more.

    What is half finished goes on: another code can be sent for it, to where codes go now. The caller holds the user.
    """
    await store.end_codes(transaction.connection, user_id)


async def try_code(
    transaction: Transaction,
    keyring: Keyring,
    user_id: UUID,
    purpose: ChallengePurpose,
    method: TwoFactorMethod,
    code: str,
    now: datetime,
) -> dict[str, Any] | None:
    """What the newest code leads to, which is then used up; None when this is not it.

    A wrong try counts when the transaction is committed; the caller must commit it.
    """
    challenge = await store.count_try(transaction.connection, user_id, purpose, now)
    if challenge is None or challenge.code_hash is None:
        return None
    if not keyring.verify_mac(PURPOSE, sent_message(challenge.id, method, code), challenge.code_hash):
        return None
    await store.consume(transaction.connection, challenge.id, now)
    return challenge.context
