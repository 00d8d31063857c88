"""What the other slices may know of a user's passkeys and do with them, inside their own transactions."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.authenticators import (
    NOBODYS_KEY,
    Assertion,
    Attestation,
    NewCredential,
    RefusedError,
    Signed,
    challenge_in,
    check_assertion,
    check_attestation,
)
from orion_auth.base import AnyRow
from orion_auth.identities.actions import KnownIdentity
from orion_auth.passkeys import store
from orion_auth.passkeys.rules import CHALLENGE_LIFETIME, WebAuthnPurpose, references
from orion_auth.passkeys.shapes import Descriptor, RequestOptions, Requirement, to_base64url
from orion_auth.relying_party import RelyingParty
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PASSKEY_CLONED
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox

log = structlog.get_logger()

CHALLENGE_BYTES = 32
"""Twice what is asked for at least (Web Authentication Level 3, §13.4.3)."""

HANDLE_BYTES = 32

LIFETIME_MS = int(CHALLENGE_LIFETIME.total_seconds() * 1000)


@dataclass(frozen=True)
class Asked:
    """What is answered: for what purpose, by whom, and inside of which half-finished sign-in."""

    purpose: WebAuthnPurpose
    user_id: UUID | None = None
    """Who must answer; None where the passkey says who it is."""
    sign_in_id: UUID | None = None


@dataclass(frozen=True)
class Shown:
    """A passkey whose signature was good, and of which there may be two."""

    outcome: Literal["GOOD", "CLONED"]
    user_id: UUID
    name: str
    amr: tuple[str, ...]
    is_found_out: bool = False
    """Whether it is now that it was found to be a copy, and not before."""


async def count(connection: AsyncConnection, user_id: UUID) -> int:
    """How many passkeys and hardware keys the user has that are good, if only as a second factor."""
    return await store.count(connection, user_id)


async def count_ways_in(connection: AsyncConnection, user_id: UUID) -> int:
    """How many let the user in alone: they verify him, and are found without his name."""
    return await store.count_ways_in(connection, user_id)


async def has_account_elsewhere(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether an account with a provider that is switched on lets the user in, too."""
    return await store.has_account_elsewhere(connection, user_id)


async def list_of(connection: AsyncConnection, user_id: UUID) -> Sequence[AnyRow]:
    """All credentials of the user, those too that are not accepted any more."""
    return await store.list_of(connection, user_id)


async def rename(connection: AsyncConnection, user_id: UUID, row_id: UUID, name: str) -> AnyRow | None:
    """Call one something else; None when the user has none of that id."""
    return await store.rename(connection, user_id, row_id, name)


async def add(transaction: Transaction, values: dict[str, Any]) -> AnyRow | None:
    """Keep a new credential; None when somebody has it already."""
    return await store.add(transaction.connection, values)


async def remove(transaction: Transaction, user_id: UUID, row_id: UUID) -> AnyRow | None:
    """Remove one; None when the user has none of that id."""
    return await store.remove(transaction.connection, user_id, row_id)


async def remove_since(transaction: Transaction, user_id: UUID, since: datetime) -> int:
    """Remove those that were added at that time or later, and say how many they were."""
    return await store.remove_since(transaction.connection, user_id, since)


async def remove_all(transaction: Transaction, user_id: UUID) -> None:
    """Remove all credentials of a user."""
    await store.remove_all(transaction.connection, user_id)


async def handle_of(transaction: Transaction, user_id: UUID) -> bytes:
    """What authenticators know the user by: random bytes, made the first time they are asked for."""
    return await store.ensure_user(transaction.connection, user_id, secrets.token_bytes(HANDLE_BYTES))


async def find_handle(connection: AsyncConnection, user_id: UUID) -> bytes | None:
    """What authenticators know the user by; None when none was asked to."""
    return await store.find_handle(connection, user_id)


async def open_challenge(
    connection: AsyncConnection, asked: Asked, now: datetime, *, needs_verification: bool
) -> bytes:
    """A challenge for this alone, good once."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    values: dict[str, Any] = {
        "purpose": asked.purpose,
        "challenge_hash": sha256(challenge).digest(),
        "user_id": asked.user_id,
        "sign_in_id": asked.sign_in_id,
        "needs_verification": needs_verification,
        "expires_at": now + CHALLENGE_LIFETIME,
    }
    await store.insert_challenge(connection, values)
    return challenge


def descriptors(rows: Sequence[AnyRow]) -> list[Descriptor]:
    """Credentials as a browser is told of them."""
    return [Descriptor(id=to_base64url(row.credential_id), transports=row.transports) for row in rows]


def request_options(
    party: RelyingParty, challenge: bytes, rows: Sequence[AnyRow], user_verification: Requirement
) -> RequestOptions:
    """What asks for one of these credentials that is still accepted, or without any for a passkey of anybody's."""
    return RequestOptions(
        challenge=to_base64url(challenge),
        timeout=LIFETIME_MS,
        rp_id=party.id,
        allow_credentials=descriptors([row for row in rows if row.cloned_at is None]),
        user_verification=user_verification,
    )


