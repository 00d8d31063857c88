"""An account speaks of what it has carried and of nothing else; and what was heard is not heard again."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import pytest
from packages.notifications.tests.callbacks.test_callbacks import (
    ADMIN,
    SETTINGS,
    account,
    event_of,
    sent,
    signed,
    status_of,
    tell,
)

from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock
from orion_notifications.message_tags import notification_of, tag

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query, Served

NAMED = {
    "sendgrid": ("orion_id",),
    "mailgun": ("user-variables", "orion_id"),
    "postmark": ("Metadata", "orion_id"),
    "ses": ("mail", "tags", "orion_id"),
}


def named(event: dict[str, Any], provider: str, name: str) -> dict[str, Any]:
    """The event, about a message of that name."""
    *path, last = NAMED[provider]
    part = event
    for step in path:
        part = part[step]
    part[last] = [name] if provider == "ses" else name
    return event


async def second(served: "Served", provider: str) -> str:
    """Another account with a provider."""
    settings = SETTINGS[provider]
    channel = "SMS" if provider in {"twilio", "vonage"} else "EMAIL"
    wanted = {"channel": channel, "provider": provider, "name": "two", "settings": settings}
    async with served.client(ADMIN) as client:
        return (await client.post("/notifications/v1/providers", json=wanted)).json()["callback_path"]


@pytest.mark.parametrize("provider", list(NAMED))
async def test_an_account_speaks_of_what_it_has_carried_and_of_nobody_elses_address(
    served: "Served", query: "Query", clock: MovableClock, provider: str
) -> None:
    keyring: Keyring = served.application.state.components.desk.keyring
    mine = await account(served, provider)
    others = await second(served, provider)
    id = await sent(query, provider)
    by_mine, by_others = (tag(id, keyring, UUID(path.rpartition("/")[2])) for path in (mine, others))
    for path, name in ((others, by_mine), (others, str(id)), (mine, by_others), (mine, str(id))):
        for verdict in ("BOUNCED", "COMPLAINED"):
            event = named(event_of(provider, verdict, id, clock()), provider, name)
            assert (await tell(served, path, *signed(provider, path, event, clock()))).status_code == 204
    assert await status_of(query, id) == "SENT"
    assert await query("SELECT FROM suppressions") == []
    lying = orjson.dumps(named(event_of(provider, "COMPLAINED", id, clock()), provider, by_mine))
    event = orjson.loads(lying.replace(b"ada@example.com", b"victim@example.com"))
    assert (await tell(served, mine, *signed(provider, mine, event, clock()))).status_code == 204
    silenced = "SELECT reason::text, encode(recipient_hash, 'hex') FROM suppressions"
    ((reason, whose),) = await query(silenced)
    assert reason == "COMPLAINT"
    await query("DELETE FROM suppressions")
    event = named(event_of(provider, "COMPLAINED", id, clock()), provider, by_mine)
    clock.advance(seconds=1)
    assert (await tell(served, mine, *signed(provider, mine, event, clock()))).status_code == 204
    assert [row[1] for row in await query(silenced)] == [whose], "it is the address that the message went to"


async def test_a_token_of_mailgun_is_good_for_one_telling(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    """Its signature covers time and token, and not what it tells: whoever has seen one could tell anything by it."""
    path = await account(served, "mailgun")
    first, victim = await sent(query, "mailgun"), await sent(query, "mailgun")
    body, headers = signed("mailgun", path, event_of("mailgun", "DELIVERED", first, clock()), clock())
    assert (await tell(served, path, body, headers)).status_code == 204
    forged = orjson.loads(body) | {"event-data": event_of("mailgun", "BOUNCED", victim, clock())}
    assert (await tell(served, path, orjson.dumps(forged), headers)).status_code == 204
    assert (await status_of(query, first), await status_of(query, victim)) == ("DELIVERED", "SENT")
    assert await query("SELECT FROM suppressions") == []
    clock.advance(hours=13)
    assert (await tell(served, path, body, headers)).status_code == 401


@pytest.mark.parametrize("provider", ["twilio", "vonage"])
async def test_a_start_that_was_seen_does_not_undo_a_later_stop(
    served: "Served", query: "Query", clock: MovableClock, provider: str
) -> None:
    """Twilio signs no time: whoever has seen a START could send it again for ever."""
    path = await account(served, provider)

    def said(text: str) -> tuple[bytes, dict[str, str]]:
        sid = f"SM{uuid7().hex}"
        event = {"From": "+4915112345678", "Body": text, "MessageSid": sid}
        if provider == "vonage":
            event = {"msisdn": "4915112345678", "text": text, "messageId": sid}
        return signed(provider, path, event, clock())

    start = said("START")
    for told in (said("STOP"), start, said("STOP"), start):
        assert (await tell(served, path, *told)).status_code == 204
    assert await query("SELECT reason::text FROM suppressions") == [("UNSUBSCRIBE",)]
    clock.advance(days=300)
    assert (await tell(served, path, *start)).status_code == (204 if provider == "twilio" else 401)
    assert await query("SELECT reason::text FROM suppressions") == [("UNSUBSCRIBE",)]


@pytest.mark.parametrize("provider", ["twilio", "vonage"])
async def test_a_start_takes_back_what_the_same_account_was_told_alone(
    served: "Served", caller: "Callers", query: "Query", clock: MovableClock, provider: str
) -> None:
    """It names no message: whoever has the key of one account could have numbers written to that said STOP to another.

    Nor by having said STOP in their name, before or after.
    """
    mine, others = await account(served, provider), await second(served, provider)

    async def say(path: str, text: str) -> None:
        event = {"From": "+4915112345678", "Body": text, "MessageSid": f"SM{uuid7().hex}"}
        if provider == "vonage":
            event = {"msisdn": "4915112345678", "text": text, "messageId": uuid7().hex}
        assert (await tell(served, path, *signed(provider, path, event, clock()))).status_code == 204

    silenced = "SELECT reason::text FROM suppressions"
    for said in ("start", "stop start", "start stop start start"):
        await say(mine, "STOP")
        for word in said.split():
            await say(others, word)
        assert await query(silenced) == [("UNSUBSCRIBE",)], said
        await say(mine, "START")
        assert await query(silenced) == [], said
    await say(others, "STOP")
    await say(mine, "STOP")
    await say(others, "START")
    assert await query(silenced) == [("UNSUBSCRIBE",)]
    await query("UPDATE suppressions SET metadata = '{}'")  # as by an operator's hand, or by a link
    for word in ("START", "STOP", "START"):
        await say(mine, word)
    assert await query(silenced) == [("UNSUBSCRIBE",)]
    async with caller("operator") as operator:
        address = {"channel": "SMS", "recipient": "+4915112345678"}
        assert (await operator.post("/suppressions/release", json=address)).status_code == 204
    assert await query(silenced) == []


async def test_twilio_names_a_message_in_the_url_that_it_was_given(
    served: "Served", query: "Query", clock: MovableClock
) -> None:
    keyring: Keyring = served.application.state.components.desk.keyring
    path = await account(served, "twilio")
    id = await sent(query, "twilio")
    at = f"{path}?message={tag(id, keyring, UUID(path.rpartition('/')[2]))}"
    event = event_of("twilio", "DELIVERED", uuid7(), clock())
    assert (await tell(served, at, *signed("twilio", at, event, clock()))).status_code == 204
    assert await status_of(query, id) == "DELIVERED"


def test_a_tag_is_of_one_message_and_one_account() -> None:
    keyring = Keyring.parse(Keyring.new_key("test"))
    message, one, two = uuid7(), uuid7(), uuid7()
    made = tag(message, keyring, one)
    assert notification_of(made, keyring, one) == message
    for text, whose in (
        (made, two),
        (made[:-1] + ("0" if made[-1] != "0" else "1"), one),
        (str(message), one),
        ("", one),
    ):
        assert notification_of(text, keyring, whose) is None
