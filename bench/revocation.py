"""How soon an end is felt: by each service, from the moment it was asked for until the token is refused. Prints JSON.

Ends one session from another one, an API key at user, and all sessions of a user at once by his security epoch.
Starts an `orion up` of its own in a folder that it throws away: real processes, each following auth's feed by itself.
"""

import asyncio
import json
import secrets
import signal
import statistics
import subprocess
import sys
import time
from http import HTTPStatus
from tempfile import TemporaryDirectory
from typing import Any

import httpx

USERS = 100
CLIENTS = 4
LIMIT_MS = 1000
PASSWORD = secrets.token_urlsafe(16)

Headers = dict[str, str]


class Ends:
    """A user who signs in and out, from an address of his own: one that many share looks risky."""

    def __init__(self, http: httpx.AsyncClient, urls: dict[str, str], milliseconds: dict[str, list[float]]) -> None:
        self.http = http
        self.mailbox, self.auth, self.user = urls["mailbox"], urls["auth"], urls["user"]
        self.asked = {
            "auth": f"{urls['auth']}/auth/v1/sessions/current",
            "user": f"{urls['user']}/user/v1/me",
            "notifications": f"{urls['notifications']}/notifications/v1/me/notifications",
        }
        self.milliseconds = milliseconds

    async def walk(self) -> None:
        """Three ends of one user."""
        email = await self.registered()
        first, second, third = [await self.signed_in(email) for _ in range(3)]
        for headers in (first, second, third):
            await asyncio.gather(*(self.until(url, headers, HTTPStatus.OK) for url in self.asked.values()))
        session = (await self.http.get(self.asked["auth"], headers=first)).json()["id"]
        await self.end("one_session", f"{self.auth}/auth/v1/sessions/{session}", second, first)
        await self.end_key(second)
        await self.end("all_by_epoch", f"{self.auth}/auth/v1/sessions?all=true", second, third)

    async def end(self, what: str, url: str, ending: Headers, ended: Headers) -> None:
        """Ask for an end, and note how long each service still takes the token."""
        began = time.perf_counter()

        async def felt(service: str) -> float:
            await self.until(self.asked[service], ended, HTTPStatus.UNAUTHORIZED)
            took = (time.perf_counter() - began) * 1000
            self.milliseconds.setdefault(f"{what}.{service}", []).append(took)
            return took

        watching = [asyncio.create_task(felt(service)) for service in self.asked]
        (await self.http.delete(url, headers=ending)).raise_for_status()
        self.milliseconds.setdefault(f"{what}.everywhere", []).append(max(await asyncio.gather(*watching)))

    async def end_key(self, owner: Headers) -> None:
        """The same of a key: its token is refused for what it may not (403) until it is refused altogether (401)."""
        url, wanted = f"{self.user}/user/v1/me/api-keys", {"name": "bench", "scopes": ["content:read"]}
        made = (await self.http.post(url, headers=owner, json=wanted)).raise_for_status().json()
        form, client = {"grant_type": "client_credentials"}, (made["client_id"], made["key"])
        asked = f"{self.auth}/auth/oauth2/token"
        async with asyncio.timeout(30):
            while (token := await self.http.post(asked, data=form, auth=client)).is_error:  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.1)  # auth has not heard of the key yet
        program = {"Authorization": f"Bearer {token.json()['access_token']}"}
        await asyncio.gather(*(self.until(asked, program, HTTPStatus.FORBIDDEN) for asked in self.asked.values()))
        await self.end("api_key", f"{url}/{made['id']}", owner, program)

    async def until(self, url: str, headers: Headers, status: HTTPStatus) -> None:
        """Ask until the answer is that."""
        async with asyncio.timeout(30):
            while (await self.http.get(url, headers=headers)).status_code != status:  # noqa: ASYNC110 - the other side is another process
                await asyncio.sleep(0.005)

    async def registered(self) -> str:
        """A new user's address, verified."""
        email = f"bench-{secrets.token_hex(6)}@example.com"
        await self.post("identities", {"email": email, "password": PASSWORD, "locale": "en", "timezone": "UTC"})
        mails = await self.http.get(f"{self.mailbox}/messages", params={"to": email, "wait": 20})
        mail = mails.raise_for_status().json()["messages"][0]
        code = next(word for word in mail["text"].split() if word.isdigit() and len(word) == 6)
        await self.post("email-verifications", {"email": email, "code": code})
        return email

    async def signed_in(self, email: str) -> Headers:
        """The header of a new session."""
        session = await self.post("sessions", {"email": email, "password": PASSWORD})
        return {"Authorization": f"Bearer {session.json()['access_token']}"}

    async def post(self, path: str, body: dict[str, str]) -> httpx.Response:
        """POST that must succeed."""
        return (await self.http.post(f"{self.auth}/auth/v1/{path}", json=body)).raise_for_status()


async def measure(urls: dict[str, str]) -> dict[str, Any]:
    """Several clients share the users."""
    milliseconds: dict[str, list[float]] = {}
    walks = iter(range(USERS))

    async def client() -> None:
        for n in walks:
            transport = httpx.AsyncHTTPTransport(local_address=f"127.0.1.{n + 1}")
            async with httpx.AsyncClient(timeout=30, transport=transport) as http:
                await Ends(http, urls, milliseconds).walk()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    figures: dict[str, Any] = {"ends_of_each_kind": USERS, "clients": CLIENTS}
    for name, took in sorted(milliseconds.items()):
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        figures[name] = {"p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "max_ms": round(max(took), 1)}
        figures["within_a_second"] = figures.get("within_a_second", True) and p99 < LIMIT_MS
    return figures


def main() -> int:
    """Start everything, measure, stop; 1 when an end takes too long to be felt."""
    with TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            assert up.stdout is not None
            try:
                figures = asyncio.run(measure(json.loads(up.stdout.readline())["urls"]))
            finally:
                up.send_signal(signal.SIGINT)
    print(json.dumps(figures))
    return 0 if figures["within_a_second"] else 1


if __name__ == "__main__":
    sys.exit(main())
