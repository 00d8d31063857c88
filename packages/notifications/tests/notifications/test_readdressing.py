"""What waits for a user goes to where the user is reached when it leaves."""

from datetime import timedelta
from typing import TYPE_CHECKING

from packages.notifications.tests.notifications.test_sending import NIGHT, at, message, quiet

from orion_contracts.events import EmailChanged, EmailVerified, PhoneChanged
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query, Until, Working


async def test_what_was_put_off_does_not_go_to_an_address_that_its_user_has_left(
    caller: "Callers", auth: "AuthFeed", query: "Query", clock: MovableClock
) -> None:
    ada = await auth.register()
    await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
    await auth.bring(PhoneChanged(user_id=ada, phone="+4915112345678", changed_at=auth.clock()))
    await quiet(query, ada)
    at(clock, NIGHT)
    body = message(ada, type="shop.news", channels=["EMAIL", "SMS"])
    async with caller("operator") as operator:
        later = [each["id"] for each in (await operator.post("/notifications", json=body)).json()["notifications"]]
        nobodys = message(type="shop.news", scheduled_at="2026-11-28T12:00:00Z") | {"to": {"email": "ada@example.com"}}
        assert (await operator.post("/notifications", json=nobodys)).status_code == 202
        assert len(later) == 2
    now = auth.clock()
    await auth.bring(EmailChanged(user_id=ada, email="new@example.com", previous="ada@example.com", changed_at=now))
    phones = ("+4915187654321", "+4915112345678")
    await auth.bring(PhoneChanged(user_id=ada, phone=phones[0], previous=phones[1], changed_at=now))
    waiting = "SELECT recipient FROM notifications WHERE type = 'shop.news' ORDER BY recipient"
    assert await query(waiting) == [("+4915187654321",), ("ada@example.com",), ("new@example.com",)]
    told = "SELECT count(*) FROM notifications WHERE recipient = 'ada@example.com' AND type <> 'shop.news'"
    assert (await query(told))[0][0] > 0, "that the address has changed is told to the old one"


async def test_what_was_tried_goes_to_the_new_address_and_by_a_number_that_is_gone_nothing_goes(
    caller: "Callers", auth: "AuthFeed", query: "Query", working: "Working", until: "Until", clock: MovableClock
) -> None:
    """A warning (SECURITY) keeps its address: whoever takes an account over changes the address first."""
    ada = await auth.register()
    await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", verified_at=auth.clock()))
    await auth.bring(PhoneChanged(user_id=ada, phone="+4915112345678", changed_at=auth.clock()))
    later = (clock() + timedelta(hours=1)).isoformat()
    async with caller("operator") as operator:
        for category in ("ACCOUNT", "SECURITY"):
            body = message(ada, type="shop.news", channels=["EMAIL", "SMS"], scheduled_at=later, category=category)
            assert (await operator.post("/notifications", json=body)).status_code == 202
    await query("UPDATE notifications SET attempts = 1 WHERE type = 'shop.news' AND channel = 'EMAIL'")
    now = auth.clock()
    await auth.bring(EmailChanged(user_id=ada, email="new@example.com", previous="ada@example.com", changed_at=now))
    await auth.bring(PhoneChanged(user_id=ada, previous="+4915112345678", changed_at=now))
    waiting = "SELECT category::text, recipient FROM notifications WHERE type = 'shop.news' ORDER BY 1, channel, 2"
    kept = [("SECURITY", "ada@example.com"), ("SECURITY", "+4915112345678")]
    assert await query(waiting) == [("ACCOUNT", "new@example.com"), ("ACCOUNT", None), *kept]

    await auth.bring(PhoneChanged(user_id=ada, phone="+4915187654321", changed_at=now))
    assert await query(waiting) == [("ACCOUNT", "new@example.com"), ("ACCOUNT", "+4915187654321"), *kept]
    await auth.bring(PhoneChanged(user_id=ada, previous="+4915187654321", changed_at=now))
    await query("UPDATE notification_queue SET due_at = now()")
    of_sms = "SELECT status::text, error_code, attempts FROM notifications WHERE recipient IS NULL AND channel = 'SMS'"

    async def has_ended() -> bool:
        return await query(of_sms) == [("REJECTED", "no_address", 0)]

    async with working():
        await until(has_ended)
