"""Numbers: each message once in the quarter of the moment when it came to be something, however often it is counted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from packages.notifications.tests.delivery.test_queue import add, claim, finish

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.delivery.actions import report
from orion_notifications.delivery.messages import Report
from orion_notifications.delivery.rules import Next, Reported
from orion_notifications.kinds import Channel
from orion_notifications.numbers.actions import count
from orion_notifications.numbers.rules import BOUNDS, COUNTS, LATE, Grain, Span, due, moments, percentile

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


async def counted(query: "Query") -> dict[str, int]:
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    (row,) = await query(f"SELECT {sums} FROM notification_numbers")
    return {name: number for name, number in zip(COUNTS, row, strict=True) if number}


async def test_each_message_is_counted_once_in_each_state_however_many_count(
    database: Database, query: "Query"
) -> None:
    for _ in range(5):
        await add(database)
    inbox = await add(database, channel="IN_APP", user_id=UUID(int=1))
    await add(database, status="REJECTED", error_code="suppressed")
    await add(database, status="CANCELLED", cancelled_at=datetime.now(UTC))
    sent, late, bad, over, waiting, mine = sorted(await claim(database), key=lambda each: each.id)[:6]
    assert mine.id == inbox
    assert waiting.channel is Channel.EMAIL
    await finish(database, sent, provider="smtp", provider_message_id="1")
    await finish(database, late, provider="smtp", provider_message_id="2")
    await finish(database, bad, Next.FAILED, provider="smtp", error_code="smtp_550")
    await finish(database, over, Next.EXPIRED)
    await finish(database, mine, Next.DELIVERED, provider="in_app")
    assert not any(await asyncio.gather(*(count(database) for _ in range(4)))), "all of it at once"
    first = {"accepted": 8, "sent": 3, "delivered": 1, "failed": 1, "expired": 1, "rejected": 1, "cancelled": 1}
    assert await counted(query) == first
    async with database.transaction() as transaction:
        await report(transaction, "smtp", "1", Report(Reported.DELIVERED))
        await report(transaction, "smtp", "2", Report(Reported.BOUNCED))
    for _ in range(2):
        await count(database)
    assert await counted(query) == first | {"delivered": 2, "bounced": 1}
    assert await query("SELECT sum(n) FROM notification_numbers, unnest(latency) AS n") == [(3,)]
    by = "SELECT channel::text, provider, sum(sent) FROM notification_numbers WHERE sent > 0 GROUP BY 1, 2 ORDER BY 1"
    assert sorted(await query(by)) == [("EMAIL", "smtp", 2), ("IN_APP", "in_app", 1)]


async def test_what_was_put_off_says_nothing_of_how_soon_messages_leave(database: Database, query: "Query") -> None:
    await add(database, decisions='[{"outcome": "DEFER"}]')
    await add(database, decisions='[{"outcome": "SEND"}]')
    for each in await claim(database):
        await finish(database, each)
    await count(database)
    assert (await counted(query))["sent"] == 2
    assert await query("SELECT sum(n) FROM notification_numbers, unnest(latency) AS n") == [(1,)]


async def test_a_report_days_later_counts_on_its_own_day_and_closed_quarters_stay(
    database: Database, query: "Query"
) -> None:
    await query("""
        INSERT INTO notifications (id, type, category, channel, recipient, content, status, provider, queued_at,
          sent_at, delivered_at)
        SELECT uuidv7_floor(at), 't', 'SYSTEM', 'EMAIL', 'a@b.example', 'c', 'DELIVERED', 'smtp', at, at,
          at + interval '10 hours'
        FROM (VALUES (now() - interval '20 hours')) AS long_ago (at)
    """)
    await query("""
        INSERT INTO delivery_attempts (id, notification_id, attempt_number, status, attempted_at, completed_at)
        SELECT uuidv7_floor(sent_at), id, 1, 'SUCCESS', sent_at, sent_at FROM notifications
    """)
    steps = 1
    while await count(database):
        steps += 1
    assert steps > 38, "half an hour at a time"
    assert await counted(query) == {"accepted": 1, "sent": 1, "delivered": 1}
    apart = "SELECT max(begins_at) - min(begins_at) FROM notification_numbers"
    assert await query(apart) == [(timedelta(hours=10),)]
    await query("UPDATE notifications SET provider = 'other'")
    await count(database)
    assert await query("SELECT DISTINCT provider FROM notification_numbers WHERE sent > 0") == [("smtp",)]


async def test_numbers_are_told_by_hour_and_group_with_gaps_as_zeros(
    caller: "Callers", database: Database, query: "Query", clock: MovableClock
) -> None:
    template = UUID(int=7)
    await query(
        """
        INSERT INTO notification_numbers (begins_at, channel, category, provider, template_id, accepted, sent, latency)
        SELECT date_trunc('hour', CAST(:now AS timestamptz), 'UTC') - age, channel, 'SYSTEM', provider, :template,
          accepted, sent, array_fill(0, ARRAY[1]) || ARRAY[sent] || array_fill(0, ARRAY[19])
        FROM (VALUES
          (interval '45 min', CAST('EMAIL' AS channel), NULL, 5, 0),
          (interval '30 min', 'EMAIL', 'smtp', 0, 3),
          (interval '30 min', 'SMS', 'twilio', 0, 1),
          (interval '26 h', 'EMAIL', 'smtp', 0, 100)
        ) AS told (age, channel, provider, accepted, sent)
    """,
        now=clock(),
        template=template,
    )
    async with caller("key:notification:read") as http, caller("key:notification:send") as other:
        assert (await other.get("/numbers")).status_code == 403
        plain = (await http.get("/numbers")).json()
        by = (await http.get("/numbers", params={"by": "channel,provider"})).json()
        days = (await http.get("/numbers", params={"grain": "day", "by": "template"})).json()
        for wrong, field in (
            ({"by": "recipient"}, "by"),
            ({"by": "channel,channel"}, "by"),
            ({"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from"),
            ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
            ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z", "grain": "day"}, "from"),
            ({"from": "yesterday"}, "from"),
            ({"grain": "minute"}, "grain"),
        ):
            refused = await http.get("/numbers", params=wrong)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    (line,) = plain["lines"]
    assert len(line["points"]) in (24, 25)
    assert [(point["accepted"], point["sent"]) for point in line["points"] if point["accepted"]] == [(5, 4)]
    assert plain["totals"]["latency"] == {"p50": 0.075, "p95": 0.0975, "p99": 0.0995}
    assert line["points"][0]["latency"] is None
    assert [line["group"] for line in by["lines"]] == [
        {"channel": "EMAIL", "provider": None},
        {"channel": "EMAIL", "provider": "smtp"},
        {"channel": "SMS", "provider": "twilio"},
    ]
    assert [(line["group"], line["totals"]["sent"]) for line in days["lines"]] == [
        ({"template_id": str(template)}, 104)
    ]


def test_what_was_open_is_counted_anew_and_what_has_long_been_waiting_in_steps() -> None:
    minute = timedelta(minutes=1)
    assert due(NOON + 7 * minute, NOON + 8 * minute) == Span(NOON, NOON + 8 * minute)
    before = due(NOON + 2 * minute, NOON + 3 * minute)
    assert before.begins_at == NOON - 15 * minute, f"what is committed {LATE} late"
    assert due(NOON, NOON + timedelta(days=9)).ends_at == NOON + timedelta(minutes=30)


def test_points_without_anything_are_there() -> None:
    day = Span(NOON - timedelta(minutes=10), NOON + timedelta(hours=2))
    assert [moment.hour for moment in moments(day, Grain.HOUR)] == [11, 12, 13]
    assert [moment.hour for moment in moments(day, Grain.DAY)] == [0]


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ({}, 0.5, None),
        ({0: 10}, 0.5, 0.025),
        ({0: 50, 1: 50}, 0.5, 0.05),
        ({0: 50, 1: 50}, 0.95, 0.095),
        ({3: 1}, 0.99, 0.2 + 0.2 * 0.99),
        ({0: 98, 20: 2}, 0.99, BOUNDS[-1]),
    ],
)
def test_percentiles_come_out_of_classes(counts: dict[int, int], share: float, seconds: float | None) -> None:
    histogram: list[Any] = [counts.get(number, 0) for number in range(len(BOUNDS) + 1)]
    told = percentile(histogram, share)
    assert told == (seconds if seconds is None else pytest.approx(seconds))
