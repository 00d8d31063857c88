"""What auth asks for really leaves: secrets by mail and SMS, and notices of what happened."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import pytest
from packages.notifications.tests.conftest import EVENT_KEYRING

from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, Purpose, SecurityNoticeRaised
from orion_core.ids import uuid7
from orion_core.local.mailbox import Channel, Mailbox
from orion_notifications.event_rules.delivered import CODE_ALONE, TEMPLATES

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Query, Working

LINK = "https://auth.example/auth/v1/magic-links/l1nk?a=1&b=2"
CODE = "482913"


def message(
    auth: "AuthFeed", user_id: UUID, purpose: Purpose, channel: Literal["EMAIL", "SMS"] = "EMAIL", **other: Any
) -> AccountMessageRequested:
    fields: dict[str, Any] = {
        "user_id": user_id,
        "message_id": uuid7(),
        "purpose": purpose,
        "channel": channel,
        "recipient": "+4915112345678" if channel == "SMS" else "ada@example.com",
        "locale": "en",
        "requested_at": auth.clock(),
        "expires_at": auth.clock() + timedelta(minutes=10),
        "secrets": "",
    }
    secrets = other.pop("opened", MessageSecrets(link=None if channel == "SMS" else LINK, code=CODE))
    event = AccountMessageRequested.model_validate(fields | other)
    sealed = EVENT_KEYRING.seal_text(secrets.model_dump_json(exclude_none=True), event.associated_data())
    return event.model_copy(update={"secrets": sealed})


def notice(auth: "AuthFeed", user_id: UUID, type: str = "device.new", **other: Any) -> SecurityNoticeRaised:
    fields: dict[str, Any] = {
        "user_id": user_id,
        "notice_id": uuid7(),
        "notice": type,
        "email": "ada@example.com",
        "locale": "en",
        "occurred_at": auth.clock(),
        "ip_address": "203.0.113.7",
        "country": "DE",
        "city": "Berlin",
        "device_name": "Firefox on Ubuntu",
    }
    link = other.pop("link", None)
    event = SecurityNoticeRaised.model_validate(fields | other)
    if link is None:
        return event
    place = event.associated_data(event.notice_id, event.user_id)
    sealed = EVENT_KEYRING.seal_text(MessageSecrets(link=link).model_dump_json(exclude_none=True), place)
    return event.model_copy(update={"secrets": sealed})


async def test_every_purpose_by_mail_arrives_with_its_secrets_and_none_is_kept(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    user_id = await auth.register()
    purposes: list[Purpose] = [purpose for purpose, channel in TEMPLATES if channel == "EMAIL"]
    await auth.bring(*(message(auth, user_id, purpose) for purpose in purposes))
    async with working():
        mails = await mailbox.wait_for("ada@example.com", count=len(purposes))
    assert len({mail.subject for mail in mails}) == len(purposes)
    for mail in mails:
        assert CODE in mail.text and CODE in mail.html
        assert CODE not in mail.subject
    assert sum(LINK in mail.text for mail in mails) == len(purposes) - len(CODE_ALONE)
    rows = await query("SELECT category, status, content, html_content FROM notifications WHERE channel = 'EMAIL'")
    assert {(category, status) for category, status, _, _ in rows} == {("SECURITY", "SENT")}
    for _, _, content, html in rows:
        assert "••••••" in content and "••••••" in html
    for table in ("notifications", "delivery_attempts", "notification_queue", "notification_keys", "inbox"):
        assert not [row for (row,) in await query(f"SELECT t::text FROM {table} t") if CODE in row or "l1nk" in row]


async def test_codes_by_sms_arrive_bound_to_the_product_and_none_is_kept(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    user_id = await auth.register()
    purposes: list[Purpose] = [purpose for purpose, channel in TEMPLATES if channel == "SMS"]
    await auth.bring(*(message(auth, user_id, purpose, "SMS") for purpose in purposes))
    async with working():
        texts = await mailbox.wait_for("+4915112345678", Channel.SMS, count=len(purposes))
    assert {text.text.split("\n")[-1] for text in texts} == {f"@app.example #{CODE}"}
    assert await query("SELECT DISTINCT category, status FROM notifications WHERE channel = 'SMS'") == [
        ("SECURITY", "SENT")
    ]
    for table in ("notifications", "delivery_attempts"):
        assert not [row for (row,) in await query(f"SELECT t::text FROM {table} t") if CODE in row]


async def test_the_same_message_asked_for_twice_is_sent_once(auth: "AuthFeed", query: "Query") -> None:
    event = message(auth, await auth.register(), "SIGN_IN")
    await auth.bring(event, event)
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(1,)]
    await auth.bring(message(auth, event.user_id, "SIGN_IN"))
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(2,)]


async def test_a_message_that_comes_too_late_is_dropped(auth: "AuthFeed", query: "Query") -> None:
    event = message(auth, await auth.register(), "PASSWORD_RESET")
    auth.clock.advance(minutes=11)
    await auth.bring(event)
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(0,)]


@pytest.mark.parametrize(
    ("purpose", "channel", "opened"),
    [
        ("INVITATION", "SMS", MessageSecrets(code=CODE)),
        ("TWO_FACTOR_CODE", "SMS", MessageSecrets(link=LINK)),
        ("TWO_FACTOR_CODE", "EMAIL", MessageSecrets(link=LINK)),
        ("SIGN_IN", "EMAIL", MessageSecrets()),
    ],
)
async def test_what_no_template_can_say_holds_up_nothing(
    purpose: Purpose, channel: Literal["EMAIL", "SMS"], opened: MessageSecrets, auth: "AuthFeed", query: "Query"
) -> None:
    await auth.bring(message(auth, await auth.register(), purpose, channel, opened=opened))
    assert await query("SELECT channel FROM notifications") == [("IN_APP",)]


async def test_a_notice_says_what_where_and_on_what_and_its_link_is_kept_sealed(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    user_id = await auth.register()
    await query(
        'UPDATE user_preferences SET email_enabled = false, category_channels = \'{"SECURITY": {"EMAIL": false}}\''
    )
    await auth.bring(notice(auth, user_id, link="https://auth.example/auth/v1/disavowals/s3cret"))
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert mail.subject == "Orion: Your account was used on a new device"
    for said in ("Firefox on Ubuntu", "Berlin, DE", "203.0.113.7", "/disavowals/s3cret"):
        assert said in mail.text and said in mail.html
    ((row,),) = await query("SELECT n::text FROM notifications n WHERE channel = 'EMAIL'")
    assert "s3cret" not in row and "••••••" in row


async def test_a_notice_without_a_link_keeps_none(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    await auth.bring(notice(auth, await auth.register(), "something.unheard_of", ip_address=None, city=None))
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert "Something changed" in mail.subject
    ((content,),) = await query("SELECT content FROM notifications WHERE channel = 'EMAIL'")
    assert "••••••" not in content
    assert content == mail.text.replace("\r\n", "\n")


async def test_a_notice_goes_once_to_each_address(auth: "AuthFeed", query: "Query") -> None:
    event = notice(auth, await auth.register(), "email.changed")
    before = event.model_copy(update={"email": "old@example.com"})
    await auth.bring(event, before, event, before)
    assert await query("SELECT recipient FROM notifications WHERE channel = 'EMAIL' ORDER BY recipient") == [
        ("ada@example.com",),
        ("old@example.com",),
    ]


async def test_a_recovery_is_told_in_the_inbox_too_and_there_once(auth: "AuthFeed", query: "Query") -> None:
    event = notice(auth, await auth.register(), "recovery.requested", link="https://auth.example/auth/v1/recoveries/s3")
    await auth.bring(event, event.model_copy(update={"email": "other@example.com"}))
    assert await query(
        "SELECT channel, count(*) FROM notifications WHERE type = 'account.security_notice' GROUP BY 1 ORDER BY 2"
    ) == [("IN_APP", 1), ("EMAIL", 2)]
