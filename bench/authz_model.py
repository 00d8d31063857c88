"""Random decisions by the service and by a plain model of the rules that shares no code with it. Prints JSON.

A million of them, unless told otherwise, in worlds that Hypothesis draws (`rules_model` tells of what). Where the two
differ, the smallest world that Hypothesis comes to in which they do is told, and it ends with 1.

    python bench/authz_model.py [decisions]
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from orion_core.database import Database
from orion_core.local import postgres
from orion_core.service import installed_services
from orion_core.testing.databases import Databases

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from packages.user.tests.decisions.rules_model import agree

AT_ONCE = 100
"""Worlds between two looks at how many decisions there were."""


async def run(admin_url: str, wanted: int) -> dict[str, Any]:
    """World after world, until there were enough decisions."""
    service, worlds, decisions = installed_services()["user"], 0, 0
    async with Databases(admin_url).clone("user") as made:
        owner = Database.connect(made.owner_url, role=service.owner_role, application="bench")
        async with owner.transaction() as transaction:
            await service.seed(transaction.connection, "reference")
        await owner.close()
        database = Database.connect(made.url, role=service.service_role, application="bench")
        raw = await asyncpg.connect(made.owner_url)
        began = time.perf_counter()
        while decisions < wanted:
            decisions += await agree(database, raw, AT_ONCE)
            worlds += AT_ONCE
        seconds = round(time.perf_counter() - began, 1)
        await raw.close()
        await database.close()
    return {"worlds": worlds, "decisions": decisions, "differences": 0, "seconds": seconds}


def main() -> None:
    """Compare."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder) / "postgres", durable=False)
        try:
            print(json.dumps(asyncio.run(run(server.admin_url, wanted))))
        except AssertionError as difference:
            raise SystemExit("\n".join([f"They differ: {difference}", *getattr(difference, "__notes__", [])])) from None
        finally:
            server.stop("immediate")


if __name__ == "__main__":
    main()
