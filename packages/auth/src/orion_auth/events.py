"""What becomes in auth of user's events: what administrators and users decide there about who may come in."""

from collections.abc import Mapping
from uuid import UUID

from orion_auth.api_keys import actions as api_keys
from orion_auth.erasures import actions as erasures
from orion_auth.identities import actions as identities
from orion_auth.sessions import actions as sessions
from orion_auth.suspensions import actions as suspensions
from orion_auth.two_factor import management as two_factor
from orion_contracts.api_keys import ApiKeyChanged
from orion_contracts.event import Event
from orion_contracts.user_events import (
    ErasureRequested,
    SecurityPreferencesChanged,
    SessionEndRequested,
    UserDeleted,
    UserReinstated,
    UserRestored,
    UserSuspended,
)
from orion_core.api_keys import Stage
from orion_core.clock import Clock
from orion_core.database import Transaction
from orion_core.events.follow import Handler
from orion_core.events.outbox import Outbox


def handlers(outbox: Outbox, stage: Stage, clock: Clock) -> Mapping[type[Event], Handler]:
    """What to do with each event of user's feed, inside the transaction that also moves the cursor.

    A user who is not here (any more) is passed over: nobody can come in as them.
    """

    async def suspended(transaction: Transaction, event: UserSuspended) -> None:
        await suspensions.suspend_within(transaction, outbox, event.user_id, event.by, clock())

    async def reinstated(transaction: Transaction, event: UserReinstated) -> None:
        await suspensions.reinstate_within(transaction, outbox, event.user_id, event.by, clock())

    async def deleted(transaction: Transaction, event: UserDeleted) -> None:
        # Suspended, not removed: the address stays taken, so that whoever is restored still has it.
        await suspensions.suspend_within(transaction, outbox, event.user_id, event.by, clock())

    async def restored(transaction: Transaction, event: UserRestored) -> None:
        if not event.is_suspended:
            await suspensions.reinstate_within(transaction, outbox, event.user_id, event.by, clock())

    async def end_requested(transaction: Transaction, event: SessionEndRequested) -> None:
        await _end(transaction, outbox, event, clock)

    async def preferences_changed(transaction: Transaction, event: SecurityPreferencesChanged) -> None:
        user_id: UUID = event.user_id
        if await two_factor.want_within(transaction, user_id, event.requires_second_factor, clock()):
            await identities.tell_of_sign_ins(transaction, user_id, of_all=event.sign_in_notices == "EVERY")

    async def erasure_requested(transaction: Transaction, event: ErasureRequested) -> None:
        await erasures.erase(transaction, outbox, event, clock())

    async def key_changed(transaction: Transaction, event: ApiKeyChanged) -> None:
        await api_keys.follow(transaction, outbox, event, stage, clock())

    return {
        ApiKeyChanged: key_changed,
        ErasureRequested: erasure_requested,
        UserSuspended: suspended,
        UserReinstated: reinstated,
        UserDeleted: deleted,
        UserRestored: restored,
        SessionEndRequested: end_requested,
        SecurityPreferencesChanged: preferences_changed,
    }


async def _end(transaction: Transaction, outbox: Outbox, event: SessionEndRequested, clock: Clock) -> None:
    reason = "ENDED_BY_USER" if event.by == str(event.user_id) else "ENDED_BY_ADMINISTRATOR"
    if event.session_id is not None:
        await sessions.end(
            transaction, outbox, event.user_id, event.session_id, reason=reason, revoked_by=event.by, now=clock()
        )
    else:
        await sessions.end_all(transaction, outbox, event.user_id, reason=reason, revoked_by=event.by, now=clock())
