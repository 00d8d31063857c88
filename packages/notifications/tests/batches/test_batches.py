"""Batches: one message to many people, each once, held and let go as somebody says."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_contracts.erasures import IdentityErased
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.batches import store
from orion_notifications.batches.actions import note_complaint
from orion_notifications.batches.feeding import PutOffError, look, step
from orion_notifications.batches.rules import COUNT_EVERY, MOST_FAILURES, Counts, Limits, why_stop

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until, Working

    from orion_notifications.desk import Desk

PATH = "/batches"
NDJSON, CSV = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "text/csv"}
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

Steps = Callable[..., Awaitable[None]]


@pytest.fixture
def steps(database: Database, desk: "Desk", clock: MovableClock) -> Steps:
    """`await steps()`: what workers do until nothing is due; then the clock goes on, that often."""

    async def run(times: int = 1) -> None:
        for _ in range(times):
            while await look(database, desk, clock()):
                pass
            clock.advance(seconds=COUNT_EVERY.total_seconds())

    return run


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
    caller: "Callers", auth: "AuthFeed", query: "Query", steps: Steps
) -> None:
    ada = await auth.register()
    await query("UPDATE user_preferences SET email_enabled = false WHERE user_id = :id", id=ada)
    async with caller(SCOPES) as http:
        path = await begin(http, lines({"user_id": str(ada)}, {"user_id": str(uuid7())}))
        await become(http, path, "RUNNING")
        await steps(2)
        shown = (await http.get(path)).json()
    assert (shown["status"], shown["total_skipped"], shown["total_queued"]) == ("COMPLETED", 2, 0)
    assert await query("SELECT error_code FROM notifications WHERE batch_id IS NOT NULL ORDER BY 1") == [
        ("no_address",),
        ("switched_off",),
    ]


@pytest.mark.parametrize(
    ("headers", "body", "status", "told"),
    [
        (NDJSON, people(1) + b'\n{"email": 1}\n{', 422, ["/2", "/3"]),
        (NDJSON, lines({"email": "a@b.example", "user_id": str(uuid7())}), 422, ["/1"]),
        (NDJSON, lines({"phone": "+4930123456"}), 422, ["/1"]),
        (NDJSON, lines({"email": "a@b.example", "variables": {"unknown": 1}}), 422, ["/1"]),
        (NDJSON, lines({"email": "a@b.example", "variables": OWN | {"starts_at": "a\0b"}}), 422, ["/1"]),
        (NDJSON, lines({"email": "a\r\nBcc: c@d.example"}), 422, ["/1"]),
        (NDJSON, b"", 422, []),
        (NDJSON, people(1001), 422, []),
        (CSV, b"email,email\na@b.example,c@d.example\n", 422, []),
        (CSV, b"email,starts_at\na@b.example\n", 422, ["/1"]),
        (CSV, b"\xff\xfe", 422, []),
        ({"Content-Type": "application/json"}, b"{}", 415, []),
    ],
)
async def test_a_chunk_with_a_fault_is_not_taken_and_no_value_is_told(
    caller: "Callers", query: "Query", headers: dict[str, str], body: bytes, status: int, told: list[str]
) -> None:
    async with caller(SCOPES) as http:
        made = await http.post(PATH, json=WANTED)
        path = made.headers["Location"].removeprefix("/notifications/v1")
        answer = await http.put(f"{path}/recipients/1", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert [each["field"] for each in answer.json().get("errors", [])] == told
    assert not any(value in answer.text for value in ("b.example", "d.example", "+49", "2026-12"))
    assert await query("SELECT count(*) FROM batch_recipients") == [(0,)]


async def test_csv_has_its_header_in_each_chunk_and_other_columns_are_variables(
    caller: "Callers", query: "Query"
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(1))
        record = b'"c@example.com",de,"x, y",2026-12-01T02:00:00Z,2026-12-01T03:00:00Z'
        body = b"email,locale,name,starts_at,ends_at\n" + record
        assert (await http.put(f"{path}/recipients/2", content=body, headers=CSV)).status_code == 200
    found = await query("SELECT recipient, locale, variables FROM batch_recipients WHERE position = 2")
    assert found == [("c@example.com", "de", OWN | {"name": "x, y"})]


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


async def test_what_may_follow_what(caller: "Callers", clock: MovableClock, steps: Steps) -> None:
    later = (clock() + timedelta(hours=1)).isoformat()
    async with caller(SCOPES) as http:
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


async def test_a_paused_batch_sends_nothing_and_goes_on_where_it_was(
    caller: "Callers", working: "Working", until: "Until", query: "Query", steps: Steps
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


async def test_what_is_cancelled_is_taken_back(caller: "Callers", query: "Query", steps: Steps) -> None:
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
    caller: "Callers", clock: MovableClock, query: "Query", steps: Steps
) -> None:
    canary = {"canary": {"recipients": 2, "seconds": 60}, "bounced_permille": 100}
    async with caller(SCOPES) as http:
        good, bad = [await begin(http, people(5), **canary) for _ in range(2)]
        for path in (good, bad):
            await become(http, path, "RUNNING")
        await steps(3)
        assert [(await http.get(path)).json()["fed_count"] for path in (good, bad)] == [2, 2]
        await query("UPDATE notifications SET status = 'PROCESSING', processing_at = now()")
        await query("UPDATE notifications SET status = 'SENT', sent_at = now()")
        await query("UPDATE notifications SET status = 'BOUNCED' WHERE batch_id = :id", id=UUID(bad.rpartition("/")[2]))
        clock.advance(seconds=60)
        await steps()
        assert (await http.get(good)).json()["fed_count"] == 5
        stopped = (await http.get(bad)).json()
    assert (stopped["status"], stopped["fed_count"]) == ("PAUSED", 2)
    assert stopped["reason"] == "2 of 2 came back: more than 100 of a thousand."


async def test_complaints_are_counted_against_their_batch(
    caller: "Callers", database: Database, query: "Query", steps: Steps
) -> None:
    async with caller(SCOPES) as http:
        path = await begin(http, people(2))
        await become(http, path, "RUNNING")
        await steps()
        await query("UPDATE notifications SET provider = 'ses', provider_message_id = recipient")
        ((one,),) = await query("SELECT id FROM notifications WHERE recipient = 'p0@example.com'")
        async with database.transaction() as transaction:
            await note_complaint(transaction, one, None)
            await note_complaint(transaction, None, ("ses", "p1@example.com"))
            await note_complaint(transaction, None, ("postmark", "p1@example.com"))
            await note_complaint(transaction, uuid7(), None)
        assert (await http.get(path)).json()["total_complained"] == 2


def test_shares_of_few_say_nothing() -> None:
    limits = Limits(50, 3, None)
    assert why_stop(Counts(sent=5, bounced=5), 0, limits) is None
    assert why_stop(Counts(sent=95, bounced=5), 0, limits) is None
    assert why_stop(Counts(sent=94, bounced=6), 0, limits) is not None
    assert why_stop(Counts(sent=1000), 3, limits) is None
    assert why_stop(Counts(sent=1000), 4, limits) is not None
    assert why_stop(Counts(sent=1000, bounced=500), 500, Limits(None, None, None)) is None


async def test_a_template_that_is_put_away_ends_the_batch_and_says_so(
    caller: "Callers", query: "Query", steps: Steps
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
    caller: "Callers", database: Database, desk: "Desk", clock: MovableClock, query: "Query", steps: Steps
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


async def test_whoever_is_killed_while_making_messages_makes_none_twice(
    caller: "Callers", database: Database, desk: "Desk", clock: MovableClock, query: "Query"
) -> None:
    """Several workers, each of which dies now and then at the end of a step, before the commit."""
    async with caller(SCOPES) as http:
        path = await begin(http, people(60), rate_per_second=10)
        await become(http, path, "RUNNING")
        deaths, dice = 0, random.Random(7)

        async def work() -> None:
            nonlocal deaths
            for _ in range(200):
                try:
                    async with database.transaction() as transaction:
                        batch = await store.due(transaction.connection, clock())
                        if batch is not None:
                            await step(transaction, desk, batch, clock())
                            if dice.random() < 0.3:
                                raise ConnectionResetError
                except ConnectionResetError:
                    deaths += 1
                clock.advance(seconds=1)
                if await query("SELECT count(*) FROM batch_recipients") == [(0,)]:
                    return

        await asyncio.gather(*(work() for _ in range(3)))
        assert deaths > 2
        assert (await http.get(path)).json()["fed_count"] == 60
    assert await query("SELECT count(*), count(DISTINCT recipient) FROM notifications") == [(60, 60)]
    assert await query("SELECT count(*) FROM notification_queue") == [(60,)]
