"""A running service whose streams are delivered by the tests alone."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from packages.user.tests.audit_logs.desk import Desk, running

from orion_core.testing import MovableClock, TestDatabase
from orion_user.audit_streams.delivery import Courier


@pytest.fixture
async def desk(
    test_database: TestDatabase, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Desk]:
    """The whole service."""

    async def wait(_: Courier, stop: asyncio.Event) -> None:
        await stop.wait()

    monkeypatch.setattr(Courier, "run", wait)
    async with running(test_database, clock) as started:
        yield started
