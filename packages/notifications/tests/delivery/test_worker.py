"""Workers: on a real queue, a real SMTP server, and through the deaths of workers and servers."""

import asyncio
import os
import signal
import sys
from base64 import b64encode
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP
from packages.notifications.tests.delivery.test_email import Refusing, refusing
from packages.notifications.tests.notifications.test_sending import message
from sqlalchemy import text

from orion_core.database import Database
from orion_core.local.mailbox import Mailbox
from orion_core.testing import MovableClock
from orion_notifications.delivery.dispatch import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastapi import FastAPI
    from packages.notifications.tests.conftest import AuthFeed, Callers, MakeSettings, Query, Until, Working

QUICK = Pace(slots=16, lease_seconds=2.5, send_seconds=1, poll_seconds=0.05, give_back_seconds=0.1)
PATIENT = Pace(slots=16, lease_seconds=30, send_seconds=15, poll_seconds=0.05, give_back_seconds=0.1)
"""Gives up on no message because the machine is busy: one that may have been sent would be sent again."""


async def undelivered(query: "Query") -> int:
    return (await query("SELECT count(*) FROM notifications WHERE status IN ('QUEUED', 'PROCESSING')"))[0][0]


async def test_two_workers_send_each_message_once(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    for number in range(25):
        user_id = await auth.register(f"user{number}@example.com")
        await auth.bring(auth.verification(user_id, f"user{number}@example.com"))

    async def is_done() -> bool:
        return await undelivered(query) == 0

    async with working(PATIENT), working(PATIENT):
        await until(is_done)
    assert Counter(recipient for mail in mailbox.box for recipient in mail.to) == {
        f"user{number}@example.com": 1 for number in range(25)
    }
    assert await query("SELECT status, attempt_number, count(*) FROM delivery_attempts GROUP BY 1, 2") == [
        ("SUCCESS", 1, 50)
    ]
    assert await query("SELECT count(*) FROM notifications WHERE sealed_variables IS NOT NULL") == [(0,)]


async def test_a_worker_that_is_killed_loses_nothing(
    auth: "AuthFeed",
    query: "Query",
    working: "Working",
    mailbox: Mailbox,
    until: "Until",
    make_settings: "MakeSettings",
) -> None:
    """SIGKILL between claim and completion: another worker sends it, and the first attempt says UNKNOWN."""
    await auth.register()
    await auth.bring(auth.verification(await auth.register("bob@example.com"), "bob@example.com"))
    async with silent_server() as port:
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-c", VICTIM, env=_environment(make_settings(), port), stdout=asyncio.subprocess.DEVNULL
        )

        async def is_claimed() -> bool:
            return await query("SELECT count(*) FROM notifications WHERE status = 'PROCESSING'") == [(1,)]

        await until(is_claimed, 15)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
    async with working(QUICK):
        await mailbox.wait_for("bob@example.com")
    states = await query(
        "SELECT a.attempt_number, a.status, a.error_code FROM delivery_attempts a "
        "JOIN notifications n ON n.id = a.notification_id WHERE n.channel = 'EMAIL' ORDER BY 1"
    )
    assert states == [(1, "UNKNOWN", "lease_expired"), (2, "SUCCESS", None)]
    assert await query("SELECT status, attempts FROM notifications WHERE channel = 'EMAIL'") == [("SENT", 2)]


async def test_a_worker_is_woken_and_does_not_wait_for_its_next_look(
    application: "FastAPI", caller: "Callers", query: "Query", working: "Working", until: "Until", clock: MovableClock
) -> None:
    stop = asyncio.Event()
    ringing = asyncio.create_task(application.state.components.desk.queue.run(stop))
    async with caller("operator") as http, working(Pace(poll_seconds=60)):
        for number in (1, 2, 3):  # the first may be found as it starts

            async def is_sent(number: int = number) -> bool:
                return await query("SELECT count(*) FROM notifications WHERE status = 'SENT'") == [(number,)]

            later = {"scheduled_at": (clock() + timedelta(hours=1)).isoformat()} if number == 3 else {}
            answer = await http.post("/notifications", json=message(**later))
            (sent,) = answer.json()["notifications"]
            if later:
                now = {"scheduled_at": clock().isoformat()}
                assert (await http.put(f"/notifications/{sent['id']}/schedule", json=now)).status_code == 200
            await until(is_sent)
    stop.set()
    await ringing


