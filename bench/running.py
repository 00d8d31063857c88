"""What the benches of auth share: an `orion up` that is thrown away, users in it, and a client that costs little."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import psutil
from argon2 import PasswordHasher

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Platform:
    """A running Orion."""

    urls: dict[str, str]
    pids: dict[str, int]
    database_url: str
    """Of auth's database, as its superuser."""

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[asyncpg.Connection]:
        """A look into auth's database, and a hand in it."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()

    async def make_users(self, prefix: str, count: int, *, status: str = "ACTIVE") -> list[str]:
        """The addresses of that many new users, all with `PASSWORD`; those who are not PENDING have verified theirs."""
        emails = [f"{prefix}{n}@bench.example.com" for n in range(count)]
        async with self.database() as connection:
            await connection.execute(
                "INSERT INTO identities (email, password_hash, password_changed_at, status, email_verified_at, locale)"
                " SELECT email, $2, now(), $3::identity_status, CASE WHEN $3 = 'PENDING' THEN NULL ELSE now() END, 'en'"
                " FROM unnest($1::text[]) AS email",
                emails,
                HASHER.hash(PASSWORD),
                status,
            )
        return emails

    def memory(self) -> int:
        """Bytes that auth's processes hold, shared pages shared out among them (the kernel adds them up)."""
        process = psutil.Process(self.pids["auth"])
        told = (
            Path(f"/proc/{part.pid}/smaps_rollup").read_text() for part in (process, *process.children(recursive=True))
        )
        return sum(int(re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)[0]) * 1024 for text in told)

    def processor_seconds(self, name: str) -> float:
        """Processor time that a service has taken so far."""
        process, seconds = psutil.Process(self.pids[name]), 0.0
        for part in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # PostgreSQL's come and go
                seconds += sum(part.cpu_times()[:2])
        return seconds


@contextmanager
def platform() -> Generator[Platform]:
    """Start everything in a folder that is thrown away, and stop it."""
    with TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            assert up.stdout is not None
            try:
                summary = json.loads(up.stdout.readline())
                state = json.loads(Path(summary["state_file"]).read_text())
                yield Platform(state["urls"], state["pids"], state["environment"]["AUTH_DATABASE_OWNER_URL"])
            finally:
                up.send_signal(signal.SIGINT)


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


class Wire:
    """One connection that stays open, from an address of one's own on the loopback network."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any = None, *, form: str | None = None, **headers: str) -> Answer:
        """POST JSON, or a form."""
        payload = form.encode() if form is not None else json.dumps(body).encode()
        kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
        named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        described = f"Content-Type: {kind}\r\nContent-Length: {len(payload)}\r\n{named}"
        head = f"POST {path} HTTP/1.1\r\nHost: auth\r\n{described}\r\n"
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._to, local_addr=(self._address, 0))
        began = time.perf_counter()
        self._writer.write(head.encode() + payload)
        status, answered, content = await self._answer()
        return Answer(status, answered, content, time.perf_counter() - began)

    async def _answer(self) -> tuple[int, dict[str, str], bytes]:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        content = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, content

    async def sign_in(self, email: str, password: str, **more: str) -> Answer:
        """Try to sign in."""
        return await self.post("/auth/v1/sessions", {"email": email, "password": password} | more)

    async def refresh(self, token: str) -> Answer:
        """Use a refresh token."""
        return await self.post("/auth/oauth2/token", form=f"grant_type=refresh_token&refresh_token={token}")

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