async def made(
    transaction: Transaction, party: RelyingParty, asked: Asked, answer: Attestation, now: datetime
) -> NewCredential | Literal["OVER", "REFUSED"]:
    """The credential that a user has had made, or why there is none. The challenge is used up with the transaction."""
    challenge = challenge_in(answer.client_data)
    needs_verification = await _take(transaction, asked, challenge, now)
    if challenge is None or needs_verification is None:
        return "OVER"
    try:
        return check_attestation(party, challenge, answer, needs_verification=needs_verification)
    except RefusedError as error:
        log.info("passkeys.registration_refused", reason=str(error))
        return "REFUSED"


async def show(
    transaction: Transaction, party: RelyingParty, asked: Asked, answer: Assertion, now: datetime
) -> Shown | None:
    """The passkey that was shown; None when none was, whatever was wrong.

    An unknown credential is checked too, against nobody's key. The challenge is used up, and a copy is accepted no
    more, with the transaction; the caller must commit it whatever this says.
    """
    challenge = challenge_in(answer.client_data)
    needs_verification = await _take(transaction, asked, challenge, now)
    row = await store.find(transaction.connection, answer.credential_id)
    public_key = row.public_key if row is not None else NOBODYS_KEY
    try:
        signed = check_assertion(
            party, challenge or b"", public_key, answer, needs_verification=needs_verification is not False
        )
    except RefusedError as error:
        log.info("passkeys.refused", reason=str(error))
        return None
    if row is None or needs_verification is None or not _is_whose(row, asked, answer, signed):
        log.info("passkeys.refused", reason="the challenge is over, or the passkey is somebody else's")
        return None
    return await _use(transaction, row, signed, now)


async def tell_of_copy(
    transaction: Transaction,
    outbox: Outbox,
    shown: Shown,
    whose: KnownIdentity,
    circumstances: Circumstances,
    now: datetime,
) -> None:
    """Tell the owner, once, that there are two of a passkey, if that was found out just now.

    As a second factor it stays asked for, though no answer of it is good: otherwise whoever copied it would need the
    password alone.
    """
    if shown.is_found_out:
        circumstances = replace(circumstances, details=circumstances.details | {"name": shown.name})
        await security_events.note(transaction, outbox, PASSKEY_CLONED, whose, circumstances, now)


async def _take(transaction: Transaction, asked: Asked, challenge: bytes | None, now: datetime) -> bool | None:
    """Use up a challenge: whether it needs user verification; None when it is over, or was given out for other use."""
    digest = sha256(challenge or b"").digest()
    row = await store.take_challenge(transaction.connection, digest, asked.purpose, now)
    if row is None or (row.user_id, row.sign_in_id) != (asked.user_id, asked.sign_in_id):
        return None
    return bool(row.needs_verification)


def _is_whose(row: AnyRow, asked: Asked, answer: Assertion, signed: Signed) -> bool:
    """Whether a credential is of the user who is asked, or of the one whom the authenticator names (Web Authentication
    Level 3, §7.2 step 6), and of the kind that it was (step 19).
    """
    if asked.user_id is None:
        is_his = answer.user_handle == row.handle
    else:
        is_his = row.user_id == asked.user_id and answer.user_handle in {None, row.handle}
    return is_his and signed.backup_eligible == row.backup_eligible


async def _use(transaction: Transaction, row: AnyRow, signed: Signed, now: datetime) -> Shown:
    is_good = await store.use(
        transaction.connection,
        row.id,
        sign_count=signed.sign_count,
        backed_up=signed.backed_up,
        user_verified=signed.user_verified,
        now=now,
    )
    amr = references(is_synced=row.backup_eligible, user_verified=signed.user_verified)
    if is_good:
        return Shown("GOOD", row.user_id, row.name, amr)
    is_found_out = await store.mark_cloned(transaction.connection, row.id, now)
    return Shown("CLONED", row.user_id, row.name, amr, is_found_out=is_found_out)
