"""The worker: sends what is queued. Run as many as wanted, beside the service or on machines of their own."""

import asyncio
from collections.abc import Sequence
from functools import partial

from orion_core.clock import Clock, system_clock
from orion_core.database import Database
from orion_core.http.embedded import serving_health
from orion_core.logs import configure_logs
from orion_core.service import service_role
from orion_core.wakeup import Wakeup
from orion_notifications.admission import Admission
from orion_notifications.delivery import in_app, metrics
from orion_notifications.delivery.actions import GENERIC_PLANS, QUEUE_CHANNEL, fault
from orion_notifications.delivery.dispatch import Dispatcher, Pace
from orion_notifications.delivery.email import Server, SmtpChannel
from orion_notifications.delivery.messages import Outcome
from orion_notifications.delivery.rules import Next
from orion_notifications.delivery.sms import SmsChannel
from orion_notifications.inbox.streams import INBOX_CHANNEL
from orion_notifications.kinds import Channel
from orion_notifications.settings import NotificationSettings
from orion_notifications.suppressions.actions import hasher_of


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
    mail = SmtpChannel(_server(settings), settings.sender, clock)
    sms = _sms(settings)
    dispatcher = Dispatcher(
        database=database,
        queue=queue,
        keyring=settings.sealing_keys,
        channels={Channel.EMAIL: mail.send} | ({Channel.SMS: sms.send} if sms else {}),
        at_once={Channel.IN_APP: in_app.deliver},
        clock=clock,
        pace=pace or Pace(),
        admit=Admission(database, hasher_of(settings.sealing_keys), clock).admit,
        written=partial(_ring_inboxes, inbox),
    )

    async def queue_fault() -> str | None:
        return await fault(database)

    listening = [asyncio.create_task(bell.run(stop)) for bell in (queue, inbox)]
    try:
        async with serving_health(host, port, database, {"queue": queue_fault}):
            await dispatcher.run(stop)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await mail.close()
        if sms is not None:
            await sms.close()
        await database.close()


def _ring_inboxes(inbox: Wakeup, written: Sequence[Outcome]) -> None:
    """Count what was written, and wake whoever watches an inbox when something has come into one."""
    metrics.tell_finished(written)
    if any(outcome.next is Next.DELIVERED for outcome in written):
        inbox.ring()


def _sms(settings: NotificationSettings) -> SmsChannel | None:
    if settings.sms_url is None:
        return None
    token = settings.sms_token
    return SmsChannel(settings.sms_url, None if token is None else token.get_secret_value())


def _server(settings: NotificationSettings) -> Server:
    password = settings.smtp_password
    return Server(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        starttls=settings.smtp_starttls,
    )
