"""What runs beside requests."""

import asyncio

from structlog.testing import capture_logs

from orion_core.background import keep_doing


async def test_a_step_is_left_out_while_the_database_is_away_and_taken_again() -> None:
    stop, taken = asyncio.Event(), list[int]()

    async def step() -> None:
        taken.append(len(taken))
        if len(taken) == 1:
            raise OSError("the database is away")
        if len(taken) == 3:
            stop.set()

    with capture_logs() as logs:
        async with asyncio.timeout(5):
            await keep_doing(stop, 0.001, step, "steps.put_off")
    assert taken == [0, 1, 2]
    assert [(each["event"], each["reason"]) for each in logs] == [("steps.put_off", "the database is away")]
