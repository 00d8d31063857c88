"""Batches: one message to many people, each once, held and let go as somebody says."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_contracts.erasures import IdentityErased
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.batches.actions import note_complaint
from orion_notifications.batches.feeding import HELD, PutOffError
from orion_notifications.batches.rules import MOST_FAILURES, Counts, Limits, why_stop

if TYPE_CHECKING:
    from packages.notifications.tests.batches.conftest import Steps
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until, Working

    from orion_notifications.desk import Desk

PATH = "/batches"
NDJSON = {"Content-Type": "application/x-ndjson"}
WANTED: dict[str, Any] = {
    "name": "Maintenance in June",
    "type": "system.maintenance",
    "template": "system_maintenance",
    "channel": "EMAIL",
    "variables": {
        "product_name": "Orion",
        "support_url": "https://help.example/",
        "status_url": "https://status.example/",
        "impact": "read_only",
    },
}
OWN = {"name": "Ada", "starts_at": "2026-12-01T02:00:00Z", "ends_at": "2026-12-01T03:00:00Z"}
SCOPES = "key:notification:send notification:read notification:update"


def lines(*recipients: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps({"variables": OWN, **each}).encode() for each in recipients)


def people(count: int, first: int = 0) -> bytes:
    return lines(*({"email": f"p{n}@example.com"} for n in range(first, first + count)))


async def begin(http: httpx.AsyncClient, body: bytes, **more: Any) -> str:
    """A draft with these recipients."""
    made = await http.post(PATH, json=WANTED | more)
    assert made.status_code == 201, made.text
    path = made.headers["Location"].removeprefix("/notifications/v1")
    sent = await http.put(f"{path}/recipients/1", content=body, headers=NDJSON)
    assert sent.status_code == 200, sent.text
    return path


async def become(http: httpx.AsyncClient, path: str, status: str, **more: str) -> dict[str, Any]:
    answer = await http.patch(path, json={"status": status, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_everybody_gets_it_once_and_the_totals_say_so(
    caller: "Callers",
    auth: "AuthFeed",
    working: "Working",
    until: "Until",
    query: "Query",
    clock: MovableClock,
) -> None:
    ada = await auth.register()
    async with caller(SCOPES) as http:
        path = await begin(
            http, lines({"user_id": str(ada)}, {"email": "Bob@Example.com"}, {"email": "bob@example.com"})
        )
        waiting = (await http.get(f"{path}/recipients")).json()["items"]
        assert [(each["user_id"], each["recipient"]) for each in waiting] == [
            (str(ada), None),
            (None, "bob@example.com"),
        ]
        again = await http.put(f"{path}/recipients/1", content=lines({"user_id": str(ada)}), headers=NDJSON)
        assert again.json() == {"recipient_count": 2, "added": 0, "repeated": 1}
        await become(http, path, "RUNNING")

        async def is_over() -> bool:
            clock.advance(seconds=1)
            return (await http.get(path)).json()["total_sent"] == 2

        async with working():
            await until(is_over, 20)
        shown = (await http.get(path)).json()
        found = (await http.get("/notifications", params={"batch_id": path.rpartition("/")[2]})).json()["items"]
    assert (shown["recipient_count"], shown["fed_count"], shown["total_queued"], shown["total_failed"]) == (2, 2, 0, 0)
    assert sorted(each["recipient"] for each in found) == ["ada@example.com", "bob@example.com"]
    assert {(each["priority"], each["type"], each["status"]) for each in found} == {("LOW", WANTED["type"], "SENT")}
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]


async def test_it_is_over_when_nobody_waits_and_who_does_not_want_it_is_skipped(
    caller: "Callers", auth: "AuthFeed", query: "Query", steps: "Steps"
) -> None:
    ada = await auth.register()
    await query("UPDATE user_preferences SET email_enabled = false WHERE user_id = :id", id=ada)
    async with caller(SCOPES) as http:
        path = await begin(http, lines({"user_id": str(ada)}, {"user_id": str(uuid7())}))
        await become(http, path, "RUNNING")
        await steps(2)
        shown = (await http.get(path)).json()
        report = (await http.get(f"{path}/report")).json()
    assert (shown["status"], shown["total_skipped"], shown["total_queued"]) == ("COMPLETED", 2, 0)
    assert (report["recipient_count"], report["not_reached"]) == (2, 0)
    assert report["outcomes"] == [
        {"status": "REJECTED", "error_code": code, "count": 1} for code in ("no_address", "switched_off")
    ]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"template": "nowhere"}, "/template"),
        ({"template": "password_reset"}, "/template"),
        ({"variables": {"unknown": 1}}, "/variables"),
    ],
)
async def test_a_template_that_cannot_say_it_begins_no_batch(
    caller: "Callers", query: "Query", more: dict[str, Any], field: str
) -> None:
    async with caller(SCOPES) as http:
        answer = await http.post(PATH, json=WANTED | more)
    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, [field])
    assert await query("SELECT count(*) FROM notification_batches") == [(0,)]


async def test_what_may_follow_what(caller: "Callers", clock: MovableClock, steps: "Steps") -> None:
    later = (clock() + timedelta(hours=1)).isoformat()
    async with caller(SCOPES) as http:
        key = {"Idempotency-Key": "june"}
        once, again = [await http.post(PATH, json=WANTED, headers=key) for _ in range(2)]
        assert once.headers["Location"] == again.headers["Location"] and once.json() == again.json()
        assert len((await http.get(PATH)).json()["items"]) == 1
        empty = (await http.post(PATH, json=WANTED)).headers["Location"].removeprefix("/notifications/v1")
        assert (await http.patch(empty, json={"status": "RUNNING"})).json()["code"] == "no_recipients"
        assert (await http.delete(empty)).status_code == 204
        assert (await http.get(empty)).status_code == 404
        path = await begin(http, people(1))
        assert (await http.patch(path, json={"status": "PAUSED"})).json()["code"] == "wrong_status"
        assert (await http.patch(path, json={"status": "SCHEDULED"})).status_code == 422
        assert (await become(http, path, "SCHEDULED", scheduled_at=later))["status"] == "SCHEDULED"
        assert (await http.delete(path)).status_code == 409
        await steps()
        assert (await http.get(path)).json()["fed_count"] == 0
        clock.advance(seconds=3600)
        await steps()
        assert (await http.get(path)).json()["fed_count"] == 1
        assert (await http.put(f"{path}/recipients/2", content=people(1, 1), headers=NDJSON)).status_code == 409
        await become(http, path, "CANCELLED")
        assert (await http.patch(path, json={"status": "RUNNING"})).status_code == 409
        assert [each["id"] for each in (await http.get(PATH, params={"status": "CANCELLED"})).json()["items"]] == [
            path.rpartition("/")[2]
        ]
    async with caller("key:notification:read") as reader:
        assert (await reader.patch(path, json={"status": "CANCELLED"})).status_code == 403
        assert (await reader.post(PATH, json=WANTED)).status_code == 403


AUDITED = """
    SELECT data -> 'old', data -> 'new' FROM outbox WHERE data ->> 'action' = 'batch.update' ORDER BY sequence
