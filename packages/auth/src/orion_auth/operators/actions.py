"""What an operator does to one account; each act stands in its security history."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from orion_auth import trial
from orion_auth.addresses import normalise_email
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.operators.desk import Desk, Done, RefusedError
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import ACCOUNT_UNLOCKED, SESSIONS_ENDED_BY_OPERATOR, Kind
from orion_auth.sessions import actions as sessions
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox

Lift = Callable[[Desk, KnownIdentity, bool], Awaitable[int]]
"""Lifts what refuses an account's tries now (or only counts it); says how many limits those were."""

Reset = Callable[[Transaction, Outbox, UUID, str, datetime], Awaitable[None]]
"""Removes a user's second factors, in the name of somebody."""


async def unlock(desk: Desk, whom: str, lift: Lift, *, dry_run: bool) -> Done:
    """Let somebody try again whom wrong passwords have locked out. A suspension is not lifted by it."""
    async with trial.transaction(desk.database, dry_run=dry_run) as transaction:
        identity = await _find(transaction, desk, whom)
        if identity.standing == "SUSPENDED":
            raise RefusedError("suspended", "The account was suspended by an administrator, which this does not lift.")
        was_locked = await identities.unlock(transaction, identity.id)
        await _note(transaction, desk, ACCOUNT_UNLOCKED, identity)
    lifted = await lift(desk, identity, dry_run)
    facts = {"user_id": str(identity.id), "was_locked": was_locked, "limits_lifted": lifted, "dry_run": dry_run}
    did = "would be unlocked" if dry_run else "is unlocked"
    was = was_locked or bool(lifted)
    return Done(f"{identity.email} {did}." if was else f"{identity.email} was not locked.", facts)


async def end_sessions(desk: Desk, whom: str, *, dry_run: bool) -> Done:
    """End every session of a user; all services refuse their tokens within a second or two."""
    async with trial.transaction(desk.database, dry_run=dry_run) as transaction:
        identity = await _find(transaction, desk, whom)
        ended = await sessions.end_all(
            transaction,
            desk.outbox,
            identity.id,
            reason="ENDED_BY_OPERATOR",
            revoked_by=desk.operator[:100],
            now=desk.now,
        )
        await _note(transaction, desk, SESSIONS_ENDED_BY_OPERATOR, identity)
    facts = {"user_id": str(identity.id), "ended": ended, "dry_run": dry_run}
    did = "would end" if dry_run else "ended"
    return Done(f"{ended} session{'' if ended == 1 else 's'} of {identity.email} {did}.", facts)


async def reset_factors(desk: Desk, whom: str, reset: Reset, *, dry_run: bool) -> Done:
    """Remove all second factors of a user who has lost them; the user is told."""
    async with trial.transaction(desk.database, dry_run=dry_run) as transaction:
        identity = await _find(transaction, desk, whom)
        await reset(transaction, desk.outbox, identity.id, desk.operator, desk.now)
    did = "would be" if dry_run else "are"
    return Done(
        f"The second factors of {identity.email} {did} removed.", {"user_id": str(identity.id), "dry_run": dry_run}
    )


async def _find(transaction: Transaction, desk: Desk, whom: str) -> KnownIdentity:
    try:
        identity = await identities.find(transaction.connection, UUID(whom), desk.now)
    except ValueError:
        identity = await identities.find_by_email(transaction.connection, normalise_email(whom), desk.now)
    if identity is None:
        raise RefusedError("no_such_user", "There is no user with that id or e-mail address.")
    return identity


async def _note(transaction: Transaction, desk: Desk, kind: Kind, identity: KnownIdentity) -> None:
    circumstances = Circumstances(details={"operator": desk.operator})
    await security_events.note(transaction, desk.outbox, kind, identity, circumstances, desk.now)
