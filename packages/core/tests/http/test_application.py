"""A process says how it is, starts and ends in order, and keeps its background parts running."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from orion_core.database import Database
from orion_core.http import application as module
from orion_core.http import health
from orion_core.http.application import create_application
from orion_core.schema_standing import _needed, schema_check
from orion_core.service import installed_services
from orion_core.settings import ServiceSettings


def make(database: Database, **options: Any) -> FastAPI:
    return create_application(
        name="sample",
        title="Sample",
        settings=ServiceSettings.load(),
        database=database,
        components=None,
        routers=[],
        **options,
    )


async def get(application: FastAPI, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://sample") as http:
        return await http.get(path)


async def lived(application: FastAPI, meanwhile: Callable[[], Awaitable[object]]) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(application.router.lifespan_context(application))
        await meanwhile()


async def test_ready_when_all_is_well(database: Database) -> None:
    answer = await get(make(database), "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "faults": {}})


async def test_what_is_wrong_beside_the_database_is_told_and_takes_nothing_out_of_service(database: Database) -> None:
    async def fault() -> str:
        return "auth does not answer"

    async def fine() -> None:
        return None

    answer = await get(make(database, checks={"auth": fault, "other": fine}), "/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "degraded", "faults": {"auth": "auth does not answer"}},
    )


async def test_a_database_that_was_not_migrated_is_told_before_requests_fail(
    database: Database, owner: asyncpg.Connection
) -> None:
    application = make(database, checks={"schema": schema_check(database, installed_services()["auth"])})
    assert (await get(application, "/readyz")).json()["status"] == "ready"
    await owner.execute("DELETE FROM schema_migrations WHERE name IN ('0003_tokens', '0004_passwords')")
    told = (await get(application, "/readyz")).json()["faults"]["schema"]
    assert told == "2 migrations are not applied, first 0003_tokens: run `orion db deploy auth`"
    await owner.execute("DROP TABLE schema_migrations")
    assert "orion db init auth" in (await get(application, "/readyz")).json()["faults"]["schema"]


def test_nobody_waits_for_what_only_takes_away(tmp_path: Path) -> None:
    for name, phase in (("0001_first", "pre"), ("0002_gone", "post"), ("0003_more", "pre")):
        (tmp_path / f"{name}.py").write_text(f'revision = "{name}"\nphase = "{phase}"\n')
    assert _needed(tmp_path) == ["0001_first", "0003_more"]


async def test_whoever_asks_how_it_is_waits_for_no_hung_part(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that somebody has locked, a server that was stopped: it is told within seconds, not when that is over."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.1)

    async def hangs() -> None:
        async with database.autocommit() as connection:
            await connection.execute(text("SELECT pg_sleep(5)"))

    async with asyncio.timeout(2):
        answer = await get(make(database, checks={"queue": hangs}), "/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["faults"] == {"queue": health.SILENT}

    async def silent() -> bool:
        await asyncio.sleep(5)
        return False

    monkeypatch.setattr(database, "is_read_only", silent)
    async with asyncio.timeout(2):
        answer = await get(make(database), "/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["faults"] == {"database": f"the database does not answer: {health.SILENT}"}


async def test_a_flood_of_those_who_ask_how_it_is_looks_once(database: Database) -> None:
    looks: list[None] = []

    async def check() -> None:
        looks.append(None)
        await asyncio.sleep(0.05)

    application = make(database, checks={"queue": check})
    gone = asyncio.create_task(get(application, "/readyz"))
    waiting = [asyncio.create_task(get(application, "/readyz")) for _ in range(50)]
    await asyncio.sleep(0.01)
    gone.cancel()  # takes nothing from those who wait for the same
    answers = await asyncio.gather(*waiting)
    assert ({answer.status_code for answer in answers}, len(looks)) == ({200}, 1)
    await get(application, "/readyz")
    assert len(looks) == 2, "and who asks later is told what is so then"


async def test_metrics_are_in_prometheus_form(database: Database) -> None:
    answer = await get(make(database), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain") and "orion_http_request_seconds" in answer.text


async def test_a_process_starts_and_ends_in_order(database: Database) -> None:
    steps: list[str] = []

    async def start() -> None:
        steps.append("start")

    async def end() -> None:
        steps.append("end")

    async def part(stop: asyncio.Event) -> None:
        steps.append("part begins")
        await stop.wait()
        await asyncio.sleep(0.05)  # what it was doing is finished, not cut off
        steps.append("part ends")

    application = make(database, background=[part], on_start=start, on_stop=end)
    await lived(application, lambda: asyncio.sleep(0.01))
    assert steps == ["start", "part begins", "part ends", "end"]


async def test_a_part_that_does_not_end_is_cut_off(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.05)
    ended: list[str] = []

    async def part(_: asyncio.Event) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("part")

    await asyncio.wait_for(lived(make(database, background=[part]), lambda: asyncio.sleep(0.01)), 5)
    assert ended == ["part"]


async def test_a_part_that_fails_is_begun_again(database: Database) -> None:
    begun: list[int] = []

    async def part(stop: asyncio.Event) -> None:
        begun.append(1)
        if len(begun) == 1:
            raise RuntimeError
        await stop.wait()

    await lived(make(database, background=[part]), lambda: asyncio.sleep(1.2))
    assert len(begun) == 2
