"""The thread: from auth's events to the mail in the mailbox and the message in the inbox."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from orion_contracts.events import EmailChanged, EmailVerificationRequested, EmailVerified, PhoneChanged
from orion_core.events.follow import EventFailedError
from orion_core.local.mailbox import Mailbox
from orion_core.sealing import Keyring, SealError
from orion_notifications.event_rules.facts import minutes_between

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Query, Until, Working

LINK = "https://auth.example/verifications/l1nk?a=1&b=2"


async def test_registering_verifying_and_being_welcomed(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    user_id = await auth.register(name="Ada Lovelace")
    await auth.bring(auth.verification(user_id))
    assert await query("SELECT type, channel, priority, status, locale FROM notifications ORDER BY id") == [
        ("account.welcome", "IN_APP", "NORMAL", "QUEUED", "de"),
        ("account.email_verification", "EMAIL", "HIGH", "QUEUED", "de"),
    ]
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
        await auth.bring(EmailVerified(user_id=user_id, email="ada@example.com", verified_at=auth.clock()))
        _, welcome = await mailbox.wait_for("ada@example.com", count=2)
    assert mail.subject == "Bestätigen Sie Ihre E-Mail-Adresse für Orion"
    assert "482913" in mail.text
    assert LINK in mail.text
    assert LINK.replace("&", "&amp;") in mail.html
    assert "Guten Tag Ada Lovelace," in welcome.text
    offers = [each.header("List-Unsubscribe") is not None for each in (mail, welcome)]
    assert offers == [False, True], "of what protects an account nobody unsubscribes"
    assert await query("SELECT type, channel, status FROM notifications ORDER BY id") == [
        ("account.welcome", "IN_APP", "DELIVERED"),
        ("account.email_verification", "EMAIL", "SENT"),
        ("account.welcome", "EMAIL", "SENT"),
    ]


async def test_no_secret_is_ever_stored_in_the_clear(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    await auth.bring(auth.verification(await auth.register()))
    await _assert_no_secret(query)
    async with working():
        await mailbox.wait_for("ada@example.com")
    await _assert_no_secret(query)
    ((content, html),) = await query("SELECT content, html_content FROM notifications WHERE channel = 'EMAIL'")
    assert "••••••" in content
    assert "••••••" in html


async def _assert_no_secret(query: "Query") -> None:
    for table in ("notifications", "delivery_attempts", "notification_queue", "notification_keys", "outbox", "inbox"):
        rows = await query(f"SELECT t::text FROM {table} t")
        assert not any("482913" in row or "l1nk" in row for (row,) in rows), table


async def test_a_stranger_is_not_sent_what_somebody_else_typed(
    auth: "AuthFeed", working: "Working", mailbox: Mailbox
) -> None:
    """The address is not verified, so it may be anybody's; the name could be an advertisement."""
    await auth.bring(auth.verification(await auth.register(name="Visit spam.example now")))
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert b"spam.example" not in mail.source


async def test_an_event_that_comes_again_changes_nothing(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    event = auth.verification(user_id)
    (envelope,) = await auth.bring(event)
    await auth.follower().apply(auth.at, [envelope], auth.at + 1)
    auth.at += 1
    await auth.bring(event)
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(1,)]
    assert await query("SELECT count(*) FROM notification_queue") == [(2,)]


async def test_a_language_without_translation_falls_back(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox
) -> None:
    user_id = await auth.register(locale="sw-KE")
    await auth.bring(auth.verification(user_id, locale="fr-CA"))
    assert await query("SELECT channel, locale FROM notifications ORDER BY id") == [("IN_APP", "en"), ("EMAIL", "fr")]
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert mail.subject.startswith("Confirmez")


async def test_a_request_that_comes_too_late_sends_nothing(auth: "AuthFeed", query: "Query") -> None:
    event = auth.verification(await auth.register(), minutes=1)
    auth.clock.advance(minutes=2)
    await auth.bring(event)
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(0,)]


async def test_secrets_sealed_for_somebody_else_hold_up_the_feed(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    place = EmailVerificationRequested.associated_data(user_id)
    foreign = Keyring.parse(Keyring.new_key("other")).seal_text("{}", place)
    with pytest.raises(EventFailedError) as failed:
        await auth.bring(auth.verification(user_id).model_copy(update={"secrets": foreign}))
    assert isinstance(failed.value.__cause__, SealError)
    assert await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL'") == [(0,)]


async def test_a_template_that_is_switched_off_silences_only_itself(auth: "AuthFeed", query: "Query") -> None:
    await query("UPDATE templates SET is_active = false WHERE name = 'welcome_in_app'")
    user_id = await auth.register()
    await auth.bring(auth.verification(user_id))
    assert await query("SELECT channel FROM notifications") == [("EMAIL",)]
    assert await query("SELECT count(*) FROM notification_keys") == [(1,)]


async def test_what_a_user_has_switched_off_is_recorded_and_not_sent(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    await query("UPDATE user_preferences SET email_enabled = false")
    await auth.bring(auth.verification(user_id))
    await auth.bring(EmailVerified(user_id=user_id, email="ada@example.com", verified_at=auth.clock()))
    assert await query(
        "SELECT category, status, error_code FROM notifications WHERE channel = 'EMAIL' ORDER BY id"
    ) == [
        ("SECURITY", "QUEUED", None),
        ("ACCOUNT", "REJECTED", "switched_off"),
    ]


async def test_a_changed_address_is_where_the_user_is_reached(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register("ada@example.com")
    event = EmailChanged(user_id=user_id, email="new@example.com", previous="ada@example.com", changed_at=auth.clock())
    await auth.bring(event)
    assert await query("SELECT email, email_verified_at FROM user_preferences") == [
        ("new@example.com", event.changed_at)
    ]


async def test_a_changed_number_is_where_the_user_is_reached_until_it_is_taken_away(
    auth: "AuthFeed", query: "Query"
) -> None:
    user_id = await auth.register("ada@example.com")
    for phone in ("+4791234567", None):
        await auth.bring(PhoneChanged(user_id=user_id, phone=phone, changed_at=auth.clock()))
        assert await query("SELECT phone FROM user_preferences") == [(phone,)]


async def test_registering_again_keeps_the_switches(auth: "AuthFeed", query: "Query") -> None:
    """A feed that is read from the beginning again brings the same facts, and not the first day's preferences."""
    await auth.register("ada@example.com")
    ((user_id,),) = await query("SELECT user_id FROM user_preferences")
    await query("UPDATE user_preferences SET email_enabled = false")
    await auth.register("new@example.com", user_id=str(user_id), locale="ja")
    assert await query("SELECT email, locale, email_enabled FROM user_preferences") == [
        ("new@example.com", "ja", False)
    ]


def test_there_is_always_a_minute_left() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert minutes_between(noon, noon + timedelta(minutes=30, seconds=49)) == 30
    for heard_after, told in ((0, 60), (1, 60), (9, 60), (11, 59)):
        assert minutes_between(noon, noon + timedelta(hours=1) - timedelta(seconds=heard_after)) == told
    assert minutes_between(noon, noon + timedelta(seconds=5)) == 1


async def test_a_zone_that_nobody_knows_does_not_cost_the_mail(
    auth: "AuthFeed", working: "Working", mailbox: Mailbox
) -> None:
    await auth.bring(auth.verification(await auth.register(timezone="Mars/Olympus_Mons", locale="x-klingon")))
    async with working():
        (mail,) = await mailbox.wait_for("ada@example.com")
    assert "482913" in mail.text
