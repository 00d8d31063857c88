"""What workers do for batches, a step at a time."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_notifications.batches.feeding import look
from orion_notifications.batches.rules import COUNT_EVERY

if TYPE_CHECKING:
    from orion_notifications.desk import Desk

Steps = Callable[..., Awaitable[None]]


@pytest.fixture
def steps(database: Database, desk: "Desk", clock: MovableClock) -> Steps:
    """`await steps()`: what workers do until nothing is due; then the clock goes on, that often."""

    async def run(times: int = 1) -> None:
        for _ in range(times):
            while await look(database, desk, clock()):
                pass
            clock.advance(seconds=COUNT_EVERY.total_seconds())

    return run
