"""Rules over HTTP: written, tried without sending, changed, put away; and refused when they could never be followed."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orion_contracts.user_events import UserSuspended
from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Query, Served, UserFeed

PATH = "/notifications/v1/rules"
RIGHTS = {f"notification_rule:{what}" for what in ("read", "create", "update", "delete")}
NEW: dict[str, Any] = {
    "name": "tell_of_suspensions",
    "event_type": UserSuspended.type,
    "condition": 'context.by != "robot"',
    "type": "ops.suspended",
    "template": "welcome_in_app",
    "channels": ["IN_APP"],
    "user_fact": "user_id",
    "variables": {"name": {"fact": "by", "default": "?"}, "product_name": {"fact": "product_name"}},
    "once_per": "{user_id}",
}
MAIL = {"template": "welcome", "channels": ["EMAIL"], "user_fact": None, "address": {"value": "ops@example.com"}}
AUDITED = """
    SELECT data->>'action', data->'old'->>'condition', data->'new'->>'condition' FROM outbox
    WHERE type LIKE 'orion.notifications.audit%' ORDER BY sequence
"""


async def test_a_rule_is_made_tried_changed_and_put_away(
    served: "Served", auth: "AuthFeed", user: "UserFeed", query: "Query"
) -> None:
    served.allowed |= RIGHTS
    ada = await auth.register(name="Ada Secret")
    sent = "SELECT count(*) FROM notifications WHERE type = 'ops.suspended'"
    async with served.client(ada) as http:
        made = await http.post(PATH, json=NEW)
        assert made.status_code == 201, made.text
        path = made.headers["Location"]
        assert path == f"{PATH}/{made.json()['id']}"
        assert made.json()["channels"] == ["IN_APP"] and made.json()["is_system"] is False
        assert (await http.post(PATH, json=NEW)).json()["code"] == "name_taken"
        read = await http.get(path)
        assert (read.json(), read.headers["ETag"]) == (made.json(), made.headers["ETag"])

        event = {"user_id": str(ada), "by": "root", "suspended_at": "2026-01-01T00:00:00Z"}
        tried = (await http.post(f"{PATH}/simulate", json={"event_type": UserSuspended.type, "data": event})).json()
        (rule,) = tried["rules"]
        assert (rule["name"], rule["outcome"], rule["reason"]) == (NEW["name"], "APPLIES", None)
        (message,) = rule["messages"]
        assert message["variables"] == {"name": "root", "product_name": "Orion"}
        assert message["judgement"]["outcome"] == "SEND"
        robot = {"event_type": UserSuspended.type, "data": event | {"by": "robot"}}
        assert (await http.post(f"{PATH}/simulate", json=robot)).json()["rules"][0]["outcome"] == "DOES_NOT_APPLY"
        assert await query(sent) == [(0,)]

        told = UserSuspended.model_validate(event)
        await user.bring(told, told)
        assert await query(sent) == [(1,)]

        await query("UPDATE templates SET is_active = false WHERE name = 'welcome_in_app'")
        await user.bring(told.model_copy(update={"user_id": uuid7()}))
        failing = (await http.get(path)).json()
        assert (failing["failures"], failing["last_error"][:18]) == (1, "no active template")
        await query("UPDATE templates SET is_active = true WHERE name = 'welcome_in_app'")
        unmatched = await http.patch(path, json={"condition": None})
        stale = await http.patch(path, json={"condition": None}, headers={"If-Match": '"x"'})
        assert (unmatched.status_code, stale.status_code) == (428, 412)
        # That it has failed meanwhile keeps nobody from mending it.
        mended = await http.patch(path, json={"condition": None}, headers={"If-Match": made.headers["ETag"]})
        assert (mended.status_code, mended.json()["condition"], mended.json()["failures"]) == (200, None, 0)

        listed = await http.get(PATH, params={"limit": 1, "event_type": UserSuspended.type})
        assert [each["name"] for each in listed.json()["items"]] == [NEW["name"]]
        first = (await http.get(PATH, params={"limit": 20})).json()
        following = await http.get(PATH, params={"limit": 20, "cursor": first["next"]})
        names = [each["name"] for each in first["items"] + following.json()["items"]]
        assert len(names) == 22 and names == sorted(names)
        assert (await http.delete(path)).status_code == 204
        assert (await http.get(path)).status_code == (await http.delete(path)).status_code == 404
        assert (await http.post(PATH, json=NEW)).status_code == 201, "its name is free"
    assert await query(AUDITED) == [
        ("notification_rule.create", None, NEW["condition"]),
        ("notification_rule.update", NEW["condition"], None),
        ("notification_rule.delete", None, None),
        ("notification_rule.create", None, NEW["condition"]),
    ]


async def test_what_could_never_be_followed_is_refused_by_the_field_that_is_wrong(
    served: "Served", query: "Query"
) -> None:
    served.allowed |= RIGHTS
    await query("UPDATE templates SET category = 'MARKETING' WHERE name = 'welcome'")
    mail_variables = {name: {"value": "x"} for name in ("name", "product_name", "app_url", "support_url")}
    mail = MAIL | {"variables": mail_variables}
    notice = {"event_type": "orion.auth.security.notice_raised.v1", "condition": None}
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"event_type": "orion.auth.audit.recorded.v1"}, "/event_type", "unknown_event_type"),
        ({"event_type": "orion.user.invitation.expired.v1"}, "/event_type", "reserved_event_type"),
        ({"condition": "context.by =="}, "/condition", "invalid_condition"),
        ({"condition": "context.nobody == 1"}, "/condition", "unknown_fact"),
        ({"condition": "subject.level > 1"}, "/condition", "unknown_variable"),
        ({"variables": NEW["variables"] | {"name": {"fact": "secrets"}}}, "/variables/name/fact", "unknown_fact"),
        ({"variables": {"name": {"value": "x"}}}, "/variables", "misfit_variables"),
        ({"variables": NEW["variables"] | {"other": {"value": 1}}}, "/variables", "misfit_variables"),
        ({"variables": {"name": {"value": "x", "fact": "by"}}}, "/variables/name", "invalid_value"),
        ({"template": "nowhere"}, "/template", "unknown_template"),
        ({"channels": ["IN_APP", "PUSH"]}, "/template", "unknown_template"),
        ({"channels": ["IN_APP", "IN_APP"]}, "/channels", "invalid_value"),
        ({"user_fact": None}, "/user_fact", "no_recipient"),
        ({"user_fact": "suspended_at"}, "/user_fact", "no_user"),
        ({"channel_rule": "ESCALATE"}, "/channel_rule", "one_channel"),
        ({"address": {"value": "x"}}, "/address", "not_of_channel"),
        (mail | {"address": {"value": "ops@example.com, all@example.com"}}, "/address/value", "no_address"),
        (mail | {"address": {"fact": "by"}}, "/address/fact", "no_address"),
        ({"once_per": "always"}, "/once_per", "no_fact"),
        ({"once_per": "{user_id} {"}, "/once_per", "no_fact"),
        ({"once_per": "{email}"}, "/once_per", "unknown_fact"),
        (mail | {"priority": "URGENT"}, "/priority", "category_misfit"),
        (mail | notice | {"once_per": None}, "/template", "category_misfit"),
        ({"name": "orion.mine"}, "/name", "wrong_form"),
        ({"is_system": True}, "/is_system", "unknown_field"),
        ({"opened_variables": {"name": "code"}}, "/opened_variables", "unknown_field"),
    ]
    async with served.client(uuid7()) as http:
        for other, field, code in wrong:
            answer = await http.post(PATH, json=NEW | other)
            assert answer.status_code == 422, (other, answer.text)
            assert (field, code) in {(each["field"], each["code"]) for each in answer.json()["errors"]}, answer.text
        made = await http.post(PATH, json=NEW)
        match = {"If-Match": made.headers["ETag"]}
        changed = await http.patch(made.headers["Location"], json={"user_fact": None}, headers=match)
        assert changed.json()["errors"][0]["code"] == "no_recipient"
        unknown: dict[str, Any] = {"event_type": "x", "data": {}}
        assert (await http.post(f"{PATH}/simulate", json=unknown)).status_code == 422
        half = {"event_type": UserSuspended.type, "data": {"by": "private"}}
        refused = await http.post(f"{PATH}/simulate", json=half)
        fields = {each["field"] for each in refused.json()["errors"]}
        assert fields == {"/data/user_id", "/data/suspended_at"} and "private" not in refused.text
    assert await query("SELECT count(*) FROM notification_rules WHERE NOT is_system") == [(1,)]


async def test_orions_own_rules_keep_what_they_say_to_whom_and_what_protects_stays_on(
    served: "Served", auth: "AuthFeed", query: "Query"
) -> None:
    served.allowed |= RIGHTS
    async with served.client(uuid7()) as http:
        items = (await http.get(PATH, params={"limit": 100})).json()["items"]
        ours = {each["name"]: f"{PATH}/{each['id']}" for each in items}

        async def change(name: str, **body: Any) -> tuple[int, str]:
            tag = (await http.get(ours[name])).headers["ETag"]
            answer = await http.patch(ours[name], json=body, headers={"If-Match": tag})
            return answer.status_code, "" if answer.is_success else answer.json()["errors"][0]["code"]

        for name in ("orion.password_reset_email", "orion.security_notice_in_app"):
            assert await change(name, is_active=False) == (422, "rule_protected")
            assert await change(name, address={"value": "eve@example.com"}) == (422, "rule_protected")
            assert (await http.delete(ours[name])).json()["code"] == "rule_protected"
            assert await change(name, priority="URGENT") == (200, "")
        assert await change("orion.welcome_in_app", is_active=False) == (200, "")
        user_id = await auth.register(name="Ada")
        assert await query("SELECT count(*) FROM notifications") == [(0,)]

        event = auth.verification(user_id)
        data = {name: value for name, value in event.data().items() if name != "secrets"}
        tried = (await http.post(f"{PATH}/simulate", json={"event_type": event.type, "data": data})).json()
        (rule,) = tried["rules"]
        assert (rule["name"], rule["outcome"]) == ("orion.email_verification", "APPLIES")
        assert "code" not in rule["messages"][0]["variables"]

        offered = (await http.get(f"{PATH}/events")).json()["items"]
        (suspended,) = [each["facts"] for each in offered if each["type"] == UserSuspended.type]
        assert {"by", "user_id", "user_name", "product_name"} < set(suspended)


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "", "read"),
        ("POST", "", "create"),
        ("GET", "/events", "read"),
        ("POST", "/simulate", "read"),
        ("GET", f"/{UUID(int=7)}", "read"),
        ("PATCH", f"/{UUID(int=7)}", "update"),
        ("DELETE", f"/{UUID(int=7)}", "delete"),
    ],
)
async def test_each_needs_its_own_right(served: "Served", method: str, path: str, right: str) -> None:
    bodies: dict[str, dict[str, Any]] = {"": NEW, "/simulate": {"event_type": "x", "data": {}}}
    body: dict[str, Any] = {"json": bodies.get(path, {})} if method in {"POST", "PATCH"} else {}
    async with served.client(uuid7()) as http:
        served.allowed = RIGHTS - {f"notification_rule:{right}"}
        assert (await http.request(method, PATH + path, **body)).status_code == 403
        served.allowed = {f"notification_rule:{right}"}
        assert (await http.request(method, PATH + path, **body)).status_code != 403
