"""SIGKILL of anything at any moment: what was acknowledged is there afterwards, once."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import psutil
import pytest

from orion_core.local.mailbox import Channel, Mailbox
from orion_notifications.delivery.dispatch import Pace

if TYPE_CHECKING:
    from tests.conftest import Platform, StartPlatform

pytestmark = pytest.mark.slow

REGISTRATIONS = 1000
CLIENTS = 6
PASSWORD = "correct horse battery staple"
SETTLED_SECONDS = 90

# All clients of this test come from one address, and an address may register 120 times an hour.
WIDEN_LIMITS = "UPDATE rate_limit_policies SET \"limit\" = 1000, window_seconds = 1 WHERE key_type = 'IP'"
IDENTITIES = "SELECT email FROM identities"
CURSORS = "SELECT source, position FROM inbox_cursors"
PROFILES = "SELECT email, count(*) FROM users GROUP BY email"
ROLES = "SELECT count(*) FROM users u WHERE (SELECT count(*) FROM user_roles r WHERE r.user_id = u.id) <> 1"
MAILS = """
    SELECT recipient, count(*) FROM notifications
    WHERE channel = 'EMAIL' AND type LIKE '%verification%' AND status IN ('SENT', 'DELIVERED') GROUP BY recipient
"""
# Tries of which nobody knows whether the mail had left: those that were in a worker's hands when it was killed.
IN_DOUBT = """
    SELECT n.recipient, count(*) FROM delivery_attempts a JOIN notifications n ON n.id = a.notification_id
    WHERE n.channel = 'EMAIL' AND n.type LIKE '%verification%' AND a.status = 'UNKNOWN' GROUP BY n.recipient
