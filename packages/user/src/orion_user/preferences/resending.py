"""Telling the other services again what users have chosen: one may not have heeded it yet when it was chosen."""

from collections.abc import Sequence
from uuid import UUID

from orion_contracts.user_events import LocaleChanged, NotificationPreferencesChanged, SecurityPreferencesChanged
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.events import outbox
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.preferences import store
from orion_user.preferences.documents import NotificationPreferences, SecurityPreferences

AT_ONCE = 100
"""Users in one transaction: they can sign in and choose again as soon as it ends."""

NOBODY = UUID(int=0)


async def resend(database: Database, actor: Actor, clock: Clock) -> int:
    """Tell again what all chose of notices, security, language and zone; of how many. Told twice, nothing changes.

    Users and their choices are held while they are told of. So whatever is chosen meanwhile stands in the feed behind
    what is told here, and nothing is told of anybody behind the word that they are to be forgotten.
    """
    async with database.transaction() as transaction:
        await audit.record(transaction, actor, Change("preferences.resend", "preferences", None), clock())
    told, after = 0, NOBODY
    while True:
        async with database.transaction() as transaction:
            users = await store.hold_choosers(transaction.connection, after, AT_ONCE)
            if not users:
                return told
            await _tell(transaction, users, clock)
        told, after = told + len(users), users[-1]


async def _tell(transaction: Transaction, users: Sequence[UUID], clock: Clock) -> None:
    for row in await store.hold_choices(transaction.connection, users):
        now, user_id = clock(), row["user_id"]
        if row["notifications"]:
            wanted = NotificationPreferences.model_validate(row["notifications"]).model_dump(exclude={"digest"})
            event = NotificationPreferencesChanged(user_id=user_id, changed_at=now, **wanted)
            await outbox.write(transaction, event, now)
        if row["security"]:
            wanted = SecurityPreferences.model_validate(row["security"]).model_dump()
            await outbox.write(transaction, SecurityPreferencesChanged(user_id=user_id, changed_at=now, **wanted), now)
        lives = LocaleChanged(user_id=user_id, locale=row["locale"], timezone=row["timezone"], changed_at=now)
        await outbox.write(transaction, lives, now)