async def test_a_server_that_comes_back_gets_the_mail(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register()))

    async def has_failed() -> bool:
        return await query("SELECT error_code FROM delivery_attempts WHERE status = 'FAILURE'") == [
            ("smtp_unreachable",)
        ]

    async with working(smtp_port=1):
        await until(has_failed)
    assert await query("SELECT status, error_code FROM notifications WHERE channel = 'EMAIL'") == [
        ("QUEUED", "smtp_unreachable")
    ]
    await query("UPDATE notification_queue SET due_at = now()")
    async with working():
        await mailbox.wait_for("ada@example.com")


async def test_a_server_that_never_answers_is_a_timeout(
    auth: "AuthFeed", query: "Query", working: "Working", until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register()))

    async def has_failed() -> bool:
        return await query("SELECT status, error_code FROM delivery_attempts WHERE status = 'TIMEOUT'") == [
            ("TIMEOUT", "send_timeout")
        ]

    async with silent_server() as port, working(QUICK, smtp_port=port):
        await until(has_failed)


async def test_an_address_that_is_refused_at_the_door_bounces_as_one_that_is_reported(
    caller: "Callers", query: "Query", working: "Working", until: "Until"
) -> None:
    fates = "SELECT status::text, error_code, failed_at IS NOT NULL FROM notifications ORDER BY id"

    async def has_ended() -> bool:
        return await undelivered(query) == 0

    async with caller("operator") as operator, refusing(Refusing("550 5.1.1 no such user")) as port:
        answer = await operator.post("/notifications", json=message())
        async with working(smtp_port=port):
            await until(has_ended)
        assert (await operator.post("/notifications", json=message())).status_code == 202
        assert await query(fates) == [("BOUNCED", "smtp_550", True), ("REJECTED", "suppressed", False)]
        (sent,) = answer.json()["notifications"]
        again = await operator.post(f"/notifications/{sent['id']}/retry")
        assert again.status_code == 202, "an operator knows better, who has mended the server"
    assert await query("SELECT data -> 'new' FROM outbox WHERE data ->> 'action' = 'suppression.create'") == [
        ({"channel": "EMAIL", "category": None, "reason": "BOUNCE"},)
    ]


async def test_only_the_provider_can_be_late(
    auth: "AuthFeed", query: "Query", working: "Working", until: "Until"
) -> None:
    """Three rounds through a server that takes most of the time a try has: waiting for one's turn is not part of it."""
    pace = Pace(send_seconds=1.5, poll_seconds=0.05)
    for number in range(3 * pace.slots):
        await auth.bring(auth.verification(await auth.register(f"user{number}@example.com")))

    async def is_over() -> bool:
        return await undelivered(query) == 0

    async with slow_server(0.8) as port, working(pace, smtp_port=port):
        await until(is_over)
    outcomes = "SELECT status, max(response_time_ms) < 1500 FROM delivery_attempts GROUP BY status"
    assert await query(outcomes) == [("SUCCESS", True)]


async def test_what_expired_meanwhile_is_not_sent(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register(), minutes=5))
    auth.clock.advance(minutes=6)

    async def is_over() -> bool:
        return await undelivered(query) == 0

    async with working():
        await until(is_over)
    assert await query("SELECT status, sealed_variables FROM notifications WHERE channel = 'EMAIL'") == [
        ("EXPIRED", None)
    ]
    assert len(mailbox.box) == 0


