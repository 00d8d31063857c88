"""The state machine: what the rules say is what the database does."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_notifications.notifications.rules import SUCCESSORS, TAKEN_AT_ONCE, NotificationStatus

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

STAMPS = "processing_at = now(), sent_at = now(), delivered_at = now(), failed_at = now(), cancelled_at = now()"


def may_follow(present: NotificationStatus, following: NotificationStatus) -> bool:
    """Staying is always allowed. `STAMPS` say that a worker has had it."""
    at_once = TAKEN_AT_ONCE if present is NotificationStatus.QUEUED else frozenset[NotificationStatus]()
    return present is following or following in SUCCESSORS.get(present, frozenset()) | at_once


def paths(status: NotificationStatus, seen: tuple[NotificationStatus, ...] = ()) -> Iterator[list[NotificationStatus]]:
    """Every way through the machine from `status` on that visits nothing twice."""
    yield [status]
    for following in SUCCESSORS.get(status, frozenset()) - {status, *seen}:
        for rest in paths(following, (*seen, status)):
            yield [status, *rest]


async def test_the_database_agrees_with_the_rules(database: Database, query: "Query") -> None:
    ways = {way[-1]: way for way in paths(NotificationStatus.QUEUED)}
    assert set(ways) == set(NotificationStatus)
    for present, way in ways.items():
        for following in NotificationStatus:
            notification_id = await add(query)
            for _, step in pairwise(way):
                await go(database, notification_id, step)
            if may_follow(present, following):
                await go(database, notification_id, following)
            else:
                with pytest.raises(IntegrityError, match="cannot go from"):
                    await go(database, notification_id, following)


async def test_nothing_is_sent_that_no_worker_has_had(query: "Query") -> None:
    await add(query)
    with pytest.raises(IntegrityError, match="cannot go from"):
        await query("UPDATE notifications SET status = 'DELIVERED', sent_at = now(), delivered_at = now()")


async def test_what_is_sent_says_when(query: "Query") -> None:
    notification_id = await add(query)
    await query("UPDATE notifications SET status = 'PROCESSING', processing_at = now()")
    with pytest.raises(IntegrityError, match="ck_notifications_status"):
        await query("UPDATE notifications SET status = 'SENT' WHERE id = :id", id=notification_id)


async def test_a_sealed_secret_does_not_outlive_the_sending(query: "Query") -> None:
    await add(query)
    await query("UPDATE notifications SET sealed_variables = 'x', status = 'PROCESSING', processing_at = now()")
    with pytest.raises(IntegrityError, match="ck_notifications_sealed_variables"):
        await query("UPDATE notifications SET status = 'SENT', sent_at = now()")


async def test_nothing_deletes_a_record(query: "Query") -> None:
    await add(query)
    for statement in ("DELETE FROM notifications", "DELETE FROM notification_keys", "DELETE FROM delivery_attempts"):
        with pytest.raises(Exception, match="permission denied"):
            await query(statement)


async def add(query: "Query") -> UUID:
    notification_id = uuid7()
    await query(
        "INSERT INTO notifications (id, type, category, channel, recipient, content) "
        "VALUES (:id, 't', 'SYSTEM', 'EMAIL', 'a@b.example', 'c')",
        id=notification_id,
    )
    return notification_id


async def go(database: Database, notification_id: UUID, status: NotificationStatus) -> None:
    statement = f"UPDATE notifications SET status = '{status.name}', error_code = 'e', {STAMPS} WHERE id = :id"
    async with database.autocommit() as connection:
        await connection.execute(text(statement), {"id": notification_id})
