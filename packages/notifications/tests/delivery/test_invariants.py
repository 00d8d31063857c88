"""Whatever is wrong with the queue has a name, and a sound queue has none."""

from typing import TYPE_CHECKING

import pytest
from packages.notifications.tests.delivery.test_queue import add

from orion_core.database import Database
from orion_core.metrics import REGISTRY
from orion_notifications.delivery import invariants
from orion_notifications.delivery.invariants import broken

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Until, Working


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("DELETE FROM notification_queue", "unqueued"),
        ("UPDATE notifications SET status = 'CANCELLED', cancelled_at = now()", "finished_but_queued"),
        ("UPDATE notifications SET status = 'PROCESSING', processing_at = now()", "processing_without_lease"),
        ("UPDATE notification_queue SET channel = 'SMS'", "wrong_channel"),
        ("UPDATE notification_queue SET lease_until = now() - interval '1 s'", "lease_overdue"),
        (
            """INSERT INTO delivery_attempts (notification_id, attempt_number, status, completed_at)
            SELECT id, 1, 'SUCCESS', now() FROM notifications""",
            "sent_without_status",
        ),
    ],
)
async def test_a_broken_invariant_is_named(database: Database, query: "Query", change: str, name: str) -> None:
    await add(database)
    async with database.autocommit() as connection:
        assert await broken(connection, 100, 0) == {}
    await query(change)
    async with database.autocommit() as connection:
        assert await broken(connection, 100, 0) == {name: 1}
    assert name in invariants.RULES


async def test_metrics_name_it_though_nobody_asks_whether_the_worker_is_ready(
    database: Database, query: "Query", working: "Working", until: "Until", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_told() -> bool:
        return REGISTRY.get_sample_value("orion_notifications_broken", {"invariant": "unqueued"}) == 1

    monkeypatch.setattr("orion_notifications.delivery.actions.TELL_EVERY_SECONDS", 0.05)
    await add(database)
    await query("DELETE FROM notification_queue")
    async with working():
        await until(is_told)
