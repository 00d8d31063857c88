"""Running code under load through a deploy of the next version's migrations, and back: no request may fail."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest
from tests.upgrade.next_version import next_version

import orion_db
from orion_core.seeds import SAMPLE_PASSWORD, SAMPLE_USERS
from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.conftest import Platform

pytestmark = pytest.mark.slow

EMAIL = SAMPLE_USERS[1].email
PASSWORD = "correct horse battery staple"
AWAITED_SECONDS = 60

# The limits are for people; here one address signs in as often as it can.
NO_LIMITS = 'UPDATE rate_limit_policies SET "limit" = 1000000'
SENT = """
    SELECT count(*) FILTER (WHERE status IN ('SENT', 'DELIVERED')) AS sent, count(*) AS queued
    FROM notifications WHERE channel = 'EMAIL' AND recipient LIKE 'upgrade%'
"""


class Load:
    """Clients that register (which sends a mail), sign in, read and sign out, one request after the other."""

    def __init__(self, platform: "Platform") -> None:
        self.urls = platform.urls
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self.slowest = 0.0
        self._stop = asyncio.Event()
        self._moved = asyncio.Condition()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(timeout=30) as http:
            clients = [asyncio.create_task(self._visit(http)) for _ in range(3)]
            clients += [asyncio.create_task(self._register(http))]
            try:
                yield
            finally:
                self._stop.set()
                await asyncio.gather(*clients)

    async def advances(self, rounds: int = 5) -> None:
        """Wait until every kind of request has been made some times more."""
        wanted = {kind: self.done[kind] + rounds for kind in ("register", "sign in", "me", "inbox", "sign out")}
        async with asyncio.timeout(AWAITED_SECONDS), self._moved:
            await self._moved.wait_for(
                lambda: self.failed or all(self.done[kind] >= count for kind, count in wanted.items())
            )

    async def _visit(self, http: httpx.AsyncClient) -> None:
        while not self._stop.is_set():
            credentials = {"email": EMAIL, "password": SAMPLE_PASSWORD}
            session = await self._request(http, "sign in", "POST", "auth", "/auth/v1/sessions", json=credentials)
            token = {"Authorization": f"Bearer {session.json().get('access_token')}"}
            await self._request(http, "me", "GET", "user", "/user/v1/me", headers=token)
            path = "/notifications/v1/me/notifications"
            await self._request(http, "inbox", "GET", "notifications", path, headers=token)
            await self._request(http, "sign out", "DELETE", "auth", "/auth/v1/sessions/current", headers=token)

    async def _register(self, http: httpx.AsyncClient) -> None:
        while not self._stop.is_set():
            body = {"email": f"upgrade{self.done['register']}@example.com", "password": PASSWORD}
            await self._request(http, "register", "POST", "auth", "/auth/v1/identities", json=body)

    async def _request(
        self, http: httpx.AsyncClient, kind: str, method: str, service: str, path: str, **words: object
    ) -> httpx.Response:
        started = time.perf_counter()
        answer = await http.request(method, self.urls[service] + path, **words)  # pyright: ignore[reportArgumentType]
        self.slowest = max(self.slowest, time.perf_counter() - started)
        if not answer.is_success:
            self.failed.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
        async with self._moved:
            self.done[kind] += 1
            self._moved.notify_all()
        return answer


async def test_no_request_fails_through_a_deploy_of_the_next_version_and_back(
    platform: "Platform", tmp_path: Path
) -> None:
    targets = [
        orion_db.Target(
            next_version(service, tmp_path),
            url=platform.owner_url(service.url_variable),
            owner_url=platform.owner_url(service.owner_url_variable),
        )
        for service in installed_services().values()
    ]
    before = {target.service.name: (await orion_db.status(target)).applied[-1].name for target in targets}
    await _execute(platform, "AUTH", NO_LIMITS)
    load = Load(platform)
    async with load.running():
        await load.advances()
        for target in targets:
            await orion_db.deploy(target, phase="pre")
            await load.advances()
        for target in targets:
            await orion_db.rollback(target, to=before[target.service.name], discard_rows=True)
            await load.advances()
    assert load.failed == []
    assert load.slowest < 5, "somebody queued behind a lock for longer than a deploy may wait for one"
    for target in targets:
        assert (await orion_db.status(target)).applied[-1].name == before[target.service.name]
    assert await _mails(platform, load.done["register"]) == load.done["register"]


async def _execute(platform: "Platform", service: str, statement: str) -> asyncpg.Record | None:
    connection = await asyncpg.connect(platform.owner_url(f"{service}_DATABASE_OWNER_URL"))
    try:
        return await connection.fetchrow(statement)
    finally:
        await connection.close()


async def _mails(platform: "Platform", wanted: int) -> int:
    """How many verification mails have been sent, once nothing is under way any more."""
    async with asyncio.timeout(AWAITED_SECONDS):
        while True:
            row = await _execute(platform, "NOTIFICATION", SENT)
            assert row is not None
            if row["sent"] >= wanted:
                return row["sent"]
            await asyncio.sleep(0.2)
