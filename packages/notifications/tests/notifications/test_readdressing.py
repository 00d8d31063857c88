"""What waits for a user goes to where the user is reached when it leaves."""

from typing import TYPE_CHECKING

from packages.notifications.tests.notifications.test_sending import NIGHT, at, message, quiet

from orion_contracts.events import EmailChanged, EmailVerified, PhoneChanged
from orion_core.testing import MovableClock

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import AuthFeed, Callers, Query


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
