"""How far pg_dump and pg_restore are, from what the server says of their COPYs (pg_stat_progress_copy)."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.connections import login_connection
from orion_db.progress import Progress, Step
from orion_db.targets import Target

_LOOK_SECONDS = 0.5

_COPIES = text("""
SELECT format('%I.%I', n.nspname, c.relname), p.tuples_processed
FROM pg_stat_progress_copy AS p JOIN pg_class AS c ON c.oid = p.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.datname = current_database()
""")


@asynccontextmanager
async def told(target: Target, purpose: str, rows: Mapping[str, int], progress: Progress) -> AsyncGenerator[None]:
    """Tell, while the block runs, the share of `rows` (of each table) that has been copied in the target's database."""
    # The login itself: a role that it acts as may not see what its other sessions do.
    async with login_connection(target, f"{purpose} (progress)", autocommit=True) as connection:
        task = asyncio.create_task(_tell(connection, Step(target.service.name, purpose), rows, progress))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _tell(connection: AsyncConnection, step: Step, rows: Mapping[str, int], progress: Progress) -> None:
    seen: dict[str, int] = {}
    total = max(1, sum(rows.values()))
    while True:
        now = {str(name): int(count) for name, count in await connection.execute(_COPIES)}
        # A table that was being copied and is no more, is done.
        seen = {name: rows.get(name, 0) for name in seen} | {
            name: min(count, rows.get(name, 0)) for name, count in now.items()
        }
        progress(Step(step.service, step.what, "doing", min(0.99, sum(seen.values()) / total)))
        await asyncio.sleep(_LOOK_SECONDS)
