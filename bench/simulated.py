"""Simulations beside the real thing, in cases at random. Prints JSON.

Each case makes a user with preferences and quiet hours in some zone, now and then a suppressed address, and a message
of some kind; asks `simulate`, sends it, reads `explain`, and has the worker's last look when its time has come. What is
not the same is printed (packages/notifications/tests/decisions/cases.py).

    python bench/simulated.py [cases]
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from packages.notifications.tests.decisions.cases import Cases
from sqlalchemy import text

from orion_core.database import Database
from orion_core.local import postgres
from orion_core.sealing import Keyring
from orion_core.service import installed_services
from orion_core.testing import MovableClock
from orion_core.testing.databases import Databases
from orion_core.wakeup import Wakeup
from orion_notifications.desk import Desk

SERVICE = installed_services()["notifications"]


async def run(admin_url: str, count: int) -> dict[str, Any]:
    """Make the cases, and tell what came of them."""
    async with Databases(admin_url).clone("notifications", seeded=True) as made:
        database = Database.connect(made.url, role=SERVICE.service_role, application="bench")
        desk = Desk(Keyring.parse(Keyring.new_key("bench")), Wakeup(made.url, "queue"))
        async with database.autocommit() as connection:
            throttle = "INSERT INTO throttles (type, most, window_seconds) VALUES ('chat.message', 2, 600)"
            await connection.execute(text(throttle))
        began = time.monotonic()
        found = await Cases(database, desk, MovableClock(), Random(1)).differences(count)
        seconds = round(time.monotonic() - began, 1)
        await database.close()
    return {"cases": count, "differences": len(found), "first": found[:3], "seconds": seconds}


def main() -> None:
    """Compare; ends with 1 when anything differed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=False)
        try:
            figures = asyncio.run(run(server.admin_url, count))
        finally:
            server.stop("immediate")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(1 if figures["differences"] else 0)


if __name__ == "__main__":
    main()
