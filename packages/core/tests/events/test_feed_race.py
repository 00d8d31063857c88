"""Many processes write at once, in transactions that commit in no order; several readers follow. Nothing is missed."""

import asyncio
import json
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from orion_contracts.cloud_event import CloudEvent
from orion_core.testing import TestDatabase

if TYPE_CHECKING:
    from packages.core.tests.events.conftest import Source

WRITER = Path(__file__).with_name("writer.py")


@pytest.mark.slow
async def test_readers_of_racing_writers_see_everything_once_and_in_order(
    source: "Source", own_database: TestDatabase, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "INSERT INTO inbox_cursors (source, position) SELECT 'subject ' || n, 0 FROM generate_series(0, 2) n"
    )
    written = asyncio.Event()
    readers = [asyncio.create_task(follow(source, written, limit)) for limit in (1, 7, 100)]
    committed = {
        subject
        for subjects in await asyncio.gather(*(run_writer(own_database) for _ in range(4)))
        for subject in subjects
    }
    written.set()
    for events in await asyncio.gather(*readers):
        seen = [event.subject for event in events]
        assert len(seen) == len(set(seen)), "nothing twice"
        assert set(seen) == committed, "nothing skipped, nothing that was rolled back"
        assert_order_per_subject(events)


async def run_writer(database: TestDatabase) -> list[str]:
    command = [sys.executable, str(WRITER), database.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def follow(source: "Source", written: asyncio.Event, limit: int) -> list[CloudEvent]:
    """Read as fast as the feed gives, until nothing more comes once all is written."""
    events: list[CloudEvent] = []
    after = 0
    while True:
        finished = written.is_set()
        page = await source.feed.read(after, limit=limit, wait=random.choice([0, 0.05]))
        events += page.events
        if finished and not page.events:
            return events
        after = page.next


def assert_order_per_subject(events: list[CloudEvent]) -> None:
    changes: dict[str, list[int]] = defaultdict(list)
    for event in events:
        name, _, number = event.data["device_name"].partition(":")
        changes[name].append(int(number))
    assert changes and all(numbers == sorted(numbers) for numbers in changes.values())
