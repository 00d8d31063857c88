"""Slack (incoming webhooks and bots), Discord (webhooks), and, for the long tail, whatever Apprise knows.

Values in templates are escaped for Slack and Discord where they are rendered; what arrives here is the finished text.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import httpx
import orjson

from orion_core.outbound import ForbiddenAddressError, addresses
from orion_notifications.delivery.drivers.mail_services import JSON
from orion_notifications.delivery.exchange import Answer, post, refusal, refused, text_of
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.provider_settings import (
    AppriseSettings,
    DiscordWebhookSettings,
    SlackBotSettings,
    SlackWebhookSettings,
)

SLACK_WEBHOOK, SLACK_BOT, DISCORD, APPRISE = "slack_webhook", "slack_bot", "discord_webhook", "apprise"

SLACK_LONGEST = 40_000
"""Slack cuts off what is longer: https://docs.slack.dev/reference/methods/chat.postMessage."""
SLACK_OF_MESSAGE = frozenset(
    {"channel_not_found", "user_not_found", "is_archived", "msg_too_long", "no_text", "invalid_blocks", "cannot_dm_bot",
     "messages_tab_disabled", "user_is_deactivated"}
)  # fmt: skip
SLACK_OF_PROVIDER = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
DISCORD_LONGEST = 2000
APPRISE_SECONDS = 20.0
APPRISE_OF_MACHINE = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "rsyslog", "smpp", "smpps", "syslog", "vapid",
     "windows"}
)  # fmt: skip
"""What Apprise does on this machine, its files included, or past HTTP in networks that are looked at by nobody."""
APPRISE_PARAMETERS = frozenset(
    {"access", "action", "apikey", "avatar", "badge", "batch", "bcc", "botname", "category", "cc", "channel",
     "channels", "click", "color", "country", "dedup", "delay", "emojis", "flash", "footer", "format", "from",
     "group", "image", "key", "lang", "language", "level", "method", "mode", "name", "overflow", "pass", "ping",
     "priority", "region", "reply", "secret", "sender", "sid", "silent", "smtp", "sound", "source", "status", "tags",
     "team", "thread", "to", "token", "topic", "ttl", "type", "tz", "unicode", "urgency", "user", "version",
     "workspace"}
)  # fmt: skip
"""The parameters that a URL of Apprise may have. Others name files of this machine (`keyfile`, `template`, `pgpprv`),
further hosts that nobody has looked at (`relay`, `discovery`, `redirect`), or do without TLS (`verify`); and each
release has new ones. Headers and fields of somebody's own (`+`, `-`, `:` before the name) may be, too."""

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs what it sends, and URLs with their secrets


