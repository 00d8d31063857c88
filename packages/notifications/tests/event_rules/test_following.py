"""Rules in the database, followed by the feeds."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy.exc import IntegrityError

from orion_contracts.user_events import UserReinstated, UserSuspended
from orion_core.database import Database
from orion_core.events.follow import EventFailedError
from orion_core.ids import uuid7
from orion_core.metrics import REGISTRY
from orion_core.sealing import place
from orion_notifications.event_rules.actions import RulesMissingError
from orion_notifications.notifications.sending import send_next
from orion_notifications.service import service

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Query, UserFeed

    from orion_notifications.desk import Desk

TOLD = "SELECT user_id, recipient, channel::text FROM notifications WHERE type = 'ops.suspended' ORDER BY id"
VARIABLES = {"name": {"fact": "by"}, "product_name": {"fact": "product_name"}}


def suspended(user: "UserFeed", user_id: UUID | None = None, by: str = "root") -> UserSuspended:
    return UserSuspended(user_id=user_id or uuid7(), by=by, suspended_at=user.clock())


def failures_counted() -> float:
    return REGISTRY.get_sample_value("orion_notification_rules_failed_total", {"rule": "a_condition"}) or 0


async def add_rule(query: "Query", name: str = "tell", **other: Any) -> None:
    values: dict[str, Any] = {
        "name": name,
        "event_type": UserSuspended.type,
        "type": "ops.suspended",
        "template": "welcome_in_app",
        "channels": ["IN_APP"],
        "user_fact": "user_id",
        "variables": VARIABLES,
    } | other
    kept = {key: orjson.dumps(value).decode() if isinstance(value, dict) else value for key, value in values.items()}
    casts = {"variables": "jsonb", "address": "jsonb", "opened_variables": "jsonb", "channels": "channel[]"}
    casts |= {"channel_rule": "channel_rule"}
    marks = ", ".join(f"CAST(:{key} AS {casts.get(key, 'varchar')})" for key in kept)
    await query(f"INSERT INTO notification_rules ({', '.join(kept)}) VALUES ({marks})", **kept)


async def test_events_wait_for_rules_that_are_not_seeded_yet(auth: "AuthFeed", owner: Database, query: "Query") -> None:
    user_id = await auth.register()
    await query("DELETE FROM notification_rules WHERE name = 'orion.email_verification'")
    event = auth.verification(user_id)
    with pytest.raises(EventFailedError) as failed:
        await auth.bring(event)
    assert isinstance(failed.value.__cause__, RulesMissingError)
    assert "orion.email_verification: seed the database" in str(failed.value.__cause__)
    await auth.register("bob@example.com")  # what has its rules goes on
    async with owner.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
    await auth.bring(event)
    assert await query("SELECT recipient FROM notifications WHERE channel = 'EMAIL'") == [("ada@example.com",)]


async def test_a_rule_counts_from_the_next_event_on_whatever_was_read_before(user: "UserFeed", query: "Query") -> None:
    follower, ada = user.follower(), uuid7()
    user.follower = lambda: follower  # one that has heard of the event before
    counted: list[int] = []

    async def told(*events: UserSuspended | UserReinstated) -> None:
        await user.bring(*events)
        counted.append(len(await query(TOLD)))

    await told(suspended(user, ada))
    await add_rule(query, condition='context.by != "robot"')
    await told(suspended(user, ada), suspended(user, ada, by="robot"))
    await told(UserReinstated(user_id=ada, by="root", reinstated_at=user.clock()))
    await query("UPDATE notification_rules SET condition = 'context.by == \"robot\"' WHERE name = 'tell'")
    await told(suspended(user, ada), suspended(user, ada, by="robot"), suspended(user, ada, by="robot"))
    await query("UPDATE notification_rules SET condition = NULL, once_per = 'of {user_id}' WHERE name = 'tell'")
    await told(suspended(user, ada), suspended(user, ada), suspended(user))
    await query("UPDATE notification_rules SET is_active = false WHERE name = 'tell'")
    await told(suspended(user))
    await query("UPDATE notification_rules SET is_active = true, deleted_at = now() WHERE name = 'tell'")
    await told(suspended(user))
    assert counted == [0, 1, 1, 3, 5, 5, 5]


async def test_rules_that_fail_stop_neither_the_feed_nor_others_and_say_why(user: "UserFeed", query: "Query") -> None:
    await add_rule(query, "a_condition", condition="context.by > 1")
    await add_rule(query, "b_template", template="nowhere")
    await add_rule(query, "c_variables", variables={"name": {"value": "x"}})
    await add_rule(query, "d_value", variables=VARIABLES | {"name": {"value": 7}})
    upper = {"value": "OPS@example.com"}  # the table takes lower case alone
    email = {"app_url": {"fact": "app_url"}, "support_url": {"fact": "support_url"}}
    await add_rule(
        query, "e_database", template="welcome", channels=["EMAIL"], address=upper, variables=VARIABLES | email
    )
    await add_rule(query, "f_fine")
    before = failures_counted()
    await user.bring(suspended(user, by="private"), suspended(user, by="private"))
    assert failures_counted() == before + 2
    assert len(await query(TOLD)) == 2
    assert len(await query("SELECT notification_id FROM notification_queue")) == 2
    rows = await query(
        "SELECT name, failures, last_error, last_error_at FROM notification_rules WHERE NOT is_system ORDER BY name"
    )
    assert [(name, failures) for name, failures, _, _ in rows] == [
        ("a_condition", 2),
        ("b_template", 2),
        ("c_variables", 2),
        ("d_value", 2),
        ("e_database", 2),
        ("f_fine", 0),
    ]
    errors = {name: error for name, _, error, _ in rows}
    assert {rows[0][3]} == {user.clock()}
    for name, said in (
        ("a_condition", "it cannot be decided"),
        ("b_template", "no active template 'nowhere'"),
        ("c_variables", "missing or unknown: product_name"),
        ("d_value", "/variables/name"),
        ("e_database", "what it gives is not taken (IntegrityError)"),
    ):
        assert said in errors[name] and "private" not in errors[name]


async def test_secrets_go_to_no_rule_but_ours_and_into_no_template_that_would_keep_them(
    auth: "AuthFeed", query: "Query"
) -> None:
    with pytest.raises(IntegrityError, match="secrets_of_ours"):
        await add_rule(query, opened_variables={"name": "code"})
    with pytest.raises(IntegrityError, match="ck_notification_rules_name"):
        await add_rule(query, "orion.mine")
    ours = "UPDATE notification_rules SET {} WHERE name = 'orion.password_reset_email'"
    for change, broken in (
        ("is_active = false", "secrets_go_one_way"),
        ("channel_rule = 'FIRST'", "secrets_go_one_way"),
        ("deleted_at = now()", "ck_notification_rules_system"),
    ):
        with pytest.raises(IntegrityError, match=broken):
            await query(ours.format(change))
    await add_rule(
        query, event_type="orion.auth.email.verification_requested.v1", variables=VARIABLES | {"name": {"fact": "code"}}
    )
    await query(
        "UPDATE templates SET variables = variables #- '{properties,code,x-secret}' WHERE name = 'email_verification'"
    )
    await auth.bring(auth.verification(await auth.register()))
    assert await query("SELECT channel FROM notifications") == [("IN_APP",)]  # the welcome
    assert await query("SELECT name, last_error FROM notification_rules WHERE failures > 0 ORDER BY name") == [
        ("orion.email_verification", "template email_verification does not keep secret: code"),
        ("tell", "the event does not tell code"),
    ]


async def test_a_rule_through_one_channel_after_the_other_goes_on_as_a_sent_message_does(
    user: "UserFeed", auth: "AuthFeed", desk: "Desk", query: "Query"
) -> None:
    ada = await auth.register()
    await query("UPDATE templates SET name = 'both' WHERE name = 'welcome_in_app'")
    await query("UPDATE templates SET name = 'both', variables = '{}' WHERE name = 'two_factor_sms'")
    await query("UPDATE user_preferences SET phone = '+4930123456'")
    await query("""UPDATE templates SET variables = '{"properties": {"name": {}}}' WHERE name = 'both'""")
    await add_rule(
        query,
        template="both",
        channels=["IN_APP", "SMS"],
        channel_rule="ESCALATE",
        once_per="{user_id}",
        variables={"name": {"fact": "by"}},
    )
    await user.bring(suspended(user, ada), suspended(user, ada))
    assert await query(TOLD) == [(ada, None, "IN_APP")]
    ((sealed, escalation),) = await query("SELECT sealed_message, id FROM escalations")
    body = orjson.loads(desk.keyring.open(sealed, place("escalations", "sealed_message", escalation)))
    async with user.database.transaction() as transaction:
        sent = await send_next(desk, transaction, body["message"], body["caller"], "SMS", user.clock())
    assert sent is not None
    assert await query(TOLD) == [(ada, None, "IN_APP"), (ada, "+4930123456", "SMS")]
    keys = await query("SELECT key FROM notification_keys WHERE key LIKE 'rule:%' ORDER BY key")
    ((rule_id,),) = await query("SELECT id FROM notification_rules WHERE name = 'tell'")
    assert keys == [(f"rule:{rule_id}:{ada}:{channel}",) for channel in ("IN_APP", "SMS")]