"""
UNFINISHED = "SELECT count(*) FROM notifications WHERE status IN ('QUEUED', 'PROCESSING')"


class Killer:
    """Kills one process of the platform after the other, of every kind, in the midst of registrations."""

    def __init__(self, platform: "Platform") -> None:
        self.platform = platform
        self.killed: Counter[str] = Counter()
        self.random = random.Random(20261123)
        self._names: list[str] = []
        self._patience = 0

    def registered(self) -> None:
        """One more is acknowledged. Every so many, something dies a moment later; the supervisor brings it back."""
        self._patience -= 1
        if self._patience <= 0:
            self._patience = self.random.randint(10, 50)
            asyncio.get_running_loop().call_later(self.random.uniform(0, 0.3), self._kill_next)

    def _kill_next(self) -> None:
        if not self._names:
            self._names = ["postgres", "worker", "auth", "user", "notifications", "mailbox", "worker"]
            self.random.shuffle(self._names)
        name = self._names.pop()
        if self.platform.process.poll() is not None:
            return  # the process ids that it has left may be somebody else's by now
        if (pid := self.platform.state["pids"].get(name)) is not None:
            self._kill(pid, name)

    def _kill(self, pid: int, name: str) -> None:
        try:
            victims = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            victim = self.random.choice(victims if name != "postgres" else victims[:1])
            victim.send_signal(signal.SIGKILL)
            self.killed[name] += 1
        except psutil.NoSuchProcess:
            pass


async def register(http: httpx.AsyncClient, url: str, email: str) -> None:
    """Register until it is acknowledged, as a patient client does."""
    body = {"email": email, "password": PASSWORD, "locale": "en", "timezone": "UTC"}
    key = {"Idempotency-Key": f"register {email}"}  # so that a lost answer is no second registration
    while True:
        try:
            answer = await http.post(f"{url}/auth/v1/identities", json=body, headers=key)
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
            continue
        if answer.status_code == 202:
            return
        assert answer.status_code in {429, 503}, answer.text
        await asyncio.sleep(float(answer.headers.get("Retry-After", "0.2")))


async def rows(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def register_many(killer: Killer, emails: list[str]) -> None:
    waiting = iter(emails)

    async def client(http: httpx.AsyncClient) -> None:
        for email in waiting:
            await register(http, killer.platform.urls["auth"], email)
            killer.registered()

    async with httpx.AsyncClient(timeout=20) as http:
        await asyncio.gather(*(client(http) for _ in range(CLIENTS)))


async def settled(platform: "Platform", wanted: int) -> dict[str, Any]:
    """Wait until every profile and every mail is there and nothing is under way; what is there then."""
    user, notifications = (platform.owner_url(f"{name}_DATABASE_OWNER_URL") for name in ("USER", "NOTIFICATION"))
    deadline = asyncio.get_running_loop().time() + SETTLED_SECONDS
    while True:
        profiles = dict(await rows(user, PROFILES))
        mails = dict(await rows(notifications, MAILS))
        unfinished = (await rows(notifications, UNFINISHED))[0][0]
        done = len(mails) >= wanted and len(profiles) >= wanted and not unfinished
        if done or asyncio.get_running_loop().time() > deadline:
            return {"profiles": profiles, "mails": mails, "unfinished": unfinished}
        await asyncio.sleep(0.3)


async def test_every_acknowledged_registration_survives_any_kill(start_platform: "StartPlatform") -> None:
    async with Mailbox.running() as sink:
        smtp = {"NOTIFICATION_SMTP_HOST": "127.0.0.1", "NOTIFICATION_SMTP_PORT": str(sink.smtp_port)}
        platform = start_platform(**smtp)
        killer = Killer(platform)
        emails = [f"kill{number}@example.com" for number in range(REGISTRATIONS)]
        half = REGISTRATIONS // 2
        await rows(platform.owner_url("AUTH_DATABASE_OWNER_URL"), WIDEN_LIMITS)
        await register_many(killer, emails[:half])

        # The one that starts all others: everything goes with it, and a second `orion up` takes over.
        platform.process.kill()
        await asyncio.to_thread(platform.process.wait)
        platform = start_platform(**smtp)
        killer.platform = platform
        await register_many(killer, emails[half:])

        found = await settled(platform, REGISTRATIONS)
        assert found["unfinished"] == 0
        # In the order in which they follow from each other, so that a failure says where something was lost.
        identities = {row["email"] for row in await rows(platform.owner_url("AUTH_DATABASE_OWNER_URL"), IDENTITIES)}
        assert identities >= set(emails), "auth lost what it acknowledged"
        assert found["profiles"].keys() >= set(emails), await rows(
            platform.owner_url("USER_DATABASE_OWNER_URL"), CURSORS
        )
        assert {email: found["profiles"][email] for email in emails} == dict.fromkeys(emails, 1)
        assert (await rows(platform.owner_url("USER_DATABASE_OWNER_URL"), ROLES))[0][0] == 0
        assert {email: found["mails"].get(email) for email in emails} == dict.fromkeys(emails, 1)

        sent = Counter(message.to[0] for message in sink.box.find(channel=Channel.EMAIL))
        assert set(emails) <= sent.keys()
        # A mail that was in flight when its worker was killed is sent again, once: the server may have it, and nobody
        # can know. Every duplicate is one of those, and a worker has no more of them than it has slots.
        in_doubt = Counter(dict(await rows(platform.owner_url("NOTIFICATION_DATABASE_OWNER_URL"), IN_DOUBT)))
        unexplained = {email: sent[email] - 1 for email in emails if sent[email] - 1 > in_doubt[email]}
        assert unexplained == {}
        workers_ended = killer.killed["worker"] + killer.killed["postgres"] + 1
        assert in_doubt.total() <= workers_ended * Pace().slots, (in_doubt, killer.killed)
        assert all(killer.killed[name] for name in ("postgres", "worker", "auth", "user", "notifications"))


def test_nothing_is_left_running_when_the_platform_is_killed(start_platform: "StartPlatform") -> None:
    platform = start_platform()
    processes = [psutil.Process(pid) for pid in platform.state["pids"].values()]
    processes += [child for process in processes for child in process.children(recursive=True)]
    os.kill(platform.process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process.name() for process in alive] == []


def test_two_platforms_in_one_folder_are_refused_clearly(start_platform: "StartPlatform") -> None:
    platform = start_platform()
    command = [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", str(platform.directory)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 3
    assert f"process {platform.process.pid}" in second.stderr
    assert platform.stop() == 0
