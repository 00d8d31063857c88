"""The table `schema_migration_progress`: a revision of several steps that is under way, or was cut off.

A row is written in the same transaction as the step it tells of. It holds the steps themselves, as they were cut when
the revision was begun: whoever goes on after a crash does what was begun, by whatever version of this tool.
"""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.steps import MigrationStep
from orion_db.revisions import Direction, Revision


@dataclass(frozen=True)
class Unfinished:
    """A revision of which the first `done` steps are committed."""

    name: str
    checksum: str
    """Of the file that the steps were cut from."""
    direction: Direction
    steps: tuple[MigrationStep, ...]
    done: int
    rows: int
    """Rows that the present step, a backfill, has changed so far."""
    duration_ms: int
    started_at: datetime
    started_by: str
    started_from: str | None

    def __str__(self) -> str:
        done = f"{self.done} of {len(self.steps)} steps"
        back = " of taking it back" if self.direction == "downgrade" else ""
        return f"{self.name}: {done}{back} done, begun {self.started_at:%Y-%m-%d %H:%M:%S %Z} by {self.started_by}"


async def read_unfinished(connection: AsyncConnection) -> Unfinished | None:
    """The revision that is half done, if one is: none is begun before it."""
    exists = await connection.execute(
        text("SELECT to_regclass(:table) IS NOT NULL"), {"table": "public.schema_migration_progress"}
    )
    if not exists.scalar_one():
        return None
    row = (await connection.execute(_READ)).first()
    if row is None:
        return None
    cut = tuple(MigrationStep(step["kind"], tuple(step["statements"])) for step in json.loads(row.steps))
    return Unfinished(row[0], row[1], row[2], cut, *row[4:])


async def begin(
    connection: AsyncConnection, revision: Revision, direction: Direction, steps: Sequence[MigrationStep]
) -> None:
    """Note that the revision is begun; nothing of it is done."""
    await connection.execute(
        _BEGIN,
        {
            "name": revision.name,
            "checksum": revision.checksum,
            "direction": direction,
            "steps": _as_json(steps),
            "host": socket.gethostname()[:255],
        },
    )


async def advance(connection: AsyncConnection, name: str, *, steps: int, rows: int, milliseconds: int) -> None:
    """Note what was done: a step (its rows are of no interest any more), or rows of a backfill that goes on."""
    await connection.execute(_ADVANCE, {"name": name, "steps": steps, "rows": rows, "milliseconds": milliseconds})


async def follow_file(connection: AsyncConnection, revision: Revision, steps: Sequence[MigrationStep]) -> None:
    """Go on by the file as it is now; the steps that are done must be the same in it."""
    await connection.execute(_FOLLOW, {"name": revision.name, "checksum": revision.checksum, "steps": _as_json(steps)})


async def end(connection: AsyncConnection, name: str) -> None:
    """Forget the progress: the revision is done, or what there was of it is gone."""
    await connection.execute(text("DELETE FROM public.schema_migration_progress WHERE name = :name"), {"name": name})


def _as_json(steps: Sequence[MigrationStep]) -> str:
    return json.dumps([{"kind": step.kind, "statements": list(step.statements)} for step in steps])


_READ = text("""
SELECT name, checksum, direction, steps::text AS steps, done, rows, duration_ms, started_at, started_by, started_from
FROM public.schema_migration_progress
""")

_BEGIN = text("""
INSERT INTO public.schema_migration_progress (name, checksum, direction, steps, started_from)
VALUES (:name, :checksum, :direction, cast(:steps AS text)::jsonb, :host)
""")

_ADVANCE = text("""
UPDATE public.schema_migration_progress
SET done = done + :steps,
    rows = CASE WHEN :steps = 0 THEN rows + :rows ELSE 0 END,
    duration_ms = duration_ms + :milliseconds
WHERE name = :name
""")

_FOLLOW = text("""
UPDATE public.schema_migration_progress
SET checksum = :checksum, steps = cast(:steps AS text)::jsonb
WHERE name = :name
""")