class SlackWebhook:
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

    def __init__(self, settings: SlackWebhookSettings, http: httpx.AsyncClient) -> None:
        self._url = settings.url.get_secret_value()
        self._http = http

    async def send(self, message: Message) -> Receipt:
        """Hand the message over; raises NotDeliveredError."""
        body = {"text": words(message, "*")[:SLACK_LONGEST]}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=SLACK_WEBHOOK, headers=JSON)
        if (failure := refusal(answer, SLACK_WEBHOOK)) is not None:
            if answer.status == 410:  # channel_is_archived: this webhook is of no use any more
                failure = _of_account(f"{SLACK_WEBHOOK}_410", answer)
            raise NotDeliveredError(failure, SLACK_WEBHOOK)
        return Receipt(Next.SENT, SLACK_WEBHOOK, None, answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""


class SlackBot:
    """chat.postMessage, which answers 200 whatever it thinks of a message."""

    def __init__(self, settings: SlackBotSettings, http: httpx.AsyncClient) -> None:
        self._url = f"{settings.base_url or 'https://slack.com/api'}/chat.postMessage"
        self._headers = {
            "Authorization": f"Bearer {settings.token.get_secret_value()}",
            "Content-Type": "application/json; charset=utf-8",
        }
        self._channel = settings.channel
        self._http = http

    async def send(self, message: Message) -> Receipt:
        """Hand the message over; raises NotDeliveredError."""
        channel = message.recipient or self._channel
        if channel is None:
            raise refused("no_recipient", "neither the message nor the account names a channel", SLACK_BOT)
        body = {"channel": channel, "text": words(message, "*")[:SLACK_LONGEST]}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=SLACK_BOT, headers=self._headers)
        if (failure := refusal(answer, SLACK_BOT) or _slack_refusal(answer)) is not None:
            raise NotDeliveredError(failure, SLACK_BOT)
        moment = text_of(answer.json().get("ts"))
        return Receipt(Next.SENT, SLACK_BOT, moment and f"{channel}:{moment}"[:255], answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""


class DiscordWebhook:
    """Execute Webhook: https://docs.discord.com/developers/resources/webhook#execute-webhook.

    Its buckets are heeded: once the answer says that nothing remains, nothing is asked until the bucket is full again.
    """

    def __init__(self, settings: DiscordWebhookSettings, http: httpx.AsyncClient) -> None:
        self._url = httpx.URL(settings.url.get_secret_value()).copy_merge_params({"wait": "true"})
        self._http = http
        self._free_at = 0.0

    async def send(self, message: Message) -> Receipt:
        """Hand the message over; raises NotDeliveredError."""
        wait = self._free_at - asyncio.get_running_loop().time()
        if wait > 0:
            failure = Failure(
                AttemptStatus.NOT_TRIED,
                "discord_bucket",
                "its bucket is empty",
                is_permanent=False,
                fault=Fault.ACCOUNT,
            )
            raise NotDeliveredError(_after(failure, wait), DISCORD)
        # Nobody is pinged by a text: @everyone in a value would be somebody else's word.
        body = {"content": words(message, "**")[:DISCORD_LONGEST], "allowed_mentions": {"parse": list[str]()}}
        answer = await post(self._http, str(self._url), orjson.dumps(body), provider=DISCORD, headers=JSON)
        self._heed(answer)
        if (failure := refusal(answer, DISCORD)) is not None:
            asked = answer.json().get("retry_after")
            if answer.status == 429 and isinstance(asked, int | float) and 0 <= asked < 86_400:
                failure = _after(failure, float(asked))
            raise NotDeliveredError(failure, DISCORD)
        return Receipt(Next.SENT, DISCORD, text_of(answer.json().get("id")), answer.status)

    def _heed(self, answer: Answer) -> None:
        if answer.headers.get("x-ratelimit-remaining") == "0":
            try:
                seconds = float(answer.headers.get("x-ratelimit-reset-after", "0"))
            except ValueError:
                return
            if 0 < seconds < 86_400:
                self._free_at = asyncio.get_running_loop().time() + seconds

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Apprise:
    """https://github.com/caronc/apprise. It blocks, so it works in a thread, and says yes or no and nothing else."""

    def __init__(self, settings: AppriseSettings, *, local: bool) -> None:
        self._url = settings.url.get_secret_value()
        self._local = local

    async def send(self, message: Message) -> Receipt:
        """Hand the message over; raises NotDeliveredError."""
        import apprise  # takes half a second, which only who uses it should wait for
        from apprise.utils import parse

        read = cast("Any", parse).parse_url(self._url.replace("/#", "/%23"), verify_host=False)
        # Read as Apprise itself reads it: two readers of one URL may find two things.
        given: Mapping[str, str] = {} if read is None else read["qsd"]
        if any(name not in APPRISE_PARAMETERS and name[:1] not in {"+", "-", ":"} for name in given):
            # Which one is not said: names may be secrets that stand at a wrong place.
            raise NotDeliveredError(_unusable("apprise_parameter", "its URL has a parameter that may not be"), APPRISE)
        scheme = self._url.partition("://")[0].lower()
        service = None if scheme in APPRISE_OF_MACHINE else apprise.Apprise.instantiate(self._url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if service is None or isinstance(service, dict):
            raise NotDeliveredError(_unusable("apprise_invalid", "its URL is none of Apprise's"), APPRISE)
        service.redirects = False  # to where nobody has looked
        for name in ("host", "smtp_host"):  # a mail goes to the second, where its URL names one
            await self._look_at(getattr(service, name, None), getattr(service, "port", None))
        try:
            async with asyncio.timeout(APPRISE_SECONDS):
                is_taken = await asyncio.to_thread(
                    service.notify,
                    body=message.content.text or " ",
                    title=message.content.subject,  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
                )
        except TimeoutError as error:
            failure = Failure(
                AttemptStatus.TIMEOUT,
                "apprise_timeout",
                "no answer",
                is_permanent=False,
                fault=Fault.PROVIDER,
                may_have_left=True,
            )
            raise NotDeliveredError(failure, APPRISE) from error
        if not is_taken:
            failure = Failure(
                AttemptStatus.FAILURE,
                "apprise_refused",
                "it was not taken",
                is_permanent=False,
                fault=Fault.PROVIDER,
                may_have_left=True,
            )
            raise NotDeliveredError(failure, APPRISE)
        return Receipt(Next.SENT, APPRISE)

    async def _look_at(self, host: object, port: object) -> None:
        """Refuse a host in our own network. In many of Apprise's URLs the host is a token, which is no name of any."""
        if not isinstance(host, str) or not host:
            return
        number = port if isinstance(port, int) else 443
        try:
            await addresses(host.strip("[]"), number, local=self._local)  # IPv6 stands in brackets in URLs alone
        except ForbiddenAddressError as error:
            words = "its address may not be reached from here"
            failure = Failure(AttemptStatus.FAILURE, "forbidden_address", words, is_permanent=True, fault=Fault.ACCOUNT)
            raise NotDeliveredError(failure, APPRISE) from error
        except OSError:
            return

    async def close(self) -> None:
        """It keeps nothing of its own."""


def _unusable(code: str, words: str) -> Failure:
    return Failure(AttemptStatus.FAILURE, code, words, is_permanent=False, fault=Fault.ACCOUNT)


def words(message: Message, mark: str) -> str:
    """Subject and text as one; the subject between marks that make it bold."""
    subject, text = message.content.subject.strip(), message.content.text.strip()
    return f"{mark}{subject}{mark}\n{text}" if subject else text


def _slack_refusal(answer: Answer) -> Failure | None:
    told = answer.json()
    if told.get("ok") is True:
        return None
    error = told.get("error")
    word = error if isinstance(error, str) and error.replace("_", "").isalnum() and len(error) < 60 else "unclear"
    said = f"Slack answered {word}"
    if word in SLACK_OF_MESSAGE:
        return Failure(AttemptStatus.FAILURE, f"slack_{word}", said, is_permanent=True, status_code=answer.status)
    if word in SLACK_OF_PROVIDER or word == "unclear":
        return Failure(
            AttemptStatus.FAILURE,
            f"slack_{word}",
            said,
            is_permanent=False,
            status_code=answer.status,
            fault=Fault.PROVIDER,
            may_have_left=True,
        )
    kind = AttemptStatus.RATE_LIMITED if word in {"ratelimited", "rate_limited"} else AttemptStatus.FAILURE
    return Failure(kind, f"slack_{word}", said, is_permanent=False, status_code=answer.status, fault=Fault.ACCOUNT)


def _of_account(code: str, answer: Answer) -> Failure:
    said = f"the provider answered {answer.status}"
    return Failure(
        AttemptStatus.FAILURE, code, said, is_permanent=False, status_code=answer.status, fault=Fault.ACCOUNT
    )


def _after(failure: Failure, seconds: float) -> Failure:
    return replace(failure, retry_after=timedelta(seconds=seconds))
