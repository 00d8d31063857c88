"""From the queue through a worker to a provider: accounts of the database, failover, and the mailbox of a developer."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from packages.notifications.tests.conftest import KEYRING
from packages.notifications.tests.delivery.test_pushes import subscribe, web_settings
from packages.notifications.tests.stand_ins import HANG, Provider, Reply

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.local.mailbox import Channel, Mailbox
from orion_notifications.delivery.dispatch import Pace
from orion_notifications.webhooks import actions as webhooks
from orion_notifications.webhooks.actions import Owner
from orion_notifications.webhooks.shapes import NewEndpoint

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served, Until, Working

ADMIN, ADA = uuid7(), uuid7()


async def add_account(served: "Served", **wanted: Any) -> None:
    served.allowed = {"provider:configure"}
    async with served.client(ADMIN) as client:
        made = await client.post("/notifications/v1/providers", json=wanted)
    assert made.status_code == 201, made.text


async def queue_one(query: "Query", channel: str, recipient: str | None) -> Any:
    id = uuid7()
    await query(
        "INSERT INTO notifications (id, user_id, type, category, channel, content, subject, recipient)"
        " VALUES (:id, :user, 'account.welcome', 'ACCOUNT', CAST(:channel AS channel), 'Guten Tag', 'Grüße', :to)",
        id=id,
        user=ADA,
        channel=channel,
        to=recipient,
    )
    await query(
        "INSERT INTO notification_queue (notification_id, priority, due_at) VALUES (:id, 'NORMAL', now())", id=id
    )
    return id


async def test_a_second_provider_carries_what_the_first_cannot(
    served: "Served", working: "Working", query: "Query", until: "Until", provider: Provider, mailbox: Mailbox
) -> None:
    provider.replies = [Reply(503)]
    sender = {"sender": "Orion <no-reply@orion.example>"}
    settings = sender | {"api_key": "k", "base_url": provider.url}
    await add_account(served, channel="EMAIL", provider="sendgrid", name="first", settings=settings)
    smtp = sender | {"host": "127.0.0.1", "port": mailbox.smtp_port, "bounce_domain": "b.orion.example"}
    await add_account(served, channel="EMAIL", provider="smtp", name="second", settings=smtp, weight=0)
    async with working():
        id = await queue_one(query, "EMAIL", "ada@example.com")
        (mail,) = await mailbox.wait_for("ada@example.com")

        async def is_sent() -> bool:
            return (await query("SELECT status::text FROM notifications WHERE id = :id", id=id)) == [("SENT",)]

        await until(is_sent)
    assert mail.sender.endswith("@b.orion.example")
    assert len(provider.asked) == 1
    assert await query("SELECT provider, attempts FROM notifications") == [("smtp", 1)]


async def test_what_a_provider_may_have_taken_is_tried_again_and_not_elsewhere(
    served: "Served", working: "Working", query: "Query", until: "Until", provider: Provider, mailbox: Mailbox
) -> None:
    provider.replies = [Reply(502), Reply(202, headers={"X-Message-Id": "1"})]
    sender = {"sender": "Orion <no-reply@orion.example>"}
    settings = sender | {"api_key": "k", "base_url": provider.url}
    await add_account(served, channel="EMAIL", provider="sendgrid", name="first", settings=settings)
    smtp = sender | {"host": "127.0.0.1", "port": mailbox.smtp_port}
    await add_account(served, channel="EMAIL", provider="smtp", name="second", settings=smtp, weight=0)
    async with working():
        await queue_one(query, "EMAIL", "ada@example.com")

        async def is_sent() -> bool:
            await query("UPDATE notification_queue SET due_at = now()")
            return (await query("SELECT status::text FROM notifications")) == [("SENT",)]

        await until(is_sent)
    assert len(provider.asked) == 2
    assert len(mailbox.box) == 0
    rows = await query("SELECT status::text, error_code FROM delivery_attempts ORDER BY id")
    assert rows == [("FAILURE", "sendgrid_502"), ("SUCCESS", None)]


@pytest.mark.parametrize("channel", ["PUSH", "WEBHOOK"])
async def test_who_hangs_at_an_address_that_users_name_takes_no_connection_from_a_provider(
    served: "Served",
    working: "Working",
    database: Database,
    query: "Query",
    until: "Until",
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    channel: str,
) -> None:
    def one_connection(network: httpcore.AsyncNetworkBackend, **_: object) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(max_connections=1, network_backend=network)

    monkeypatch.setattr("orion_core.outbound._pool", one_connection)
    await add_account(served, channel="PUSH", provider="web_push", name="browsers", settings=web_settings())
    await add_account(served, channel="SMS", provider="http_sms", name="texts", settings={"url": provider.url})
    hanging = Provider([HANG])
    async with await asyncio.start_server(hanging.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if channel == "PUSH":
            await subscribe(database, KEYRING, url, ADA)
        else:
            owner = Owner(database, KEYRING, ADA, system_clock(), local=True)
            await webhooks.create(owner, NewEndpoint(url=url, description=""))
        async with working(Pace(poll_seconds=0.05, stop_seconds=0.1, give_back_seconds=0.1)):
            await queue_one(query, channel, None)

            async def is_asked() -> bool:
                return bool(hanging.asked)

            await until(is_asked)
            id = await queue_one(query, "SMS", "+491701234567")

            async def is_sent() -> bool:
                return (await query("SELECT status::text FROM notifications WHERE id = :id", id=id)) == [("SENT",)]

            await until(is_sent)


@pytest.mark.parametrize("channel", ["PUSH", "SLACK", "DISCORD"])
async def test_on_a_developers_machine_the_mailbox_takes_everything(
    working: "Working", query: "Query", mailbox: Mailbox, channel: str
) -> None:
    async with working(sink_url=mailbox.url):
        id = await queue_one(query, channel, None)
        (taken,) = await mailbox.wait_for(str(ADA), Channel(channel))
    assert (taken.subject, taken.text) == ("Grüße", "Guten Tag")
    assert taken.data == {
        "id": str(id),
        "to": str(ADA),
        "type": "account.welcome",
        "subject": "Grüße",
        "text": "Guten Tag",
    }
