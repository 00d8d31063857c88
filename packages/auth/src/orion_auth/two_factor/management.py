"""What somebody has as second factors: reading it, choosing among them, removing them, and codes for a bad day."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from orion_auth import audit_trail
from orion_auth.audit_trail import Entry
from orion_auth.callers import actions as callers
from orion_auth.devices import actions as devices
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import (
    BACKUP_CODES_REGENERATED,
    FACTORS_RESET,
    TWO_FACTOR_DISABLED,
)
from orion_auth.sessions import actions as sessions
from orion_auth.two_factor import store
from orion_auth.two_factor.actions import backup_code_hashes, enrolled, forget_all
from orion_auth.two_factor.rules import (
    BACKUP_CODE_LENGTH,
    BACKUP_CODE_LETTERS,
    BACKUP_CODES,
    Enrolled,
    may_remove,
    next_primary,
    spoken_backup_code,
)
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.database import Transaction
from orion_core.errors import Problem, not_found
from orion_core.events.outbox import Outbox


@dataclass(frozen=True)
class State:
    """What somebody has."""

    enrolled: Enrolled
    verified_at: dict[TwoFactorMethod, datetime]
    phone: str | None
    backup_codes_made_at: datetime | None
    is_required: bool
    """By whoever runs this, of everybody or of this user; or because the user wants it so."""


async def read(gate: Gate, user_id: UUID) -> State:
    """What the user has as second factors."""
    async with gate.database.autocommit() as connection:
        row = await store.find_factors(connection, user_id)
        present = await enrolled(user_id).alone(connection)
    if row is None:
        return State(present, {}, None, None, gate.factor_policy.is_required)
    verified_at = {
        TwoFactorMethod.TOTP: row.totp_verified_at,
        TwoFactorMethod.SMS: row.sms_verified_at,
        TwoFactorMethod.EMAIL: row.email_verified_at,
        TwoFactorMethod.HARDWARE_KEY: row.hardware_key_verified_at,
    }
    return State(
        present,
        {method: moment for method, moment in verified_at.items() if moment is not None},
        row.sms_phone,
        row.backup_codes_generated_at,
        gate.factor_policy.is_required or present.is_required,
    )


async def set_primary(gate: Gate, user_id: UUID, method: TwoFactorMethod, now: datetime) -> None:
    """Have this method asked for first; 409 when the user has not set it up."""
    async with gate.database.transaction() as transaction:
        await identities.hold_caller(transaction, user_id, now)
        present = await enrolled(user_id).alone(transaction.connection)
        if method not in present.verified:
            detail = "This method is not set up; set it up first."
            raise Problem(409, "method_not_set_up", "Method not set up", detail)
        await store.change(transaction.connection, user_id, {"primary_method": method})
        old, new = {"primary_method": present.primary and present.primary.name}, {"primary_method": method.name}
        entry = Entry("two_factor.update", "user", str(user_id), user_id, old=old, new=new)
        await audit_trail.record(transaction, entry, now)


async def remove(
    gate: Gate, user_id: UUID, method: TwoFactorMethod, circumstances: Circumstances, now: datetime
) -> None:
    """Remove a method; with the last one, the second factor is off, and backup codes go too.

    409 when a second factor is required and this is the last that is allowed.
    """
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        present = await enrolled(user_id).alone(transaction.connection)
        if method is TwoFactorMethod.HARDWARE_KEY and method in present.verified:
            detail = (
                "Keys are removed one by one: DELETE /auth/v1/me/passkeys/{id}. With the last one the method is gone."
            )
            raise Problem(409, "removed_one_by_one", "Remove its keys", detail)
        if method not in present.verified or method not in store.CLEARED:
            raise not_found("second factor")
        if not may_remove(present, method, gate.factor_policy):
            detail = "A second factor is required of this account. Set up another one first."
            raise Problem(409, "second_factor_required", "A second factor is required", detail)
        primary = next_primary(present, method)
        values = store.CLEARED[method] | {"primary_method": primary, "is_enabled": primary is not None}
        await store.change(transaction.connection, user_id, values)
        if primary is None:
            await store.replace_backup_codes(transaction.connection, user_id, [], now)
        circumstances = replace(circumstances, subject=method.value)
        await security_events.note(transaction, gate.outbox, TWO_FACTOR_DISABLED, identity, circumstances, now)


async def make_backup_codes(gate: Gate, user_id: UUID, circumstances: Circumstances, now: datetime) -> Sequence[str]:
    """New codes, shown this once; those of before are worthless. 409 without a second factor to stand in for."""
    letters = [
        "".join(secrets.choice(BACKUP_CODE_LETTERS) for _ in range(BACKUP_CODE_LENGTH)) for _ in range(BACKUP_CODES)
    ]
    async with gate.database.transaction() as transaction:
        identity = await callers.hold(transaction, user_id, circumstances.session_id, now)
        if not (await enrolled(user_id).alone(transaction.connection)).is_enabled:
            detail = "Backup codes stand in for a second factor; set one up first."
            raise Problem(409, "second_factor_missing", "No second factor", detail)
        hashes = [backup_code_hashes(gate.mailing.keyring, user_id, code)[0] for code in letters]
        await store.replace_backup_codes(transaction.connection, user_id, hashes, now)
        await security_events.note(transaction, gate.outbox, BACKUP_CODES_REGENERATED, identity, circumstances, now)
    return [spoken_backup_code(code) for code in letters]


async def require(gate: Gate, user_id: UUID, is_required: bool, now: datetime) -> None:
    """Require a second factor of one user, or require it no more; it is asked for at his next sign-in."""
    async with gate.database.transaction() as transaction:
        if not await _change(transaction, user_id, "is_required", is_required, now):
            raise not_found("user")
        entry = Entry("two_factor.require", "user", str(user_id), user_id, new={"is_required": is_required})
        await audit_trail.record(transaction, entry, now)


async def want_within(transaction: Transaction, user_id: UUID, is_wanted: bool, now: datetime) -> bool:
    """Ask a user for a second factor because he wants it; False for nobody.

    It is kept apart from what is required of him, which nobody lifts by his own preferences.
    """
    if not await _change(transaction, user_id, "is_wanted", is_wanted, now):
        return False
    entry = Entry("two_factor.want", "user", str(user_id), user_id, new={"is_wanted": is_wanted})
    await audit_trail.record(transaction, entry, now)
    return True


async def _change(transaction: Transaction, user_id: UUID, column: str, value: bool, now: datetime) -> bool:
    if await identities.hold(transaction, user_id, now) is None:
        return False
    await store.ensure_row(transaction.connection, user_id)
    await store.change(transaction.connection, user_id, {column: value})
    return True


async def reset(gate: Gate, user_id: UUID, by: str, now: datetime) -> None:
    """Remove all second factors of a user who has lost them, and end his sessions; he is told, `by` says by whom."""
    async with gate.database.transaction() as transaction:
        await reset_within(transaction, gate.outbox, user_id, by, now)


async def reset_within(transaction: Transaction, outbox: Outbox, user_id: UUID, by: str, now: datetime) -> None:
    """The same inside a transaction. Passkeys and hardware keys go too, no device is trusted any more, and all sessions
    end: what was lost lets nobody in, nor is it spared the second factor that takes their place, and whoever has come
    in by it does not stay.
    """
    identity = await identities.hold(transaction, user_id, now)
    if identity is None:
        raise not_found("user")
    await forget_all(transaction, user_id, now)
    await devices.end_all_trust(transaction, user_id)
    ended = await sessions.end_all(transaction, outbox, user_id, reason="FACTORS_RESET", revoked_by=by, now=now)
    circumstances = Circumstances(details={"by": by, "sessions_ended": ended})
    await security_events.note(transaction, outbox, FACTORS_RESET, identity, circumstances, now)
