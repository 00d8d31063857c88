"""Slack, Discord and Apprise as they are asked, and what their answers mean."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from packages.notifications.tests.stand_ins import Provider, Reply

from orion_core.local.mailbox import Channel, Mailbox
from orion_core.outbound import GuardedTransport
from orion_notifications.delivery.drivers.chats import Apprise, DiscordWebhook, SlackBot, SlackWebhook
from orion_notifications.delivery.exchange import new_client
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault
from orion_notifications.provider_settings import (
    AppriseSettings,
    DiscordWebhookSettings,
    SlackBotSettings,
    SlackWebhookSettings,
)

Make = Callable[..., Message]


def slack(url: str, http: httpx.AsyncClient) -> SlackWebhook:
    return SlackWebhook(SlackWebhookSettings.model_validate({"url": f"{url}/services/T0/B0/x"}), http)


def bot(url: str, http: httpx.AsyncClient, **other: str) -> SlackBot:
    return SlackBot(SlackBotSettings.model_validate({"token": "xoxb-1", "base_url": url} | other), http)


def discord(url: str, http: httpx.AsyncClient) -> DiscordWebhook:
    return DiscordWebhook(DiscordWebhookSettings.model_validate({"url": f"{url}/api/webhooks/1/t?thread_id=7"}), http)


def apprise(url: str, *, local: bool = True) -> Apprise:
    return Apprise(AppriseSettings.model_validate({"url": url}), local=local)


async def refused(driver: Any, message: Message) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await driver.send(message)
    return error.value.failure


async def test_slacks_webhook(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, b"ok"), Reply(410, b"channel_is_archived"), Reply(404, b"no_service")]
    driver = slack(provider.url, http)
    await driver.send(message())
    assert provider.asked[0].path == "/services/T0/B0/x"
    assert provider.asked[0].json == {"text": "*Grüße*\nGuten Tag"}
    for _ in range(2):
        failure = await refused(driver, message())
        assert (failure.fault, failure.is_permanent) == (Fault.ACCOUNT, False)


async def test_slacks_bot(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, {"ok": True, "ts": "1503435956.000247", "channel": "C1"})]
    receipt = await bot(provider.url, http).send(message("C1"))
    assert provider.asked[0].path == "/chat.postMessage"
    assert provider.asked[0].headers["authorization"] == "Bearer xoxb-1"
    assert receipt.provider_message_id == "C1:1503435956.000247"
    await bot(provider.url, http, channel="C9").send(message(""))
    assert provider.asked[1].json["channel"] == "C9"
    assert (await refused(bot(provider.url, http), message(""))).code == "no_recipient"


@pytest.mark.parametrize(
    ("reply", "code", "is_permanent", "fault", "may_have_left"),
    [
        (
            Reply(200, {"ok": False, "error": "is_archived"}),
            "slack_is_archived",
            True,
            Fault.MESSAGE,
            False,
        ),
        (Reply(200, {"ok": False, "error": "token_revoked"}), "slack_token_revoked", False, Fault.ACCOUNT, False),
        (Reply(200, {"ok": False, "error": "internal_error"}), "slack_internal_error", False, Fault.PROVIDER, True),
        (Reply(200, {"ok": False, "error": "a b\nc"}), "slack_unclear", False, Fault.PROVIDER, True),
        (Reply(200, b"<html>"), "slack_unclear", False, Fault.PROVIDER, True),
        (Reply(429, {"ok": False}, {"Retry-After": "30"}), "slack_bot_429", False, Fault.ACCOUNT, False),
    ],
)
async def test_slacks_codes(
    provider: Provider,
    http: httpx.AsyncClient,
    message: Make,
    reply: Reply,
    code: str,
    is_permanent: bool,
    fault: Fault,
    may_have_left: bool,
) -> None:
    provider.replies = [reply]
    failure = await refused(bot(provider.url, http), message("C1"))
    assert (failure.code, failure.is_permanent, failure.fault, failure.may_have_left) == (
        code,
        is_permanent,
        fault,
        may_have_left,
    )


async def test_discord_pings_nobody_and_heeds_its_bucket(
    provider: Provider, http: httpx.AsyncClient, message: Make
) -> None:
    empty = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.3"}
    provider.replies = [Reply(200, {"id": "42"}, empty), Reply(200, {"id": "43"})]
    driver = discord(provider.url, http)
    receipt = await driver.send(message(text="@everyone " + "x" * 3000))
    (asked,) = provider.asked
    assert asked.path == "/api/webhooks/1/t?thread_id=7&wait=true"
    assert (len(asked.json["content"]), asked.json["allowed_mentions"]) == (2000, {"parse": []})
    assert receipt.provider_message_id == "42"
    failure = await refused(driver, message())
    assert (failure.status, failure.fault) == (AttemptStatus.NOT_TRIED, Fault.ACCOUNT)
    assert failure.retry_after is not None
    assert timedelta() < failure.retry_after <= timedelta(seconds=0.3)
    assert len(provider.asked) == 1
    await asyncio.sleep(failure.retry_after.total_seconds() + 0.02)
    assert (await driver.send(message())).provider_message_id == "43"


async def test_discords_refusals(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [
        Reply(429, {"retry_after": 1.5, "global": False}, {"Retry-After": "2"}),
        Reply(404, {"code": 10015}),
        Reply(400, {"code": 50035}),
    ]
    driver = discord(provider.url, http)
    limited, unknown, invalid = [await refused(driver, message()) for _ in range(3)]
    assert (limited.status, limited.retry_after) == (AttemptStatus.RATE_LIMITED, timedelta(seconds=1.5))
    assert (unknown.fault, unknown.is_permanent) == (Fault.ACCOUNT, False)
    assert (invalid.fault, invalid.is_permanent) == (Fault.MESSAGE, True)


async def test_apprise_takes_the_long_tail(mailbox: Mailbox, message: Make) -> None:
    await apprise(f"json://127.0.0.1:{mailbox.http_port}/webhook/tail").send(message())
    (taken,) = await mailbox.wait_for(channel=Channel.WEBHOOK)
    assert "Guten Tag" in taken.text


async def test_apprise_follows_nobody_to_another_place(provider: Provider, message: Make) -> None:
    port = provider.url.rpartition(":")[2]
    provider.replies = [Reply(307, b"", headers={"Location": f"{provider.url}/elsewhere"}), Reply(200, b"")]
    failure = await refused(apprise(f"json://127.0.0.1:{port}/"), message())
    assert failure.code == "apprise_refused"
    assert len(provider.asked) == 1
    to_us = apprise("mailto://ada:secret@mail.invalid/?smtp=169.254.169.254&to=bob@example.com", local=False)
    assert (await refused(to_us, message())).code == "forbidden_address"


async def test_apprise_says_no_and_nothing_else(provider: Provider, message: Make) -> None:
    provider.replies = [Reply(500, b"")]
    port = provider.url.rpartition(":")[2]
    failure = await refused(apprise(f"json://127.0.0.1:{port}/"), message())
    assert (failure.code, failure.may_have_left, failure.fault) == ("apprise_refused", True, Fault.PROVIDER)


@pytest.mark.parametrize("url", ["nothing://x", "syslog://", "dbus://", "not a url", "windows://"])
async def test_what_apprise_does_not_know_or_would_do_on_this_machine(message: Make, url: str) -> None:
    failure = await refused(apprise(url), message())
    assert (failure.code, failure.fault) == ("apprise_invalid", Fault.ACCOUNT)


@pytest.mark.parametrize(
    "given",
    [
        "template=/etc/passwd",
        "keyfile=/etc/hostname",
        "KeyFile=x",
        "%6Beyfile=x",
        "to=a;template=x",
        "pgpprv=x",
        "verify=no",
    ],
)
async def test_a_url_of_apprise_has_the_parameters_that_may_be_and_no_others(
    provider: Provider, message: Make, given: str
) -> None:
    """Some of them are names of files of this machine, whose contents would be sent."""
    port = provider.url.rpartition(":")[2]
    failure = await refused(apprise(f"json://127.0.0.1:{port}/?{given}"), message())
    assert (failure.code, failure.fault, failure.may_have_left) == ("apprise_parameter", Fault.ACCOUNT, False)
    assert provider.asked == []
    await apprise(f"json://127.0.0.1:{port}/?to=a&priority=2&%2Bx-own=1").send(message())
    assert provider.asked[0].headers["x-own"] == "1"


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "localhost"])
async def test_nobody_reaches_our_own_network(provider: Provider, message: Make, host: str) -> None:
    """Whatever an administrator's URL says: where it leads is looked at before anything is sent."""
    port = provider.url.rpartition(":")[2]
    assert (await refused(apprise(f"json://{host}:{port}/x", local=False), message())).code == "forbidden_address"
    async with new_client(GuardedTransport(local=False)) as http:
        for driver in (slack(f"https://{host}:{port}", http), discord(f"http://{host}:{port}", http)):
            assert (await refused(driver, message())).code == "forbidden_address"
    assert provider.asked == []
