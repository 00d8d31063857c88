"""What waits for a user is decided anew when the user has moved, or wants something else."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from orion_core.database import Transaction
from orion_notifications.decisions.rules import Draft, Facts, Outcome, judge
from orion_notifications.decisions.shapes import kept, with_one_more
from orion_notifications.delivery.actions import reschedule, withdraw
from orion_notifications.desk import Desk
from orion_notifications.notifications import store
from orion_notifications.notifications.orders import standing
from orion_notifications.preferences.actions import contact as contact_of


async def reconsider(transaction: Transaction, desk: Desk, user_id: UUID, now: datetime) -> None:
    """Have everything that was put off go when it may by now, or not at all; what a worker has in hand is the worker's.

    A message that was asked for at a local time goes at that time of the zone that is the user's now. One that waits
    for room in a window of a throttle has its room there and does not come before.
    """
    rows = await store.deferred_of(transaction.connection, user_id)
    if not rows:
        return
    contact = await contact_of(transaction.connection, user_id)
    for row in rows:
        facts = Facts(contact, attempts=row["attempts"], max_attempts=row["max_attempts"], is_accepted=True)
        judgement = judge(_draft(row), facts, now)
        decisions = with_one_more(row["decisions"], kept(judgement, now, "preferences"))
        values: dict[str, Any] = {"decisions": decisions, **standing(judgement)}
        if judgement.outcome in (Outcome.SEND, Outcome.DEFER):
            if not await reschedule(transaction, row["id"], judgement.until or now):
                continue
            if judgement.outcome is Outcome.SEND:
                values |= {"next_attempt_at": None, "deferred_reason": None}
        elif not await withdraw(transaction, row["id"]):
            continue
        await store.change(transaction.connection, row["id"], values)
    transaction.after_commit(desk.queue.ring)


def _draft(row: RowMapping) -> Draft:
    return Draft(
        type=row["type"],
        category=row["category"],
        channel=row["channel"],
        priority=row["priority"],
        recipient=row["recipient"],
        scheduled_at=_not_before(row),
        local_time=row["local_time"],
        expires_at=row["expires_at"],
    )


def _not_before(row: RowMapping) -> datetime | None:
    """When it was asked for, or when there is room for it."""
    decisions: list[dict[str, Any]] = row["decisions"] or []
    rooms = [
        datetime.fromisoformat(step[3]["until"])
        for judgement in decisions
        for step in judgement["steps"]
        if step[0] == "throttle" and step[1] == "defer"
    ]
    asked_for: list[datetime] = [] if row["scheduled_at"] is None else [row["scheduled_at"]]
    return max([*rooms, *asked_for], default=None)
