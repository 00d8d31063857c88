"""Sending over HTTP: taken once, when it may go, and explained."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from orjson import dumps

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.testing import MovableClock
from orion_notifications.decisions.shapes import MOST_KEPT
from orion_notifications.kinds import Channel
from orion_notifications.notifications.actions import UnfitValuesError, accept
from orion_notifications.notifications.rules import Order

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until, Working

    from orion_notifications.desk import Desk

PATH = "/notifications"
NIGHT = "2026-11-27T23:30:00+00:00"


def message(to: object = None, **other: Any) -> dict[str, Any]:
    content = {"subject": "Hello", "text": "Your parcel is on its way."}
    recipient = {"email": "Bob@Example.com"} if to is None else {"user_id": str(to)}
    standard = {"to": recipient, "type": "order.shipped", "channels": ["EMAIL"], "content": content}
    return {**standard, "category": "ACCOUNT", **other}


async def quiet(query: "Query", user_id: UUID, **more: object) -> None:
    """Quiet from 22 to 7 in Berlin, every day."""
    await query(
        "UPDATE user_preferences SET quiet_hours_enabled = true, quiet_hours_start = '22:00', "
        "quiet_hours_end = '07:00', quiet_hours_timezone = :zone WHERE user_id = :id",
        id=user_id,
        zone=more.get("zone", "Europe/Berlin"),
    )


def at(clock: MovableClock, moment: str) -> datetime:
    """Move the clock on to a moment."""
    then = datetime.fromisoformat(moment)
    clock.advance(seconds=(then - clock()).total_seconds())
    return then


async def test_a_message_to_an_address_is_taken_and_arrives(
    caller: "Callers", working: "Working", until: "Until", query: "Query"
) -> None:
    async with caller("key:notification:send") as shop:
        answer = await shop.post(PATH, json=message(ordering_key="bob"))
    assert answer.status_code == 202, answer.text
    assert await query("SELECT ordering_key FROM notification_queue") == [("service:shop:bob",)], "its caller's"
    (sent,) = answer.json()["notifications"]
    assert (sent["outcome"], sent["until"], sent["code"], sent["is_new"]) == ("SEND", None, None, True)

    async def is_sent() -> bool:
        return await query("SELECT status::text FROM notifications WHERE id = :id", id=sent["id"]) == [("SENT",)]

    async with working():
        await until(is_sent)
    assert await query("SELECT recipient, idempotency_key FROM notifications") == [("bob@example.com", None)]


async def test_a_key_sends_once_for_ever_and_is_its_callers(caller: "Callers", clock: MovableClock) -> None:
    async with caller("key:notification:send") as shop, caller("operator") as operator:
        first = (await shop.post(PATH, json=message(idempotency_key="order-1"))).json()["notifications"][0]
        clock.advance(days=400)
        again = (await shop.post(PATH, json=message(idempotency_key="order-1"))).json()["notifications"][0]
        other = (await operator.post(PATH, json=message(idempotency_key="order-1"))).json()["notifications"][0]
    assert (again["id"], again["is_new"]) == (first["id"], False)
    late = message(idempotency_key="order-1", expires_at=(clock() - timedelta(days=1)).isoformat())
    async with caller("key:notification:send") as shop:
        for path, body in ((PATH, late), (f"{PATH}/bulk", {"messages": [late]})):
            assert first["id"] in (await shop.post(path, json=body)).text, "also when it would come too late by now"
    assert other["is_new"]


async def test_a_simulation_says_what_a_key_stands_for_already(caller: "Callers", query: "Query") -> None:
    """To send with it sends nothing, whatever the message would have come to by now."""
    fits, misfits = message(idempotency_key="one"), message(idempotency_key="one", template="nothing", content=None)
    del misfits["category"]
    async with caller("operator") as operator:
        free = (await operator.post(f"{PATH}/simulate", json=fits)).json()["simulated"][0]
        assert (free["judgement"]["outcome"], free["stands_for"]) == ("SEND", None)
        (sent,) = (await operator.post(PATH, json=fits)).json()["notifications"]
        for body in (fits, misfits):
            (real,) = (await operator.post(PATH, json=body)).json()["notifications"]
            taken = (await operator.post(f"{PATH}/simulate", json=body)).json()["simulated"][0]
            assert (real["id"], real["is_new"], real["outcome"]) == (sent["id"], False, None)
            assert (taken["stands_for"], taken["judgement"]) == (sent["id"], None)
    assert await query("SELECT count(*) FROM notifications") == [(1,)]


async def test_who_lacks_the_permission_sends_nothing(caller: "Callers", query: "Query") -> None:
    async with caller("key:notification:read") as reader, caller(None) as nobody:
        assert (await reader.post(PATH, json=message())).json()["code"] == "permission_denied"
        assert (await nobody.post(PATH, json=message())).status_code == 401
    assert await query("SELECT count(*) FROM notifications") == [(0,)]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"to": {"email": "ada@example.com\r\nBcc: all@example.com"}}, "/to/email"),
        ({"to": {"email": "Ada <ada@example.com>"}}, "/to/email"),
        ({"to": {"email": "ada@exam\u200bple.com"}}, "/to/email"),
        ({"to": {"email": "\u202emoc.elpmaxe@ada"}}, "/to/email"),
        ({"to": {"email": "ada@example..com"}}, "/to/email"),
        ({"to": {"email": "\U0003fffd@example.com"}}, "/to/email"),
        ({"to": {"email": "ada@example.com", "phone": "+491701234567"}}, "/to"),
        ({"to": {}}, "/to"),
        ({"channels": ["IN_APP"]}, ""),
        ({"channels": ["SMS"]}, ""),
        ({"channels": ["EMAIL", "EMAIL"]}, "/channels"),
        ({"channels": []}, "/channels"),
        ({"template": "welcome"}, ""),
        ({"content": None}, ""),
        ({"category": None}, ""),
        ({"content": {"subject": "a\nBcc: b", "text": "x"}}, "/content/subject"),
        ({"content": {"text": "x" * 100_001}}, "/content/text"),
        ({"type": "Not A Type"}, "/type"),
        ({"local_time": "25:00"}, "/local_time"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"scheduled_at": "2030-01-02T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"}, ""),
        ({"scheduled_at": "tomorrow"}, "/scheduled_at"),
        ({"scheduled_at": "2999-01-01T00:00:00Z"}, "/scheduled_at"),
        ({"scheduled_at": "9999-12-31T00:00:00Z", "local_time": "09:00"}, "/scheduled_at"),
        ({"variables": {"x": 10**400}}, "/variables"),
        ({"variables": {"x": {"y": [2**64]}}}, "/variables"),
        ({"variables": {"x": "x" * 256_001}}, "/variables"),
        ({"variables": {"x": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}}, "/variables"),
        ({"content": None, "category": None, "template": "no_such"}, "/template"),
        ({"content": None, "category": None, "template": "welcome", "variables": {"x": 1}}, "/variables"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_is_done(
    caller: "Callers", query: "Query", wrong: dict[str, Any], told: str
) -> None:
    async with caller("operator") as operator:
        for path in (PATH, f"{PATH}/simulate"):
            answer = await operator.post(path, json=message() | wrong)
            assert answer.status_code == 422, answer.text
            assert any(error["field"].startswith(told) for error in answer.json()["errors"]), answer.text
    assert await query("SELECT count(*) FROM notifications") == [(0,)]
    assert await query("SELECT count(*) FROM notification_queue") == [(0,)]


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "code": {"type": ["string", "object"], "maxLength": 3, "propertyNames": {"maxLength": 3}, "x-secret": True},
        "lines": {"type": "array", "items": {"type": "object", "propertyNames": {"maxLength": 3}}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "S3CRET"}, "/variables/name"),
        ({"name": 31337}, "/variables/name"),
        ({"name": "Ada", "code": "S3CRET"}, "/variables/code"),
        ({"name": "Ada", "code": {"S3CRET": 1}}, "/variables/code"),
        ({"name": "Ada", "lines": [{"S3CRET": 31337}]}, "/variables/lines/0"),
    ],
)
async def test_a_value_that_does_not_fit_the_template_is_told_of_without_being_told(
    caller: "Callers", query: "Query", wrong: dict[str, Any], field: str
) -> None:
    schema = dumps(SCHEMA).decode()
    await query("UPDATE templates SET variables = CAST(:schema AS jsonb) WHERE name = 'welcome'", schema=schema)
    body = message(content=None, category=None, template="welcome", idempotency_key="once")
    async with caller("operator") as operator:
        for path in (PATH, f"{PATH}/simulate"):
            refused = await operator.post(path, json={**body, "variables": wrong})
            assert refused.status_code == 422
            assert [error["field"] for error in refused.json()["errors"]] == [field]
            assert "S3CRET" not in refused.text
            assert "31337" not in refused.text
        several = [{**body, "variables": wrong}, {**body, "variables": {"name": "Ada"}}]
        bulk = (await operator.post(f"{PATH}/bulk", json={"messages": several})).json()
        assert (bulk["accepted"], bulk["refused"]) == (1, 1), bulk
        assert field in bulk["items"][0]["refused"]["detail"]
        assert "S3CRET" not in str(bulk)
        again = await operator.post(PATH, json={**body, "variables": wrong})
        assert again.json()["notifications"][0]["is_new"] is False, "its key stands for what it was"
    assert await query("SELECT count(*) FROM notifications") == [(1,)]


async def test_values_that_do_not_fit_are_found_before_anything_is_written(
    query: "Query", database: Database, desk: "Desk", clock: MovableClock
) -> None:
    """Whoever goes on with the same transaction, as sending of several does, commits nothing that was refused."""
    await query("UPDATE templates SET variables = CAST(:of AS jsonb) WHERE name = 'welcome'", of=dumps(SCHEMA).decode())
    order = Order(
        key="once",
        type="account.welcome",
        template="welcome",
        channel=Channel.EMAIL,
        user_id=None,
        variables={"name": 31337},
        recipient="a@example.com",
    )
    async with database.transaction() as transaction:
        with pytest.raises(UnfitValuesError):
            await accept(transaction, desk, order, clock(), must_fit=True)
    assert await query("SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM notification_keys)") == [
        (0,)
    ]


async def test_a_schema_that_is_too_strict_keeps_back_nothing_that_auth_asks_for(
    auth: "AuthFeed", query: "Query"
) -> None:
    ada = await auth.register()
    strict = '{"type": "string", "maxLength": 1, "x-secret": true}'
    await query(
        "UPDATE templates SET variables = jsonb_set(variables, '{properties,code}', CAST(:strict AS jsonb)) "
        "WHERE variables -> 'properties' ? 'code'",
        strict=strict,
    )
    await auth.bring(auth.verification(ada))
    rows = "SELECT type, status::text, sealed_variables IS NOT NULL FROM notifications WHERE channel = 'EMAIL'"
    assert ("account.email_verification", "QUEUED", True) in await query(rows)


async def test_what_has_expired_while_it_waited_ends_when_its_user_chooses_anew(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    await quiet(query, ada)
    at(clock, NIGHT)
    async with caller("operator") as operator, caller(ada) as http:
        body = message(ada, expires_at="2026-11-28T05:00:00Z")
        (sent,) = (await operator.post(PATH, json=body)).json()["notifications"]
        at(clock, "2026-11-28T05:30:00+00:00")
        await http.patch("/me/preferences", json={"digest_at": "10:00"})
        found = (await operator.get(f"{PATH}/{sent['id']}")).json()
    assert (found["status"], found["error_code"], found["failed_at"]) == ("EXPIRED", "expired", "2026-11-28T05:30:00Z")
    left = "SELECT count(*) FROM notification_queue WHERE notification_id = :id"
    assert await query(left, id=UUID(sent["id"])) == [(0,)]


async def test_in_quiet_hours_a_message_waits_until_they_are_over_and_is_explained(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    await quiet(query, ada)
    at(clock, NIGHT)
    async with caller("operator") as operator:
        (sent,) = (await operator.post(PATH, json=message(ada))).json()["notifications"]
        assert (sent["outcome"], sent["until"], sent["code"]) == ("DEFER", "2026-11-28T06:00:00Z", "quiet")
        found = (await operator.get(f"{PATH}/{sent['id']}")).json()
        assert (found["status"], found["next_attempt_at"]) == ("QUEUED", "2026-11-28T06:00:00Z")
        assert "until 2026-11-28T07:00:00+01:00" in found["deferred_reason"]
        told = (await operator.get(f"{PATH}/{sent['id']}/explain")).json()
        for passing in ({"priority": "URGENT"}, {"category": "SECURITY"}, {"channels": ["IN_APP"]}):
            (other,) = (await operator.post(PATH, json=message(ada, **passing))).json()["notifications"]
            assert other["outcome"] == "SEND", passing
    (judgement,) = told["judgements"]
    steps = {step["step"]: step for step in judgement["steps"]}
    assert list(steps) == [
        "template",
        "recipient",
        "preference",
        "suppression",
        "quiet_hours",
        "provider",
        "attempt",
    ]
    assert steps["quiet_hours"]["details"] == {
        "zone": "Europe/Berlin",
        "local": "2026-11-28T00:30:00+01:00",
        "until": "2026-11-28T06:00:00Z",
        "until_local": "2026-11-28T07:00:00+01:00",
        "clock_changes": [],
    }
    assert steps["attempt"]["words"] == "Attempt 1 of 8 at 2026-11-28T06:00:00Z."
    assert await query("SELECT due_at FROM notification_queue WHERE notification_id = :id", id=sent["id"]) == [
        (datetime.fromisoformat("2026-11-28T06:00:00Z"),)
    ]


async def test_nine_oclock_is_each_recipients_own(caller: "Callers", auth: "AuthFeed", clock: MovableClock) -> None:
    at(clock, "2026-11-27T12:00:00+00:00")
    users = {
        zone: await auth.register(f"{n}@example.com", timezone=zone)
        for n, zone in enumerate(["Europe/Berlin", "Asia/Tokyo", "America/New_York"])
    }
    until: dict[str, str] = {}
    async with caller("operator") as operator:
        for zone, user_id in users.items():
            (sent,) = (await operator.post(PATH, json=message(user_id, local_time="09:00"))).json()["notifications"]
            until[zone] = sent["until"]
    assert until == {
        "Europe/Berlin": "2026-11-28T08:00:00Z",
        "Asia/Tokyo": "2026-11-28T00:00:00Z",
        "America/New_York": "2026-11-27T14:00:00Z",
    }


async def test_what_waits_can_be_cancelled_and_put_off_but_not_what_has_left(
    caller: "Callers", query: "Query", clock: MovableClock, working: "Working", until: "Until"
) -> None:
    later, much_later = clock() + timedelta(hours=1), clock() + timedelta(hours=5)
    async with caller("operator") as operator:
        (sent,) = (await operator.post(PATH, json=message(scheduled_at=later.isoformat()))).json()["notifications"]
        assert sent["outcome"] == "DEFER"
        url = f"{PATH}/{sent['id']}"
        for far in ("9999-12-31T00:00:00Z", (clock() + timedelta(days=367)).isoformat()):
            refused = await operator.put(f"{url}/schedule", json={"scheduled_at": far})
            assert refused.json()["errors"][0]["field"] == "/scheduled_at"
        moved = await operator.put(f"{url}/schedule", json={"scheduled_at": much_later.isoformat()})
        assert datetime.fromisoformat(moved.json()["next_attempt_at"]) == much_later
        assert await query("SELECT due_at FROM notification_queue") == [(much_later,)]
        cancelled = await operator.post(f"{url}/cancellation")
        assert (cancelled.json()["status"], cancelled.status_code) == ("CANCELLED", 200)
        assert await query("SELECT count(*) FROM notification_queue") == [(0,)]
        for late in (
            await operator.post(f"{url}/cancellation"),
            await operator.put(f"{url}/schedule", json={"scheduled_at": much_later.isoformat()}),
        ):
            assert (late.status_code, late.json()["code"]) == (409, "too_late")
        assert (await operator.post(f"{PATH}/{uuid7()}/cancellation")).status_code == 404

        again = await operator.post(f"{url}/retry")
        assert again.status_code == 202, again.text
        assert (await operator.post(f"{url}/retry")).json()["code"] == "repeated"

        async def is_sent() -> bool:
            return (await operator.get(f"{PATH}/{again.json()['id']}")).json()["status"] == "SENT"

        async with working():
            await until(is_sent)
        assert (await operator.post(f"{PATH}/{again.json()['id']}/retry")).json()["code"] == "not_given_up"
        judged = (await operator.get(f"{url}/explain")).json()["judgements"]
        assert [each["by"] for each in judged] == ["acceptance", "operator"]
        attempts = (await operator.get(f"{PATH}/{again.json()['id']}/explain")).json()["attempts"]
        assert [(each["attempt_number"], each["status"]) for each in attempts] == [(1, "SUCCESS")]


async def test_a_record_keeps_so_many_judgements_however_often_it_is_put_off(
    caller: "Callers", clock: MovableClock
) -> None:
    later = [clock() + timedelta(hours=hours) for hours in range(1, MOST_KEPT + 5)]
    async with caller("operator") as operator:
        body = message(scheduled_at=later[0].isoformat())
        (sent,) = (await operator.post(PATH, json=body)).json()["notifications"]
        for moment in later:
            moved = await operator.put(f"{PATH}/{sent['id']}/schedule", json={"scheduled_at": moment.isoformat()})
            assert moved.status_code == 200
        judged = (await operator.get(f"{PATH}/{sent['id']}/explain")).json()["judgements"]
    assert len(judged) == MOST_KEPT
    assert judged[0]["by"] == "acceptance"
    assert datetime.fromisoformat(judged[-1]["until"]) == later[-1]


async def test_several_in_one_request_are_each_taken_or_refused(caller: "Callers", query: "Query") -> None:
    wrong = {"content": None, "category": None, "template": "no_such"}
    async with caller("operator") as operator:
        answer = (
            await operator.post(f"{PATH}/bulk", json={"messages": [message(), message() | wrong, message()]})
        ).json()
    assert (answer["accepted"], answer["refused"]) == (2, 1)
    assert [item["sent"] is not None for item in answer["items"]] == [True, False, True]
    assert answer["items"][1]["refused"]["code"] == "unknown_template"
    assert await query("SELECT count(*) FROM notification_queue") == [(2,)]


async def test_messages_are_found_by_what_they_are(caller: "Callers", auth: "AuthFeed") -> None:
    ada = await auth.register()
    async with caller("operator") as operator:
        for tags in (["a"], ["a", "b"], []):
            await operator.post(PATH, json=message(ada, tags=tags))
        await operator.post(PATH, json=message())

        async def count(**filters: str) -> int:
            return len((await operator.get(PATH, params=filters)).json()["items"])

        assert await count(user_id=str(ada), channel="EMAIL") == 3
        assert await count(tag="a") == 2
        assert await count(recipient="bob@example.com") == 1
        assert await count(status="SENT") == 0
        page = (await operator.get(PATH, params={"limit": 2, "tag": "a"})).json()
        assert page["next"] is None
        page = (await operator.get(PATH, params={"limit": 2})).json()
        assert (await operator.get(PATH, params={"limit": 2, "cursor": page["next"]})).status_code == 200
        assert (await operator.get(PATH, params={"tag": "a", "cursor": page["next"]})).status_code == 400
