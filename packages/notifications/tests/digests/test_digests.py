"""Digests: exactly one for each window of a user, and nothing that was for one is lost."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from packages.notifications.tests.notifications.test_sending import at, message

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.decisions.rules import Draft, Facts, Judgement, digest_end, judge
from orion_notifications.digests.rules import LONGEST_LINE, MOST_LINES, Item, as_html, as_text, lines, subject
from orion_notifications.notifications import digesting
from orion_notifications.notifications.digesting import close_digests, close_one
from orion_notifications.preferences.rules import Contact, Frequency
from orion_notifications.templates.actions import Library

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until

    from orion_notifications.desk import Desk

SOCIAL = {"category": "SOCIAL", "type": "chat.message"}


async def test_what_comes_in_a_window_becomes_one_mail_however_many_close_it(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ada = await auth.register()
    judged: list[Draft] = []

    def note(draft: Draft, facts: Facts, now: datetime) -> Judgement:
        judged.append(draft)
        return judge(draft, facts, now)

    monkeypatch.setattr(digesting, "judge", note)
    at(clock, "2026-11-27T12:00:00+00:00")
    async with caller(ada) as http, caller("operator") as operator:
        chosen = await http.patch("/me/preferences", json={"digests": {"SOCIAL": "DAILY"}, "digest_at": "18:00"})
        assert chosen.status_code == 200
        words = [{"subject": f"<b>{n}</b>", "text": "x"} for n in range(5)]
        bodies = [message(ada, **SOCIAL, content=content, ordering_key="ada") for content in words]
        answers = await asyncio.gather(*(operator.post("/notifications", json=body) for body in bodies))
        sent = [answer.json()["notifications"][0] for answer in answers]
        assert {(each["outcome"], each["until"]) for each in sent} == {("DIGEST", "2026-11-27T17:00:00Z")}
        alone = message(ada, **SOCIAL, priority="URGENT")
        assert (await operator.post("/notifications", json=alone)).json()["notifications"][0]["outcome"] == "SEND"
        assert await query("SELECT DISTINCT ordering_key FROM notification_queue") == [(None,)], "none waits for it"
        assert not await close_one(database, desk, Library(database), clock()), "the window is not over"
        clock.advance(hours=5, minutes=1)
        closed = await asyncio.gather(*(close_one(database, desk, Library(database), clock()) for _ in range(4)))
        assert sum(closed) == 1
        assert len(judged) == 1, "what is alike is looked at once: there may be thousands, and requests wait for it"
        late = await operator.post("/notifications", json=bodies[0])
        assert late.json()["notifications"][0]["until"] == "2026-11-28T17:00:00Z", "the next window"
    (mail,) = await query("SELECT id, subject, content, html_content FROM notifications WHERE type = 'digest'")
    assert mail[1] == "5 Nachrichten für Sie"
    assert mail[2].count("- <b>") == 5
    assert mail[3].count("<li>&lt;b&gt;") == 5
    assert (
        await query(
            "SELECT n.type FROM digest_items i JOIN notifications n ON n.id = notification_id WHERE n.id = :id",
            id=mail[0],
        )
        == []
    ), "a digest is told of in no other"
    fates = "SELECT status::text, error_code, count(*) FROM notifications WHERE type = 'chat.message' GROUP BY 1, 2"
    assert sorted(await query(fates)) == [("CANCELLED", "digested", 5), ("QUEUED", None, 2)]
    orphans = """SELECT count(*) FROM notifications n WHERE n.status = 'QUEUED'
      AND NOT EXISTS (SELECT FROM notification_queue q WHERE q.notification_id = n.id)"""
    assert await query(orphans) == [(0,)]


async def test_what_no_digest_takes_goes_by_itself(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T12:20:00+00:00")
    async with caller(ada) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"digests": {"SOCIAL": "HOURLY"}})
        await operator.post("/notifications", json=message(ada, **SOCIAL))
        due = "SELECT q.due_at::text FROM notification_queue q JOIN notifications n ON n.id = q.notification_id"
        assert await query(f"{due} WHERE n.type = 'chat.message'") == [("2026-11-27 14:00:00+00",)]
        await query("UPDATE digests SET closed_at = now()")
        (sent,) = (await operator.post("/notifications", json=message(ada, **SOCIAL))).json()["notifications"]
    assert sent["outcome"] == "DIGEST"
    assert ("2026-11-27 13:00:00+00",) in await query(f"{due} WHERE n.type = 'chat.message'")


async def test_what_was_switched_off_meanwhile_is_not_told_of_under_another_category(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T12:20:00+00:00")
    library = Library(database)
    async with caller(ada) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"digests": {"SOCIAL": "HOURLY", "MARKETING": "HOURLY"}})
        for n, about in enumerate([{"category": "MARKETING"}, SOCIAL, {"category": "MARKETING", "type": "order.news"}]):
            await operator.post("/notifications", json=message(ada, **about, content={"subject": f"n{n}", "text": "x"}))
        await http.patch("/me/preferences", json={"categories": {"SOCIAL": {"EMAIL": False}}})
        clock.advance(hours=1)
        assert await close_one(database, desk, library, clock())
        mails = "SELECT category::text, content FROM notifications WHERE type = 'digest'"
        assert await query(mails) == [("MARKETING", "- n0\n- n2\n")]
        (social,) = await query("SELECT id, status::text, error_code FROM notifications WHERE category = 'SOCIAL'")
        assert social[1:] == ("REJECTED", "switched_off")
        told = (await operator.get(f"/notifications/{social[0]}/explain")).json()["judgements"]
        assert [(each["by"], each["outcome"]) for each in told] == [("acceptance", "DIGEST"), ("digest", "REJECTED")]

        await operator.post("/notifications", json=message(ada, category="MARKETING"))
        unsubscribed = {"channel": "EMAIL", "recipient": "ada@example.com", "category": "MARKETING"}
        assert (await operator.post("/suppressions", json=unsubscribed)).status_code == 204
        clock.advance(hours=1)
        assert await close_one(database, desk, library, clock())
    assert len(await query(mails)) == 1, "nothing is left to be told of: no mail"
    last = "SELECT status::text, error_code FROM notifications ORDER BY id DESC LIMIT 1"
    assert await query(last) == [("REJECTED", "suppressed")]


async def test_what_an_operator_has_put_off_is_in_no_digest_and_what_was_in_one_is_not_sent_again(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    ada = await auth.register()
    at(clock, "2026-11-27T12:00:00+00:00")
    next_week = "2026-12-04T12:00:00Z"
    async with caller(ada) as http, caller("operator") as operator:
        await http.patch("/me/preferences", json={"digests": {"SOCIAL": "DAILY"}, "digest_at": "18:00"})
        bodies = [message(ada, **SOCIAL, content={"text": text}) for text in ("now", "later")]
        now, later = [(await operator.post("/notifications", json=body)).json()["notifications"][0] for body in bodies]
        put_off = await operator.put(f"/notifications/{later['id']}/schedule", json={"scheduled_at": next_week})
        assert put_off.status_code == 200
        clock.advance(hours=5, minutes=1)
        assert await close_one(database, desk, Library(database), clock())
        fates = {
            each["id"]: (await operator.get(f"/notifications/{each['id']}")).json()["status"] for each in (now, later)
        }
        assert fates == {now["id"]: "CANCELLED", later["id"]: "QUEUED"}
        again = await operator.post(f"/notifications/{now['id']}/retry")
        assert (again.status_code, again.json()["code"]) == (409, "digested")
    due = "SELECT to_char(due_at, 'MM-DD') FROM notification_queue WHERE notification_id = :id"
    assert await query(due, id=UUID(later["id"])) == [("12-04",)]


async def test_one_that_cannot_be_made_is_put_off_and_stops_no_other(
    caller: "Callers", auth: "AuthFeed", query: "Query", database: Database, desk: "Desk", clock: MovableClock,
    until: "Until", monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    ada, eve = await auth.register(), await auth.register("eve@example.com")
    at(clock, "2026-11-27T12:00:00+00:00")
    for user_id in (ada, eve):
        async with caller(user_id) as http, caller("operator") as operator:
            await http.patch("/me/preferences", json={"digests": {"SOCIAL": "DAILY"}, "digest_at": "18:00"})
            text = "broken" if user_id == ada else "whole"
            await operator.post("/notifications", json=message(user_id, **SOCIAL, content={"text": text}))
    clock.advance(hours=5, minutes=1)

    def said(told: Sequence[str]) -> str:
        if "broken" in told:
            raise RuntimeError("it cannot be made")
        return as_text(told)

    async def are_made() -> bool:
        return await query("SELECT user_id FROM notifications WHERE type = 'digest'") == [(eve,)]

    monkeypatch.setattr("orion_notifications.notifications.digesting.as_text", said)
    stop = asyncio.Event()
    closing = asyncio.create_task(close_digests(database, desk, clock, stop))
    await until(are_made)
    stop.set()
    await closing
    waiting = "SELECT user_id, put_off_until - :now = interval '5 min' FROM digests WHERE closed_at IS NULL"
    assert await query(waiting, now=clock()) == [(ada, True)]
    windows = await query("SELECT to_char(until, 'HH24:MI'), closed_at IS NULL FROM digests ORDER BY closed_at")
    assert windows == [("17:00", False), ("17:00", True)], "the window stays, so there is no second digest of it"
    monkeypatch.undo()
    assert not await close_one(database, desk, Library(database), clock()), "not yet"
    clock.advance(minutes=6)
    assert await close_one(database, desk, Library(database), clock())
    assert await query("SELECT count(*) FROM notifications WHERE type = 'digest'") == [(2,)]


def test_windows_end_with_the_hour_at_the_time_of_the_day_and_on_monday() -> None:
    contact = Contact(timezone="Europe/Berlin", digest_at=time(18))
    friday = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
    assert [digest_end(contact, frequency, friday).strftime("%d %H:%M") for frequency in Frequency] == [
        *("27 19:00", "28 17:00", "30 17:00")
    ]


def test_a_long_digest_says_how_many_more_there_are() -> None:
    told = lines([Item("x" * 1000, "")] * 1000, "de", 5000)
    assert (len(told), told[-1]) == (MOST_LINES + 1, "und 4800 weitere")
    assert max(len(as_text(told)), len(as_html(told))) < (MOST_LINES + 1) * (LONGEST_LINE + 20)
    assert len(lines([Item("x", "")] * MOST_LINES, "de", MOST_LINES)) == MOST_LINES


def test_words() -> None:
    assert subject("fr-CH", 2) == "2 messages pour vous"
    assert subject("xx", 2) == "2 messages for you"
    assert as_html(lines([Item("", "\n <i>a</i>\nb")], "en", 1)) == "<ul><li>&lt;i&gt;a&lt;/i&gt;</li></ul>"
