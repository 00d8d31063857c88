"""The embedded server under supervision."""

import asyncio
import io
import os
import signal
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from orion_cli.database_server import DatabaseServer
from orion_cli.log_stream import LogStream
from orion_core.local.ports import free_port
from orion_core.local.postgres import PortInUseError


async def one(url: str) -> object:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.connect() as connection:
        result = (await connection.execute(text("SELECT 1"))).scalar()
    await engine.dispose()
    return result


async def test_a_killed_server_comes_back_where_it_was(tmp_path: Path) -> None:
    said = io.StringIO()
    server = DatabaseServer(tmp_path / "postgres", free_port(), LogStream(said))
    try:
        url = (await server.start()).admin_url
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            while server.pid in (first, None):  # noqa: ASYNC110 -- another process brings it about
                await asyncio.sleep(0.05)
        assert await one(url) == 1
        assert "ended, starting again" in said.getvalue()
    finally:
        await server.stop()
    assert server.pid is None


async def test_stopping_before_it_has_started_leaves_nothing(tmp_path: Path) -> None:
    server = DatabaseServer(tmp_path / "postgres", free_port(), LogStream(io.StringIO()))
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0.1)
    starting.cancel()
    await server.stop()
    assert server.pid is None
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in (p.info["cmdline"] or [])]


async def test_what_prevents_the_first_start_is_told_and_stop_is_harmless(tmp_path: Path) -> None:
    first = DatabaseServer(tmp_path / "a", free_port(), LogStream(io.StringIO()))
    port = (await first.start()).port
    second = DatabaseServer(tmp_path / "b", port, LogStream(io.StringIO()))
    try:
        with pytest.raises(PortInUseError):
            await second.start()
    finally:
        await second.stop()
        await first.stop()
