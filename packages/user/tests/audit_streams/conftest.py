"""A running service for auditors."""

from collections.abc import AsyncGenerator

import pytest
from packages.user.tests.audit_logs.desk import Desk, running

from orion_core.testing import MovableClock, TestDatabase


@pytest.fixture
async def desk(test_database: TestDatabase, clock: MovableClock) -> AsyncGenerator[Desk]:
    """The whole service."""
    async with running(test_database, clock) as started:
        yield started
