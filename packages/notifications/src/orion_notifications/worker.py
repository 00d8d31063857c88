"""The worker: sends what is queued. Run as many as wanted, beside the service or on machines of their own."""

import asyncio
from collections.abc import Sequence
from functools import partial

import httpx

from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.http.authentication import AUDIENCES
from orion_core.http.embedded import serving_health
from orion_core.logs import configure_logs
from orion_core.schema_standing import schema_check
from orion_core.service import service_role
from orion_core.service_token import ServiceTokens
from orion_core.wakeup import Wakeup
from orion_notifications.admission import Admission
from orion_notifications.audience_pages import AudiencePages
from orion_notifications.batches.feeding import feed
from orion_notifications.batches.gathering import keep_gathering
from orion_notifications.bounces import Bouncing
from orion_notifications.choices.links import About, preferences_url, unsubscribe_url
from orion_notifications.delivery import in_app, metrics
from orion_notifications.delivery.actions import GENERIC_PLANS, QUEUE_CHANNEL, fault, keep_telling
from orion_notifications.delivery.channels import Channels, Environment
from orion_notifications.delivery.dispatch import Dispatcher, Pace
from orion_notifications.delivery.email import Server
from orion_notifications.delivery.messages import Claimed, Message, Outcome
from orion_notifications.delivery.rules import Next
from orion_notifications.desk import Desk
from orion_notifications.inbox.streams import INBOX_CHANNEL
from orion_notifications.kinds import ALWAYS_ON, Channel
from orion_notifications.service import service
from orion_notifications.settings import NotificationSettings
from orion_notifications.suppressions.actions import hasher_of
from orion_notifications.templates.rules import NO_LINKS, Links
from orion_notifications.tracking import Tracked


async def run(stop: asyncio.Event, host: str, port: int) -> None:
    """Send until `stop`, then finish what is in hand; raises `SettingsError` and `PortInUseError`."""
    settings = NotificationSettings.load()
    configure_logs(settings, "notifications worker")
    await work(settings, stop, host, port)


async def work(
    settings: NotificationSettings,
    stop: asyncio.Event,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    clock: Clock = system_clock,
    pace: Pace | None = None,
) -> None:
    """Send as these settings say, and tell at `host` and `port` how it goes."""
    url = settings.database_url
    role = service_role("notifications")
    database = Database.connect(
        url, role=role, application="orion notifications worker", pool_size=4, server_settings=GENERIC_PLANS
    )
    queue = Wakeup(url, QUEUE_CHANNEL)
    inbox = Wakeup(url, INBOX_CHANNEL)
    unsubscribing = partial(_unsubscribe_url, settings, clock)
    channels = Channels(database, url, settings.sealing_keys, clock, environment(settings), unsubscribing)
    hasher = hasher_of(settings.sealing_keys)
    bouncing = Bouncing(channels.sends[Channel.EMAIL], database, hasher, clock)
    mails = Tracked(bouncing.send, database, settings.sealing_keys, settings.public_url)
    dispatcher = Dispatcher(
        database=database,
        queue=queue,
        keyring=settings.sealing_keys,
        channels={**channels.sends, Channel.EMAIL: mails.send},
        at_once={Channel.IN_APP: in_app.deliver},
        clock=clock,
        pace=pace or Pace(),
        admit=Admission(database, hasher, clock).admit,
        written=partial(_ring_inboxes, inbox),
        linking=partial(_links, settings, clock),
    )

    checks = {"queue": partial(fault, database), "schema": schema_check(database, service)}
    http = httpx.AsyncClient()
    feeding = partial(feed, database, Desk(settings.sealing_keys, queue), clock)
    gathering = partial(keep_gathering, database, _audience_pages(settings, http, clock), clock)
    telling = partial(keep_telling, database)
    running = (queue.run, inbox.run, channels.bell.run, channels.roster.run, feeding, gathering, telling)
    beside = [asyncio.create_task(each(stop)) for each in running]
    try:
        async with serving_health(host, port, database, checks):
            await channels.roster.load(stop)  # nothing is claimed that nobody could carry yet
            await dispatcher.run(stop)
    finally:
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await http.aclose()
        await channels.close()
        await database.close()


def _ring_inboxes(inbox: Wakeup, written: Sequence[Outcome]) -> None:
    """Count what was written, and wake whoever watches an inbox when something has come into one."""
    metrics.tell_finished(written)
    if any(outcome.next is Next.DELIVERED for outcome in written):
        inbox.ring()


def _audience_pages(settings: NotificationSettings, http: httpx.AsyncClient, clock: Clock) -> AudiencePages:
    """Whom user names, asked with a token for nothing else."""
    bound = settings.dpop_required == "all"
    key = settings.service_proof
    tokens = ServiceTokens(
        http, settings.auth_url, "notifications", key, clock, audience="user", scope=AUDIENCES, bound=bound
    )
    return AudiencePages(http, settings.user_url, tokens)


def environment(settings: NotificationSettings) -> Environment:
    """What the settings say of the ways out."""
    token = settings.sms_token
    return Environment(
        _server(settings),
        settings.sender,
        settings.sms_url,
        None if token is None else token.get_secret_value(),
        settings.sink_url,
        settings.allows_local_targets,
    )


def _unsubscribe_url(settings: NotificationSettings, clock: Clock, message: Message) -> str | None:
    """Where a mail's reader ends its category (RFC 8058); None for what he must get."""
    if message.category in ALWAYS_ON:
        return None
    about = About(message.id, Channel.EMAIL, message.category, message.recipient)
    return unsubscribe_url(settings.sealing_keys, settings.public_url, about, clock())


def _links(settings: NotificationSettings, clock: Clock, claimed: Claimed) -> Links:
    """The same for the words of a message, and where everything is chosen; for those that have an address."""
    if claimed.recipient is None:
        return NO_LINKS
    keyring, url, now = settings.sealing_keys, settings.public_url, clock()
    about = About(claimed.id, claimed.channel, claimed.category, claimed.recipient)
    ending = "" if claimed.category in ALWAYS_ON else unsubscribe_url(keyring, url, about, now)
    return Links(ending, preferences_url(keyring, url, about, now))


def _server(settings: NotificationSettings) -> Server:
    password = settings.smtp_password
    return Server(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        starttls=settings.smtp_starttls,
    )
