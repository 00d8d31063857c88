"""Refreshes and token checks per second over HTTP, and what PostgreSQL alone does with the same statement. Prints JSON.

`orion serve auth` as it is deployed, with as many workers as there are processors, and beside it on the same processors
the database and the clients: bare protocols that do no more than check each answer and send its token next. Then the
same with next to nothing around the statement (`refresh_floor.py`), and pgbench with the statement of a refresh itself
(`refresh_tokens/store.py`), over lines of tokens of its own. The limit of ten refreshes a minute and user is on in all
of them: there are users enough.

    python bench/auth_refresh.py [seconds [clients]]
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import uvloop
from running import PASSWORD, Platform, percentile, platform

from orion_auth.refresh_tokens import store
from orion_core.local import cluster
from orion_core.secrets import hash_secret, new_secret, new_selector

SECONDS, CLIENTS = 6.0, 16
USERS = 6000
LINES = 1000
"""Of tokens that each client of pgbench rotates in turn."""

IDENTITIES = """
    INSERT INTO identities (id, email, status, email_verified_at, locale)
    SELECT id, id || '@bench.example.com', 'ACTIVE', now(), 'en' FROM unnest($1::uuid[]) AS id
"""
TOKENS = """
    INSERT INTO auth_tokens (
      id, family_id, type, user_id, session_id, client_id, token, token_hash, issued_at, expires_at, session_started_at,
      auth_time, amr, idle_seconds, idle_until, security_epoch
    )
    SELECT
      line.id, line.id, 'REFRESH', line.user_id, gen_random_uuid(), 'orion', line.token, line.token_hash, now(),
      now() + interval '30 days', now(), now(), '{pwd}', 1209600, now() + interval '14 days', 0
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS line (id, user_id, token, token_hash)
"""
PGBENCH = r"""
\set turn :turn + 1
\set line :client_id * {lines} + :turn % {lines}
\set selector (1000000 + :line) * 1000000 + :turn / {lines}
\set next :selector + 1
{statement};
"""
IN_PGBENCH = {
    "selector": "ARRAY[CAST(:selector AS text)]",
    "token_hash": "ARRAY[sha256(convert_to(CAST(:selector AS text), 'UTF8'))]",
    "client": "ARRAY[sha256('pgbench')]",
    "key": "ARRAY[NULL]",
    "scopes": "ARRAY['']",
    "address": "ARRAY[inet '127.0.0.1']",
    "agent": "ARRAY['pgbench']",
    "new_id": "ARRAY[gen_random_uuid()]",
    "new_selector": "ARRAY[CAST(:next AS text)]",
    "new_hash": "ARRAY[sha256(convert_to(CAST(:next AS text), 'UTF8'))]",
    "now": "now()",
}
"""What stands in the place of each parameter: the tokens of a line are numbered, so that pgbench can reckon them."""

HERE = Path(__file__).parent
FLOOR = "granian", "--interface=asgi", "--http=1", "--no-ws", "--loop=uvloop", "refresh_floor:application"

Sent = tuple[bytes, Callable[[int, bytes], None]]
"""A request, and what is done with its answer."""


class Client(asyncio.Protocol):
    """One connection that asks and asks, until there is nothing to ask any more."""

    def __init__(self, following: Callable[[], Sent | None], milliseconds: list[float]) -> None:
        self._following = following
        self._milliseconds = milliseconds
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        following = self._following()
        if following is None:
            self._transport.close()
            self.done.set_result(None)
            return
        request, self._answered = following
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            return
        self._milliseconds.append((time.perf_counter() - self._began) * 1000)
        self._received = b""
        self._answered(int(head[9:12]), body)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


async def load(url: str, clients: int, following: Callable[[], Sent | None]) -> tuple[list[float], float]:
    """How long each answer took, and how long all of them."""
    parts, loop, milliseconds = urlsplit(url), asyncio.get_running_loop(), list[float]()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Client(following, milliseconds), parts.hostname, parts.port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in made))
    return milliseconds, time.perf_counter() - began


class Tabs:
    """Sessions that are refreshed one after the other; each is in one client's hands at a time."""

    def __init__(self, tokens: list[str], seconds: float) -> None:
        self._tokens = tokens
        self._turns = cycle(range(len(tokens)))
        self._until = time.perf_counter() + seconds
        self.access_tokens: list[str] = []

    def refresh(self) -> Sent | None:
        """The next refresh."""
        if time.perf_counter() >= self._until:
            return None
        turn = next(self._turns)
        body = f"grant_type=refresh_token&refresh_token={self._tokens[turn]}&device_id=bench"
        head = (
            "POST /auth/oauth2/token HTTP/1.1\r\nHost: auth\r\nUser-Agent: bench\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )

        def answered(status: int, answer: bytes) -> None:
            assert status == 200, answer
            told = json.loads(answer)
            self._tokens[turn] = told["refresh_token"]
            if len(self.access_tokens) < 256:
                self.access_tokens.append(told["access_token"])

        return (head + body).encode(), answered


def reading(path: str, access_tokens: list[str], seconds: float) -> Callable[[], Sent | None]:
    """Reads of `path` with one token after the other."""
    until, tokens = time.perf_counter() + seconds, cycle(access_tokens)

    def answered(status: int, answer: bytes) -> None:
        assert status == 200, answer

    def read() -> Sent | None:
        if time.perf_counter() >= until:
            return None
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {next(tokens)}\r\n\r\n"
        return head.encode(), answered

    return read


@contextmanager
def served(
    running: Platform, name: str, *, port: int | None = None, workers: int | None = None
) -> Generator[tuple[str, psutil.Process]]:
    """A service with as many workers as there are processors, on a port of its own; `floor` is `refresh_floor.py`."""
    port, workers = port or free_port(), workers or os.cpu_count() or 1
    environment = psutil.Process(running.pids[name if name in running.pids else "auth"]).environ()
    environment.pop("ORION_SUPERVISED", None)  # its standard input is no pipe of ours
    environment["FLOOR_DATABASE_URL"] = running.database_url
    command = [sys.executable, "-m", *(FLOOR if name == "floor" else ("orion_cli", "serve", name))]
    bound = ["--port", str(port), "--workers", str(workers)]
    with subprocess.Popen([*command, *bound], env=environment, stdout=subprocess.DEVNULL, cwd=HERE) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(4 * workers):  # so that each of the workers has answered
                while not is_ready(url):
                    assert process.poll() is None, f"{name} has ended"
                    time.sleep(0.1)
            yield url, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def is_ready(url: str) -> bool:
    """Whether somebody is there and ready."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def spent(*processes: psutil.Process) -> float:
    """Processor seconds that these and their children have taken so far."""
    every = [part for process in processes for part in (process, *process.children(recursive=True))]
    return sum(sum(part.cpu_times()[:2]) for part in every)


async def measured(
    url: str, clients: int, following: Callable[[], Sent | None], server: psutil.Process, database: psutil.Process
) -> dict[str, Any]:
    """Requests a second, how long they took, and the processor time of each part."""
    before = spent(server), spent(database), time.process_time()
    milliseconds, elapsed = await load(url, clients, following)
    after = spent(server), spent(database), time.process_time()
    names = ("service", "postgres", "client")
    each = {name: (b - a) / len(milliseconds) for name, a, b in zip(names, before, after, strict=True)}
    return {
        "per_second": round(len(milliseconds) / elapsed),
        "p50_ms": round(percentile(milliseconds, 0.5), 2),
        "p99_ms": round(percentile(milliseconds, 0.99), 2),
        "processor_us_each": {name: round(seconds * 1e6) for name, seconds in each.items()},
    }


async def sign_in(running: Platform, secrets_of: list[tuple[str, str]], users: list[str] | None = None) -> list[str]:
    """A session for each pair of selector and secret, without the passwords that would cost more than all the rest."""
    selectors, hashes = [selector for selector, _ in secrets_of], [hash_secret(secret) for _, secret in secrets_of]
    async with running.database() as connection:
        if users is None:
            users = [str(uuid4()) for _ in secrets_of]
            await connection.execute(IDENTITIES, users)
        await connection.execute(TOKENS, [str(uuid4()) for _ in users], users, selectors, hashes)
        await connection.execute("VACUUM ANALYZE auth_tokens, identities")
    return [f"{selector}.{secret}" for selector, secret in secrets_of]


async def known_to_all(running: Platform, email: str) -> str:
    """The id of a user who has registered, so that user knows him too."""
    async with httpx.AsyncClient(base_url=running.urls["auth"]) as http:
        body = {"email": email, "password": PASSWORD, "locale": "en", "timezone": "UTC"}
        (await http.post("/auth/v1/identities", json=body)).raise_for_status()
    async with running.database() as connection:
        query = "UPDATE identities SET status = 'ACTIVE', email_verified_at = now() WHERE email = $1 RETURNING id"
        return str(await connection.fetchval(query, email))


def pgbench(running: Platform, clients: int, seconds: float) -> int:
    """Refreshes a second by the statement alone."""
    names = [name for name, _ in store.ROTATE.parameters]
    statement = re.sub(r"\$(\d+)", lambda place: IN_PGBENCH[names[int(place[1]) - 1]], store.ROTATE.sql)
    with TemporaryDirectory() as folder:
        script = Path(folder, "refresh.sql")
        script.write_text(PGBENCH.format(lines=LINES, statement=statement.strip()))
        command = [cluster.binaries() / "pgbench", "--no-vacuum", "--protocol=prepared", "--define=turn=-1"]
        counts = [f"--client={clients}", "--jobs=2", f"--time={seconds:.0f}", f"--file={script}"]
        told = subprocess.run([*command, *counts, running.database_url], check=True, capture_output=True, text=True)
    return round(float(re.findall(r"tps = ([\d.]+)", told.stdout)[0]))


async def run(running: Platform, seconds: float, clients: int) -> dict[str, Any]:
    """All of them, one after the other."""
    database = psutil.Process(running.pids["postgres"])
    tokens = await sign_in(running, [(new_selector(), new_secret()) for _ in range(USERS)])
    figures: dict[str, Any] = {"processors": os.cpu_count(), "clients": clients}
    someone = await known_to_all(running, "bench@bench.example.com")
    with served(running, "auth") as (url, server):
        await load(url, clients, Tabs(tokens, 1).refresh)
        tabs = Tabs(tokens, seconds)
        figures["refreshes"] = await measured(url, clients, tabs.refresh, server, database)
        own = Tabs(await sign_in(running, [(new_selector(), new_secret())], [someone]), 0.01)
        await load(url, 1, own.refresh)
        read = reading("/auth/v1/sessions/current", tabs.access_tokens, seconds)
        figures["checks_by_auth"] = await measured(url, clients, read, server, database)
    with served(running, "floor") as (url, server):
        await load(url, clients, Tabs(tokens, 1).refresh)
        figures["refreshes_at_most"] = await measured(url, clients, Tabs(tokens, seconds).refresh, server, database)
    with served(running, "user") as (url, server):
        await load(url, clients, reading("/user/v1/me", own.access_tokens, 1))
        read = reading("/user/v1/me", own.access_tokens, seconds)
        figures["checks_by_user"] = await measured(url, clients, read, server, database)
    numbered = [str((1_000_000 + line) * 1_000_000) for line in range(clients * LINES)]
    await sign_in(running, [(number, number) for number in numbered])
    figures["statement_alone_per_second"] = pgbench(running, clients, seconds)
    async with running.database() as connection:
        rotated = "SELECT count(*) FROM auth_tokens WHERE user_agent = 'pgbench'"
        assert await connection.fetchval(rotated) > figures["statement_alone_per_second"] * (seconds - 1)
    return figures


if __name__ == "__main__":
    given = sys.argv[1:]
    with platform() as started:
        figures = run(started, float(given[0]) if given else SECONDS, int(given[1]) if given[1:] else CLIENTS)
        print(json.dumps(uvloop.run(figures), indent=2))