"""


async def test_all_but_what_it_says_and_to_whom_changes_until_it_begins(
    caller: "Callers", query: "Query", clock: MovableClock, steps: "Steps"
) -> None:
    soon, later = ((clock() + timedelta(hours=hours)).isoformat() for hours in (1, 2))
    async with caller(SCOPES) as http:
        path = await begin(http, people(2), rate_per_second=5, canary={"recipients": 1, "seconds": 60})
        tag = (await http.get(path)).headers["ETag"]

        async def change(**body: Any) -> tuple[int, str]:
            """The answer to a change by whoever has just read the batch: its status, and what it is refused by."""
            seen = {"If-Match": (await http.get(path)).headers["ETag"]}
            answer = await http.patch(path, json=body, headers=seen)
            if answer.status_code == 200:
                assert answer.headers["ETag"] == (await http.get(path)).headers["ETag"]
            return answer.status_code, answer.json().get("code", "")

        assert (await http.patch(path, json={"name": "July"})).status_code == 428
        for wrong in ({}, {"status": None}, {"name": None}, {"name": ""}, {"rate_per_second": 0}, {"template": "x"}):
            assert (await change(**wrong))[0] == 422, wrong
        assert await change(scheduled_at=soon) == (409, "wrong_status")
        assert await query(AUDITED) == []
        assert await change(name="July", canary=None, bounced_permille=50) == (200, "")
        assert await change(name="July") == (200, "")  # as it is
        assert (await http.patch(path, json={"name": "August"}, headers={"If-Match": tag})).status_code == 412
        assert (await http.patch(path, json={"status": "RUNNING"}, headers={"If-Match": tag})).status_code == 412
        await become(http, path, "SCHEDULED", scheduled_at=soon)
        assert await change(scheduled_at=later, rate_per_second=None) == (200, "")
        clock.advance(seconds=3600)
        await steps()
        assert (await http.get(path)).json()["status"] == "SCHEDULED"
        clock.advance(seconds=3600)
        await steps()
        begun = (await http.get(path)).json()
        assert (begun["name"], begun["rate_per_second"], begun["bounced_permille"]) == ("July", None, 50)
        assert begun["canary_recipients"] is None and begun["fed_count"] == 2
        for late in ({"name": "August"}, {"scheduled_at": later}, {"status": "PAUSED", "rate_per_second": 1}):
            assert await change(**late) == (409, "wrong_status"), late
        assert (await http.get(path)).json()["status"] == "RUNNING"
    first, scheduled, moved = await query(AUDITED)
    canary = {"canary_recipients": 1, "canary_seconds": 60}
    assert first == (
        {"name": WANTED["name"], "bounced_permille": None} | canary,
        {"name": "July", "bounced_permille": 50} | dict.fromkeys(canary),
    )
    assert [each["status"] for each in scheduled] == ["DRAFT", "SCHEDULED"]
    assert [each["rate_per_second"] for each in moved] == [5, None]
    assert moved[0]["scheduled_at"] == scheduled[1]["scheduled_at"] != moved[1]["scheduled_at"]


async def test_a_paused_batch_sends_nothing_and_goes_on_where_it_was(
    caller: "Callers", working: "Working", until: "Until", query: "Query", steps: "Steps"
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(20))
        await become(http, path, "RUNNING")
        await steps()
        await become(http, path, "PAUSED")

        async def is_held() -> bool:
            return await query("SELECT count(*) FROM notifications WHERE deferred_reason IS NOT NULL") == [(20,)]

        async def is_sent() -> bool:
            return await query("SELECT count(*) FROM notifications WHERE status = 'SENT'") == [(20,)]

        async with working():
            await until(is_held, 20)
            assert await query("SELECT count(*) FROM delivery_attempts") == [(0,)]
            await become(http, path, "RUNNING")
            await until(is_sent, 30)
    assert await query("SELECT count(DISTINCT recipient) FROM notifications") == [(20,)]


async def test_what_is_held_back_after_its_batch_went_on_is_let_go_too(
    caller: "Callers", query: "Query", steps: "Steps"
) -> None:
    """A worker that had seen the batch pause writes so after all others were let go."""
    async with caller(SCOPES) as http:
        path = await begin(http, people(2))
        await become(http, path, "RUNNING")
        await steps()
        await query("UPDATE notifications SET deferred_reason = :held WHERE recipient LIKE 'p0@%'", held=HELD)
        await query("UPDATE notification_queue SET due_at = due_at + interval '30 days'")
        await steps(2)
    due = """SELECT n.recipient, q.due_at <= now(), n.deferred_reason
        FROM notification_queue q JOIN notifications n ON n.id = q.notification_id ORDER BY n.recipient"""
    assert await query(due) == [("p0@example.com", True, None), ("p1@example.com", False, None)]


async def test_what_is_cancelled_is_taken_back(caller: "Callers", query: "Query", steps: "Steps") -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(3), rate_per_second=2)
        await become(http, path, "RUNNING")
        await steps()
        await become(http, path, "CANCELLED")
        await steps()
        shown = (await http.get(path)).json()
    assert (shown["status"], shown["total_queued"], shown["fed_count"]) == ("CANCELLED", 0, 2)
    assert await query("SELECT DISTINCT status::text, error_code FROM notifications") == [
        ("CANCELLED", "batch_cancelled")
    ]
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]
    assert await query("SELECT count(*) FROM notification_queue") == [(0,)]


async def test_the_rest_waits_for_the_canary_and_is_stopped_by_it(
    caller: "Callers", clock: MovableClock, query: "Query", steps: "Steps"
) -> None:
    canary = {"canary": {"recipients": 2, "seconds": 60}, "bounced_permille": 100}
    async with caller(SCOPES) as http:
        good, bad = [await begin(http, people(5), **canary) for _ in range(2)]
        for path in (good, bad):
            await become(http, path, "RUNNING")
        await steps(3)
        clock.advance(seconds=60)
        await steps(2)
        for path in (good, bad):
            waiting = (await http.get(path)).json()
            assert waiting["fed_count"] == 2, "a canary that has not left has told nothing, however long that takes"
            assert waiting["status"] == "RUNNING" and "too few of its messages have left" in waiting["reason"]
        await query("UPDATE notifications SET status = 'PROCESSING', processing_at = now()")
        await query("UPDATE notifications SET status = 'SENT', sent_at = now()")
        await query("UPDATE notifications SET status = 'BOUNCED' WHERE batch_id = :id", id=UUID(bad.rpartition("/")[2]))
        await steps()
        gone_on = (await http.get(good)).json()
        assert (gone_on["fed_count"], gone_on["reason"]) == (5, None)
        stopped = (await http.get(bad)).json()
    assert (stopped["status"], stopped["fed_count"]) == ("PAUSED", 2)
    assert stopped["reason"] == "2 of 2 came back: more than 100 of a thousand."


async def test_no_more_is_made_while_enough_is_due(
    caller: "Callers", query: "Query", steps: "Steps", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orion_notifications.batches.feeding.MOST_AHEAD", 3)
    async with caller(SCOPES) as http:
        first, second = await begin(http, people(3)), await begin(http, people(2, 10))
        for path, fed in ((first, 3), (second, 0)):
            await become(http, path, "RUNNING")
            await steps(2)
            assert (await http.get(path)).json()["fed_count"] == fed
        await query("UPDATE notification_queue SET lease_until = now() + interval '1 minute', leased_at = now()")
        await steps()
        assert (await http.get(second)).json()["fed_count"] == 2


async def test_complaints_are_counted_against_their_batch(
    caller: "Callers", database: Database, query: "Query", steps: "Steps"
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(2))
        await become(http, path, "RUNNING")
        await steps()
        await query("UPDATE notifications SET provider = 'ses', provider_message_id = recipient")
        ((one,),) = await query("SELECT id FROM notifications WHERE recipient = 'p0@example.com'")
        async with database.transaction() as transaction:
            await note_complaint(transaction, one)
            await note_complaint(transaction, uuid7())
        assert (await http.get(path)).json()["total_complained"] == 1


def test_shares_of_few_say_nothing() -> None:
    limits = Limits(50, 3, None)
    assert why_stop(Counts(sent=5, bounced=5), 0, limits) is None
    assert why_stop(Counts(sent=95, bounced=5), 0, limits) is None
    assert why_stop(Counts(sent=94, bounced=6), 0, limits) is not None
    assert why_stop(Counts(sent=1000), 3, limits) is None
    assert why_stop(Counts(sent=1000), 4, limits) is not None
    assert why_stop(Counts(sent=1000, bounced=500), 500, Limits(None, None, None)) is None


def test_who_is_not_written_to_does_not_silence_the_rest_of_a_canary() -> None:
    limits = Limits(bounced_permille=50, complained_permille=None, canary_recipients=50)
    for others in (Counts(bounced=49, failed=49, skipped=1), Counts(bounced=49, failed=50)):
        assert why_stop(others, 0, limits) is not None
    assert why_stop(Counts(bounced=48, failed=48, skipped=1), 0, limits) is None, "one is on its way"
    assert why_stop(Counts(skipped=50), 0, limits) is None


async def test_a_template_that_is_put_away_ends_the_batch_and_says_so(
    caller: "Callers", query: "Query", steps: "Steps"
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(2))
        await become(http, path, "RUNNING")
        await query("UPDATE templates SET is_active = false WHERE name = 'system_maintenance'")
        await steps()
        shown = (await http.get(path)).json()
    assert (shown["status"], shown["fed_count"]) == ("FAILED", 0)
    assert shown["reason"] == "Nothing more is sent: the template was put away or switched off."
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]


async def test_a_batch_that_cannot_be_looked_after_stops_no_other_and_is_given_up(
    caller: "Callers", database: Database, desk: "Desk", clock: MovableClock, query: "Query", steps: "Steps"
) -> None:
    async with caller(SCOPES) as http:
        broken, whole = await begin(http, people(1)), await begin(http, people(1))
        await become(http, broken, "RUNNING")
        await query(
            "UPDATE batch_recipients SET recipient = 'UPPER@example.com' WHERE batch_id = :id",
            id=UUID(broken.rpartition("/")[2]),
        )
        await become(http, whole, "RUNNING")
        for _ in range(MOST_FAILURES):
            with pytest.raises(PutOffError):
                await steps()
            await steps()
            clock.advance(seconds=60)
        shown = [(await http.get(path)).json() for path in (broken, whole)]
    assert [each["status"] for each in shown] == ["FAILED", "RUNNING"]
    assert shown[1]["fed_count"] == 1


async def test_an_erased_person_is_not_reached_any_more(caller: "Callers", auth: "AuthFeed", query: "Query") -> None:
    ada = await auth.register()
    await query("UPDATE user_preferences SET email_verified_at = now() WHERE user_id = :id", id=ada)
    async with caller(SCOPES) as http:
        await begin(http, lines({"user_id": str(ada)}, {"email": "ada@example.com"}, {"email": "bob@example.com"}))
    await auth.bring(IdentityErased(user_id=ada, erasure_id=uuid7(), counts={}, erased_at=auth.clock()))
    assert await query("SELECT recipient FROM batch_recipients") == [("bob@example.com",)]
