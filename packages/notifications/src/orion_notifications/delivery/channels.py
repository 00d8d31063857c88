"""All channels of a worker, put together: who speaks to which provider, and what goes out while none is set up."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.headerregistry import Address
from functools import partial
from typing import cast

import httpx

from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.outbound import GuardedTransport
from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup
from orion_notifications.delivery.carriers import Carrier, Driver, Line, Roster
from orion_notifications.delivery.drivers.chats import Apprise, DiscordWebhook, SlackBot, SlackWebhook
from orion_notifications.delivery.drivers.mail_services import Mailgun, Postmark, SendGrid
from orion_notifications.delivery.drivers.pushes import Apns, Fcm, WebPush
from orion_notifications.delivery.drivers.ses import Ses
from orion_notifications.delivery.drivers.sink import Sink
from orion_notifications.delivery.drivers.texts import Twilio, Vonage
from orion_notifications.delivery.email import Server, SmtpChannel
from orion_notifications.delivery.exchange import new_client
from orion_notifications.delivery.messages import Send, Unsubscribing
from orion_notifications.delivery.push import PushChannel
from orion_notifications.delivery.sms import SmsChannel
from orion_notifications.delivery.webhooks import WebhookChannel
from orion_notifications.kinds import Channel
from orion_notifications.message_tags import tag
from orion_notifications.provider_settings import (
    ApnsSettings,
    AppriseSettings,
    DiscordWebhookSettings,
    FcmSettings,
    HttpSmsSettings,
    MailgunSettings,
    PostmarkSettings,
    SendGridSettings,
    SesSettings,
    SlackBotSettings,
    SlackWebhookSettings,
    SmtpSettings,
    TwilioSettings,
    VonageSettings,
    WebPushSettings,
    parse_sender,
)
from orion_notifications.providers.actions import PROVIDERS_CHANNEL, Account
from orion_notifications.push.rules import PROVIDERS
from orion_notifications.return_paths import return_path


@dataclass(frozen=True)
class Environment:
    """What is set up outside of the database: it carries a channel while that has no account."""

    server: Server
    sender: Address
    sms_url: str | None = None
    sms_token: str | None = field(default=None, repr=False)
    sink_url: str | None = None
    """Where on this machine everything else is kept that would have left it."""
    allows_local: bool = False
    """Whether providers, push services and endpoints may be on this machine and in private networks."""


class Channels:
    """The channels of one worker."""

    def __init__(
        self,
        database: Database,
        url: str,
        keyring: Keyring,
        clock: Clock,
        environment: Environment,
        unsubscribing: Unsubscribing,
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._environment = environment
        self._unsubscribing = unsubscribing
        self._open = AsyncExitStack()
        local = environment.allows_local
        self._http = self._client(new_client(GuardedTransport(local=local)))
        self._http2 = self._client(new_client(GuardedTransport(local=local, http2=True)))
        self._theirs = self._client(new_client(GuardedTransport(local=local)))
        """For addresses that users name: one that hangs takes no connection from a provider."""
        self.bell = Wakeup(url, PROVIDERS_CHANNEL)
        self.roster = Roster(database, keyring, self.bell, self._driver, self._defaults())
        carriers = {platform: Carrier(self.roster, Channel.PUSH, name) for platform, name in PROVIDERS.items()}
        push = PushChannel(database, keyring, clock, carriers, Carrier(self.roster, Channel.PUSH))
        of_accounts = (Channel.EMAIL, Channel.SMS, Channel.SLACK, Channel.DISCORD)
        self.sends: Mapping[Channel, Send] = {
            **{channel: Carrier(self.roster, channel).send for channel in of_accounts},
            Channel.PUSH: push.send,
            Channel.WEBHOOK: WebhookChannel(database, keyring, self._theirs, clock).send,
        }

    async def close(self) -> None:
        """Take leave of every provider."""
        await self.roster.close()
        await self._open.aclose()

    def _client(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        self._open.push_async_callback(client.aclose)
        return client

    def _defaults(self) -> dict[Channel, Line]:
        there = self._environment
        mail = SmtpChannel(there.server, there.sender, self._clock, unsubscribing=self._unsubscribing)
        lines = {Channel.EMAIL: Line(mail, "smtp")}
        if there.sms_url is not None:
            lines[Channel.SMS] = Line(SmsChannel(there.sms_url, there.sms_token), "http_sms")
        if there.sink_url is not None:
            http = self._client(new_client())
            for channel in (Channel.PUSH, Channel.SLACK, Channel.DISCORD):
                lines[channel] = Line(Sink(f"{there.sink_url}/{channel.name.lower()}", http), "sink")
        return lines

    def _driver(self, account: Account) -> Driver:
        return cast("Driver", self._speaker(account))

    def _speaker(self, account: Account) -> object:
        http, clock, unsubscribing = self._http, self._clock, self._unsubscribing
        by = partial(tag, keyring=self._keyring, account_id=account.id)
        match account.settings:
            case SmtpSettings() as settings:
                return self._smtp(settings)
            case SesSettings() as settings:
                return Ses(settings, http, clock, unsubscribing, by)
            case SendGridSettings() as settings:
                return SendGrid(settings, http, unsubscribing, by)
            case PostmarkSettings() as settings:
                return Postmark(settings, http, unsubscribing, by)
            case MailgunSettings() as settings:
                return Mailgun(settings, http, unsubscribing, by)
            case TwilioSettings() as settings:
                return Twilio(settings, http, f"/notifications/v1/callbacks/{account.id}", by)
            case VonageSettings() as settings:
                return Vonage(settings, http, by)
            case HttpSmsSettings() as settings:
                token = None if settings.token is None else settings.token.get_secret_value()
                return SmsChannel(settings.url, token, http)
            case WebPushSettings() as settings:
                return WebPush(settings, self._theirs, clock)
            case FcmSettings() as settings:
                return Fcm(settings, http, clock)
            case ApnsSettings() as settings:
                return Apns(settings, self._http2, clock)
            case SlackWebhookSettings() as settings:
                return SlackWebhook(settings, http)
            case SlackBotSettings() as settings:
                return SlackBot(settings, http)
            case DiscordWebhookSettings() as settings:
                return DiscordWebhook(settings, http)
            case AppriseSettings() as settings:
                return Apprise(settings, local=self._environment.allows_local)
            case _:
                raise TypeError(f"no driver for {account.provider}")

    def _smtp(self, settings: SmtpSettings) -> SmtpChannel:
        password = None if settings.password is None else settings.password.get_secret_value()
        login = (settings.user, password)
        local = self._environment.allows_local
        server = Server(settings.host, settings.port, *login, settings.starttls, settings.tls, local)
        back = None
        if settings.bounce_domain is not None:
            back = partial(return_path, keyring=self._keyring, domain=settings.bounce_domain)
        return SmtpChannel(
            server,
            parse_sender(settings.sender),
            self._clock,
            keys=settings.dkim,
            return_path=back,
            unsubscribing=self._unsubscribing,
        )
