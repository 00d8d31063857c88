"""Webhooks: signed as Standard Webhooks' own libraries verify, never into our own network, given up in the end."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from packages.notifications.tests.stand_ins import Provider, Reply
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.outbound import GuardedTransport
from orion_core.sealing import Keyring
from orion_notifications.delivery.exchange import new_client
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next
from orion_notifications.delivery.webhooks import WebhookChannel
from orion_notifications.webhooks import actions as webhooks
from orion_notifications.webhooks.actions import Owner
from orion_notifications.webhooks.shapes import EndpointWithSecret, NewEndpoint

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

Make = Callable[..., Message]
ADA = uuid7()


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(Keyring.new_key("test"))


@pytest.fixture
def owner(database: Database, keyring: Keyring) -> Owner:
    return Owner(database, keyring, ADA, system_clock(), local=True)


@pytest.fixture
def channel(database: Database, keyring: Keyring, http: httpx.AsyncClient) -> WebhookChannel:
    return WebhookChannel(database, keyring, http, system_clock)


async def made(owner: Owner, url: str) -> EndpointWithSecret:
    return await webhooks.create(owner, NewEndpoint(url=url, description=""))


async def refused(channel: WebhookChannel, message: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await channel.send(message)
    return error.value.failure


async def test_both_libraries_verify_a_delivery(
    owner: Owner, channel: WebhookChannel, provider: Provider, message: Make
) -> None:
    endpoint = await made(owner, f"{provider.url}/hooks")
    sent = message(str(endpoint.id), variables={"amount": 7}, user_id=ADA)
    receipt = await channel.send(sent)
    (asked,) = provider.asked
    told: Any = StandardWebhook(endpoint.secret).verify(asked.body, asked.headers)
    assert (told["type"], told["data"]["variables"]) == ("account.welcome", {"amount": 7})
    for library in (StandardWebhook, SvixWebhook):
        library(endpoint.secret).verify(asked.body, asked.headers)
        with pytest.raises(Exception, match="signature"):
            library(endpoint.secret).verify(asked.body + b" ", asked.headers)
    assert asked.headers["webhook-id"] == str(sent.id)
    assert (receipt.next, receipt.provider) == (Next.DELIVERED, "webhook")
    await channel.send(sent)
    assert provider.asked[1].body == asked.body
    assert provider.asked[1].headers["webhook-id"] == str(sent.id)


async def test_after_a_rotation_both_secrets_hold_for_a_day(
    owner: Owner, channel: WebhookChannel, provider: Provider, message: Make, database: Database, keyring: Keyring
) -> None:
    endpoint = await made(owner, f"{provider.url}/hooks")
    rotated = await webhooks.rotate(owner, endpoint.id)
    assert rotated.secret != endpoint.secret
    await channel.send(message(str(endpoint.id)))
    for secret in (endpoint.secret, rotated.secret):
        StandardWebhook(secret).verify(provider.asked[0].body, provider.asked[0].headers)
    async with new_client(GuardedTransport(local=True)) as http:
        tomorrow = WebhookChannel(database, keyring, http, lambda: system_clock() + timedelta(hours=25))
        await tomorrow.send(message(str(endpoint.id)))
    assert len(provider.asked[1].headers["webhook-signature"].split(" ")) == 1


async def test_without_a_recipient_it_goes_to_the_users_own(
    owner: Owner, channel: WebhookChannel, provider: Provider, message: Make
) -> None:
    assert (await refused(channel, message("", user_id=ADA))).code == "no_endpoint"
    await made(owner, f"{provider.url}/mine")
    await channel.send(message("", user_id=ADA))
    assert provider.asked[0].path == "/mine"
    for recipient, user in (("", uuid7()), ("", None), (str(uuid7()), None)):
        assert (await refused(channel, message(recipient, user_id=user))).code == "no_endpoint"
    assert (await refused(channel, message("https://x.example"))).code == "invalid_endpoint"


@pytest.mark.parametrize(
    ("reply", "is_permanent", "status"),
    [
        (Reply(400), False, AttemptStatus.FAILURE),
        (Reply(404), False, AttemptStatus.FAILURE),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), False, AttemptStatus.FAILURE),
        (Reply(413), True, AttemptStatus.FAILURE),
        (Reply(429, headers={"Retry-After": "9"}), False, AttemptStatus.RATE_LIMITED),
        (Reply(500), False, AttemptStatus.FAILURE),
        (Reply(410), True, AttemptStatus.FAILURE),
    ],
)
async def test_what_an_endpoint_answers(
    owner: Owner,
    channel: WebhookChannel,
    provider: Provider,
    message: Make,
    query: "Query",
    reply: Reply,
    is_permanent: bool,
    status: AttemptStatus,
) -> None:
    endpoint = await made(owner, f"{provider.url}/hooks")
    provider.replies = [reply, Reply(200)]
    failure = await refused(channel, message(str(endpoint.id)))
    assert (failure.is_permanent, failure.status, failure.status_code) == (is_permanent, status, reply.status)
    assert len(provider.asked) == 1
    is_off = reply.status == 410
    rows = await query("SELECT failing_since IS NOT NULL, disabled_at IS NOT NULL FROM webhook_endpoints")
    assert rows == [(True, is_off)]
    if not is_off:
        await channel.send(message(str(endpoint.id)))
        assert await query("SELECT failing_since FROM webhook_endpoints") == [(None,)]


async def test_an_endpoint_that_only_fails_is_given_up_after_five_days(
    owner: Owner, channel: WebhookChannel, provider: Provider, message: Make, query: "Query"
) -> None:
    endpoint = await made(owner, f"{provider.url}/hooks")
    provider.replies = [Reply(500)]
    for hours, is_permanent in ((119, False), (121, True)):
        since = f"UPDATE webhook_endpoints SET failing_since = now() - interval '{hours} hours'"
        await query(since)
        assert (await refused(channel, message(str(endpoint.id)))).is_permanent is is_permanent
    assert (await refused(channel, message(str(endpoint.id)))).code == "no_endpoint"
    told = await query("SELECT data->>'action' FROM outbox WHERE data->>'action' = 'webhook.disable'")
    assert told == [("webhook.disable",)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"])
async def test_nobody_reaches_our_own_network_by_a_webhook(
    database: Database, keyring: Keyring, owner: Owner, provider: Provider, message: Make, query: "Query", host: str
) -> None:
    """Also when the endpoint was there before, and its name leads elsewhere since."""
    endpoint = await made(owner, "https://hooks.example/x")
    port = provider.url.rpartition(":")[2]
    await query("UPDATE webhook_endpoints SET url = :url", url=f"http://{host}:{port}/x")
    async with new_client(GuardedTransport(local=False)) as http:
        failure = await refused(WebhookChannel(database, keyring, http, system_clock), message(str(endpoint.id)))
    assert (failure.code, failure.is_permanent) == ("forbidden_address", True)
    assert provider.asked == []


def test_the_moment_in_an_id_is_when_it_was_accepted() -> None:
    from orion_notifications.delivery.webhooks import accepted_at

    assert accepted_at(UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")).isoformat() == "2022-02-22T19:22:22+00:00"