async def test_stopping_finishes_what_is_in_hand(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    for number in range(20):
        user_id = await auth.register(f"user{number}@example.com")
        await auth.bring(auth.verification(user_id, f"user{number}@example.com"))

    async def has_begun() -> bool:
        return await query("SELECT count(*) > 0 FROM delivery_attempts") == [(True,)]

    async with working():
        await until(has_begun)
    assert await query("SELECT count(*) FROM notifications WHERE status = 'PROCESSING'") == [(0,)]
    assert await query("SELECT count(*) FROM delivery_attempts WHERE status = 'PENDING'") == [(0,)]


async def test_a_stopped_worker_hands_back_what_is_still_on_its_way(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    pace = Pace(slots=4, urgent_slots=0, poll_seconds=0.05, stop_seconds=0.5)
    for number in range(6):
        await auth.bring(auth.verification(await auth.register(), f"user{number}@example.com"))

    async def are_under_way() -> bool:
        return await query("SELECT count(*) FROM notifications WHERE status = 'PROCESSING'") == [(4,)]

    async with slow_server(60) as port:
        async with working(pace, smtp_port=port):
            await until(are_under_way)
            await asyncio.sleep(0.5)  # so that they are on the wire
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 4
    assert await query("SELECT status, count(*) FROM notifications WHERE channel = 'EMAIL' GROUP BY 1") == [
        ("QUEUED", 6)
    ]
    of_mails = "provider IS DISTINCT FROM 'inbox'"
    assert await query(
        f"SELECT status, error_code, count(*) FROM delivery_attempts WHERE {of_mails} GROUP BY 1, 2"
    ) == [("UNKNOWN", "worker_stopped", 4)]
    assert await query("SELECT count(*) FROM notification_queue WHERE lease_until IS NOT NULL OR due_at > now()") == [
        (0,)
    ]
    async with working():
        await mailbox.wait_for("user0@example.com")


async def test_what_a_stopped_worker_had_not_begun_is_not_counted(
    auth: "AuthFeed", query: "Query", owner: Database, working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register()))
    await query("UPDATE notifications SET max_attempts = 1")

    async def is_claimed() -> bool:
        return await query("SELECT count(*) FROM notifications WHERE channel = 'EMAIL' AND status = 'PROCESSING'") == [
            (1,)
        ]

    async with owner.transaction() as transaction:  # its template cannot be read meanwhile
        await transaction.connection.execute(text("LOCK templates, template_versions IN ACCESS EXCLUSIVE MODE"))
        async with working(Pace(poll_seconds=0.05, stop_seconds=0.3)):
            await until(is_claimed)
    state = "SELECT status, attempts FROM notifications WHERE channel = 'EMAIL'"
    assert await query(state) == [("QUEUED", 0)]
    async with working():
        await mailbox.wait_for("ada@example.com")
    assert await query(state) == [("SENT", 1)]
    attempts = (
        "SELECT a.attempt_number, a.status FROM delivery_attempts a JOIN notifications n ON n.id = notification_id "
    )
    assert await query(attempts + "WHERE n.channel = 'EMAIL' ORDER BY 1") == [(1, "NOT_TRIED"), (2, "SUCCESS")]


async def test_a_broken_message_does_not_stop_the_others(
    auth: "AuthFeed", query: "Query", working: "Working", mailbox: Mailbox, until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register("bad@example.com"), "bad@example.com"))
    await query("UPDATE notifications SET variables = '{}' WHERE channel = 'EMAIL'")
    await auth.bring(auth.verification(await auth.register("good@example.com"), "good@example.com"))

    async def is_over() -> bool:
        return await undelivered(query) == 0

    async with working():
        await until(is_over)
        await mailbox.wait_for("good@example.com")
    broken = await query(
        "SELECT status, error_code, error_message FROM notifications WHERE recipient = 'bad@example.com'"
    )
    assert broken == [("FAILED", "template_fault", "UndefinedError")]


async def test_secrets_under_a_key_that_is_missing_wait_for_it(
    auth: "AuthFeed", query: "Query", working: "Working", until: "Until"
) -> None:
    await auth.bring(auth.verification(await auth.register()))
    await query("UPDATE notifications SET sealed_variables = '\\x0105' || sealed_variables WHERE channel = 'EMAIL'")

    async def has_failed() -> bool:
        return await query("SELECT error_code FROM delivery_attempts WHERE status = 'FAILURE'") == [("secrets_sealed",)]

    async with working():
        await until(has_failed)
    assert await query("SELECT status FROM notifications WHERE channel = 'EMAIL'") == [("QUEUED",)]


@asynccontextmanager
async def silent_server() -> "AsyncGenerator[int]":
    """Takes connections and says nothing."""
    open_connections: list[asyncio.StreamWriter] = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_connections:
            writer.close()


class Slow:
    """Takes every mail, after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.seconds)
        return "250 OK"


@asynccontextmanager
async def slow_server(seconds: float) -> "AsyncGenerator[int]":
    """An SMTP server that takes its time over each mail."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Slow(seconds), hostname="slow", loop=loop), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


VICTIM = """
import asyncio
from orion_notifications.delivery.dispatch import Pace
from orion_notifications.settings import NotificationSettings
from orion_notifications.worker import work
asyncio.run(work(NotificationSettings.load(), asyncio.Event(), pace=Pace(lease_seconds=2, send_seconds=30)))
"""


def _environment(settings: Any, smtp_port: int) -> dict[str, str]:
    def keys(keyring: Any) -> str:
        return ",".join(f"{key_id}:{b64encode(key).decode()}" for key_id, key in keyring.keys.items())

    return os.environ | {
        "NOTIFICATION_DATABASE_URL": settings.database_url,
        "NOTIFICATION_SEALING_KEYS": keys(settings.sealing_keys),
        "EVENT_SEALING_KEYS": keys(settings.event_sealing_keys),
        "USER_EVENT_SEALING_KEYS": keys(settings.user_event_sealing_keys),
        "NOTIFICATION_SERVICE_KEY": "unused",
        "NOTIFICATION_SMTP_PORT": str(smtp_port),
    }
