"""Through one channel after the other: until one works, or until somebody has seen it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from packages.notifications.tests.notifications.test_sending import message

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.escalations.actions import Escalating, PutOffError, go_on
from orion_notifications.escalations.rules import MOST_FAILURES, EscalationRule, Move, Standing, Step, step
from orion_notifications.notifications.sending import send_next

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query

    from orion_notifications.desk import Desk

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
AFTER = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("rule", "status", "sent", "seen", "more", "move"),
    [
        (EscalationRule.FIRST, "QUEUED", None, False, True, Move.WAIT),
        (EscalationRule.FIRST, "SENT", NOON, False, True, Move.WAIT),
        (EscalationRule.FIRST, "SENT", NOON, False, False, Move.END),
        (EscalationRule.FIRST, "SENT", NOON - AFTER, False, True, Move.END),
        (EscalationRule.FIRST, "DELIVERED", NOON, False, True, Move.END),
        (EscalationRule.FIRST, "FAILED", None, False, True, Move.NEXT),
        (EscalationRule.FIRST, "BOUNCED", NOON, False, True, Move.NEXT),
        (EscalationRule.FIRST, "BOUNCED", None, False, False, Move.END),
        (EscalationRule.FIRST, "REJECTED", None, False, True, Move.NEXT),
        (EscalationRule.ESCALATE, "DELIVERED", NOON, False, True, Move.WAIT),
        (EscalationRule.ESCALATE, "DELIVERED", NOON - AFTER, False, True, Move.NEXT),
        (EscalationRule.ESCALATE, "DELIVERED", NOON - AFTER, True, True, Move.END),
        (EscalationRule.ESCALATE, "DELIVERED", NOON, False, False, Move.END),
    ],
)
def test_what_comes_next(
    rule: EscalationRule, status: str, sent: datetime | None, *, seen: bool, more: bool, move: Move
) -> None:
    standing = Standing(status, sent)
    assert step(rule, standing, is_seen=seen, has_next=more, after=AFTER, now=NOON).move is move


@pytest.mark.parametrize(
    ("due", "look"),
    [
        (None, timedelta(seconds=5)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(seconds=-8), timedelta(seconds=5)),
        (timedelta(hours=-8), timedelta(hours=1)),
    ],
)
def test_what_waits_for_a_paused_channel_is_looked_at_ever_less_often(due: timedelta | None, look: timedelta) -> None:
    """There may be a million of them."""
    waiting = Standing("QUEUED", None, due_at=None if due is None else NOON + due)
    found = step(EscalationRule.FIRST, waiting, is_seen=False, has_next=True, after=AFTER, now=NOON)
    assert found == Step(Move.WAIT, NOON + look)


@pytest.mark.parametrize("rule", EscalationRule)
def test_what_was_taken_back_is_told_by_no_other_way(rule: EscalationRule) -> None:
    taken_back = Standing("CANCELLED", NOON - AFTER, error_code="cancelled")
    assert step(rule, taken_back, is_seen=False, has_next=True, after=AFTER, now=NOON).move is Move.END


@pytest.mark.parametrize(
    ("rule", "told", "move"),
    [
        (EscalationRule.FIRST, NOON, Move.END),
        (EscalationRule.ESCALATE, NOON, Move.WAIT),
        (EscalationRule.ESCALATE, NOON - AFTER, Move.NEXT),
    ],
)
def test_what_a_digest_tells_of_has_arrived(rule: EscalationRule, told: datetime, move: Move) -> None:
    digested = Standing("CANCELLED", told, error_code="digested")
    assert step(rule, digested, is_seen=False, has_next=True, after=AFTER, now=NOON).move is move


async def test_one_that_cannot_go_on_is_put_off_and_stops_no_other(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()
    body = message(ada, channels=["IN_APP", "EMAIL"], rule="FIRST")

    async def send(*args: Any) -> Any:
        return await send_next(desk, *args)

    escalating = Escalating(desk.keyring, send)
    async with caller("operator") as operator:
        for _ in range(2):
            assert (await operator.post("/notifications", json=body)).status_code == 202
            clock.advance(seconds=1)
    await query(
        "UPDATE escalations SET sealed_message = '\\x00' WHERE id = (SELECT min(id::text)::uuid FROM escalations)"
    )
    clock.advance(seconds=10)
    with pytest.raises(PutOffError):
        await go_on(database, escalating, clock())
    assert await go_on(database, escalating, clock())
    looks = "SELECT round(extract(epoch FROM next_look_at - :now)) FROM escalations ORDER BY id"
    assert await query(looks, now=clock()) == [(300,), (5,)]


async def test_one_that_fails_every_time_is_given_up(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()

    async def fail(*_: Any) -> Any:
        raise RuntimeError

    async with caller("operator") as operator:
        body = message(ada, channels=["IN_APP", "EMAIL"], rule="ESCALATE")
        assert (await operator.post("/notifications", json=body)).status_code == 202
    await query("UPDATE notifications SET status = 'FAILED', failed_at = now(), error_code = 'x'")
    for _ in range(MOST_FAILURES):
        assert await query("SELECT ended_at FROM escalations") == [(None,)]
        clock.advance(minutes=6)
        with pytest.raises(PutOffError):
            await go_on(database, Escalating(desk.keyring, fail), clock())
    assert await query("SELECT sealed_message, ended_at FROM escalations") == [(None, clock())]
    clock.advance(minutes=6)
    assert not await go_on(database, Escalating(desk.keyring, fail), clock())


@pytest.mark.parametrize("rule", ["FIRST", "ESCALATE"])
async def test_a_later_channel_that_cannot_say_it_is_refused_before_anything_is_kept(
    rule: str, caller: "Callers", auth: "AuthFeed", query: "Query"
) -> None:
    ada = await auth.register()
    body: dict[str, Any] = message(ada, channels=["IN_APP", "SLACK"], rule=rule, template="welcome_in_app")
    body |= {"variables": {"name": "Ada", "product_name": "Orion"}}
    del body["content"], body["category"]
    async with caller("operator") as operator:
        answer = await operator.post("/notifications", json=body)
        assert answer.status_code == 422
        assert [(each["field"], each["code"]) for each in answer.json()["errors"]] == [
            ("/template", "unknown_template")
        ]
    assert await query("SELECT count(*) FROM escalations") == [(0,)]
    assert await query("SELECT count(*) FROM notifications WHERE type = 'order.shipped'") == [(0,)]


async def test_it_goes_on_until_it_is_seen_and_keeps_no_secret_then(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()
    body: dict[str, Any] = message(ada, channels=["IN_APP", "EMAIL", "SMS"], rule="ESCALATE", idempotency_key="k")
    body |= {"scheduled_at": clock().isoformat(), "local_time": "09:00"}

    async def send(*args: Any) -> Any:
        return await send_next(desk, *args)

    escalating = Escalating(desk.keyring, send)
    async with caller("operator") as operator:
        answer = (await operator.post("/notifications", json=body)).json()
        assert [each["channel"] for each in answer["notifications"]] == ["IN_APP"]
        assert (await operator.post("/notifications", json=body)).json()["escalation_id"] is None, "the same key"
    assert not await go_on(database, escalating, clock()), "nothing is due yet"
    await query("UPDATE notifications SET status = 'PROCESSING', processing_at = now() WHERE channel = 'IN_APP'")
    await query("UPDATE notifications SET status = 'DELIVERED', sent_at = :at, delivered_at = :at", at=clock())
    clock.advance(seconds=6)
    assert await go_on(database, escalating, clock())
    assert await query("SELECT count(*) FROM notifications WHERE type = 'order.shipped'") == [(1,)], "not seen yet"
    clock.advance(minutes=11)
    assert await go_on(database, escalating, clock())
    mine = "SELECT channel::text FROM notifications WHERE type = 'order.shipped' ORDER BY id"
    assert await query(mine) == [("IN_APP",), ("EMAIL",)]
    hours = "SELECT scheduled_at, local_time FROM notifications WHERE type = 'order.shipped' AND channel = 'EMAIL'"
    assert await query(hours) == [(None, None)], "it is its turn: the hour was that of the first"
    await query("UPDATE notifications SET seen_at = now() WHERE channel = 'IN_APP'")
    clock.advance(minutes=11)
    assert await go_on(database, escalating, clock())
    assert await query(mine) == [("IN_APP",), ("EMAIL",)]
    assert await query("SELECT sealed_message, ended_at IS NOT NULL FROM escalations") == [(None, True)]


async def test_a_channel_whose_message_comes_back_has_not_worked(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()

    async def send(*args: Any) -> Any:
        return await send_next(desk, *args)

    escalating = Escalating(desk.keyring, send)
    async with caller("operator") as operator:
        await operator.post("/notifications", json=message(ada, channels=["EMAIL", "IN_APP"], rule="FIRST"))
    clock.advance(hours=2)  # its channel is paused
    assert await go_on(database, escalating, clock())
    rarely = "SELECT next_look_at - :now > interval '10 minutes' FROM escalations"
    assert await query(rarely, now=clock()) == [(True,)]
    clock.advance(minutes=16)
    await query("UPDATE notifications SET status = 'PROCESSING', processing_at = now() WHERE channel = 'EMAIL'")
    await query("UPDATE notifications SET status = 'SENT', sent_at = :at WHERE channel = 'EMAIL'", at=clock())
    for _ in range(2):  # it has left, and may come back
        clock.advance(seconds=6)
        assert await go_on(database, escalating, clock())
    await query("UPDATE notifications SET status = 'BOUNCED', failed_at = now() WHERE status = 'SENT'")
    clock.advance(seconds=13)
    assert await go_on(database, escalating, clock())
    mine = "SELECT channel::text FROM notifications WHERE type = 'order.shipped' ORDER BY id"
    assert await query(mine) == [("EMAIL",), ("IN_APP",)]


async def test_a_message_that_is_cancelled_ends_it(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()

    async def send(*args: Any) -> Any:
        return await send_next(desk, *args)

    async with caller("operator") as operator:
        body = message(ada, channels=["EMAIL", "IN_APP"], rule="FIRST")
        (first,) = (await operator.post("/notifications", json=body)).json()["notifications"]
        assert (await operator.post(f"/notifications/{first['id']}/cancellation")).status_code == 200
    clock.advance(seconds=6)
    assert await go_on(database, Escalating(desk.keyring, send), clock())
    assert await query("SELECT channel::text FROM notifications WHERE type = 'order.shipped'") == [("EMAIL",)]
    assert await query("SELECT ended_at IS NOT NULL FROM escalations") == [(True,)]
