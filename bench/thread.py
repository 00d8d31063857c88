"""The thread through everything: how fast each step is, and how soon a sign-out is felt everywhere. Prints JSON.

Starts an `orion up` of its own in a folder that it throws away.
"""

import asyncio
import json
import secrets
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory
from typing import Any

import httpx

REGISTRATIONS = 100
CLIENTS = 4
PASSWORD = secrets.token_urlsafe(16)


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    """Ask until yes."""
    async with asyncio.timeout(30):
        while not await ask():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.005)


class Thread:
    """One person after the other, from registration to sign-out."""

    def __init__(self, http: httpx.AsyncClient, urls: dict[str, str]) -> None:
        self.http = http
        self.auth, self.user, self.notifications = (urls[name] for name in ("auth", "user", "notifications"))
        self.mailbox = urls["mailbox"]
        self.seconds: dict[str, list[float]] = {}

    async def timed(self, name: str, work: Awaitable[Any]) -> Any:
        """Note how long it takes."""
        began = time.perf_counter()
        result = await work
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)
        return result

    async def walk(self) -> None:
        """The whole way, once."""
        email = f"bench-{secrets.token_hex(6)}@example.com"
        registration = {"email": email, "password": PASSWORD, "locale": "en", "timezone": "UTC"}
        await self.timed("register", self.post(f"{self.auth}/auth/v1/identities", registration))
        mail = await self.timed("mail_arrives", self.mail(email))
        code = next(word for word in mail["text"].split() if word.isdigit() and len(word) == 6)
        await self.timed(
            "verify", self.post(f"{self.auth}/auth/v1/email-verifications", {"email": email, "code": code})
        )
        credentials = {"email": email, "password": PASSWORD}
        session = await self.timed("sign_in", self.post(f"{self.auth}/auth/v1/sessions", credentials))
        headers = {"Authorization": f"Bearer {session.json()['access_token']}"}
        await eventually(lambda: self.is_answered(f"{self.user}/user/v1/me", headers))
        await self.timed("me", self.http.get(f"{self.user}/user/v1/me", headers=headers))
        inbox = f"{self.notifications}/notifications/v1/me/notifications"
        await self.timed("messages", self.http.get(inbox, headers=headers))
        (await self.http.delete(f"{self.auth}/auth/v1/sessions/current", headers=headers)).raise_for_status()
        everywhere = asyncio.gather(
            *(eventually(lambda url=url: self.is_refused(url, headers)) for url in (f"{self.user}/user/v1/me", inbox))
        )
        await self.timed("refused_everywhere", everywhere)

    async def post(self, url: str, body: dict[str, str]) -> httpx.Response:
        """POST that must succeed."""
        return (await self.http.post(url, json=body)).raise_for_status()

    async def mail(self, email: str) -> dict[str, Any]:
        """The verification mail, waited for."""
        answer = await self.http.get(f"{self.mailbox}/messages", params={"to": email, "wait": 20})
        return answer.raise_for_status().json()["messages"][0]

    async def is_answered(self, url: str, headers: dict[str, str]) -> bool:
        """Whether there is an answer."""
        return (await self.http.get(url, headers=headers)).is_success

    async def is_refused(self, url: str, headers: dict[str, str]) -> bool:
        """Whether the token is refused."""
        return (await self.http.get(url, headers=headers)).status_code == 401


async def measure(summary: dict[str, Any]) -> dict[str, Any]:
    """Several clients share the walks."""
    async with httpx.AsyncClient(timeout=30) as http:
        thread = Thread(http, summary["urls"])
        walks = iter(range(REGISTRATIONS))

        async def client() -> None:
            for _ in walks:
                await thread.walk()

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        elapsed = time.perf_counter() - began
    figures: dict[str, Any] = {
        "ready_after_s": summary["seconds"],
        "clients": CLIENTS,
        "walks_per_second": round(REGISTRATIONS / elapsed, 1),
    }
    for name, seconds in thread.seconds.items():
        p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        figures[name] = {"p50_ms": round(p50 * 1000, 1), "p99_ms": round(p99 * 1000, 1)}
    return figures


def main() -> None:
    """Start everything, measure, stop."""
    with TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            assert up.stdout is not None
            try:
                print(json.dumps(asyncio.run(measure(json.loads(up.stdout.readline())))))
            finally:
                up.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
