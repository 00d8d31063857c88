"""The table `schema_migrations`: which revisions a database has, in what form, since when, and by whom."""

import socket
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.errors import Exit, Problem
from orion_db.revisions import Revision

KEPT = frozenset({"schema_migrations", "schema_migration_progress", "schema_checkups", "studio_changes"})
"""Tables that this tool keeps in a database for itself: in no migration and no model, and never drift."""


@dataclass(frozen=True)
class Applied:
    """A revision that the database has."""

    name: str
    checksum: str
    applied_at: datetime
    applied_by: str
    """The login that applied it."""
    duration_ms: int
    applied_from: str | None = None
    """The host that it was applied from; None for what was applied before this was recorded."""
    steps: int | None = None
    """In how many steps; None as before."""


_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  name varchar(80) CONSTRAINT pk_schema_migrations PRIMARY KEY,
  checksum varchar(64) NOT NULL CONSTRAINT ck_schema_migrations_checksum CHECK (checksum ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz NOT NULL DEFAULT now(),
  applied_by varchar(63) NOT NULL DEFAULT session_user,
  duration_ms integer NOT NULL CONSTRAINT ck_schema_migrations_duration CHECK (duration_ms >= 0),
  applied_from varchar(255),
  steps integer
)"""

# By way of JSON, since `status` may meet a table that no deploy has brought up to date yet.
_READ = text("""
SELECT name, checksum, applied_at, applied_by, duration_ms, facts ->> 'applied_from', (facts ->> 'steps')::integer
FROM public.schema_migrations AS applied, to_jsonb(applied) AS facts
ORDER BY name
""")

_IS_OF_TODAY = """
SELECT count(*) = 2 FROM pg_attribute
WHERE attrelid = to_regclass('schema_migrations') AND attname IN ('applied_from', 'steps') AND NOT attisdropped
"""

# Looked for first: ALTER TABLE locks services out that are reading the table, if there is something to add or not.
_UPGRADE = """
ALTER TABLE schema_migrations
  ADD COLUMN IF NOT EXISTS applied_from varchar(255),
  ADD COLUMN IF NOT EXISTS steps integer
"""

_CREATE_PROGRESS = """
CREATE TABLE IF NOT EXISTS schema_migration_progress (
  name varchar(80) CONSTRAINT pk_schema_migration_progress PRIMARY KEY,
  checksum varchar(64) NOT NULL,
  direction varchar(9) NOT NULL
    CONSTRAINT ck_schema_migration_progress_direction CHECK (direction IN ('upgrade', 'downgrade')),
  steps jsonb NOT NULL,
  done integer NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  duration_ms integer NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_by varchar(63) NOT NULL DEFAULT session_user,
  started_from varchar(255)
)"""


async def create_history(connection: AsyncConnection, service: Service) -> None:
    """Make the table where there is none. Call it as the owner, under the lock: IF NOT EXISTS alone can still race."""
    await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    for statement in (_CREATE, _CREATE_PROGRESS):
        await connection.execute(text(statement))
    if not (await connection.execute(text(_IS_OF_TODAY))).scalar_one():
        await connection.execute(text(_UPGRADE))
    await connection.execute(
        text("COMMENT ON TABLE schema_migrations IS 'Migrations applied to this database; kept by orion db'")
    )
    await connection.execute(text(f"GRANT SELECT ON schema_migrations TO {service.service_role}"))


async def read_history(connection: AsyncConnection) -> list[Applied]:
    """What has been applied, in order; nothing when the table does not exist yet."""
    exists = await connection.execute(
        text("SELECT to_regclass(:table) IS NOT NULL"), {"table": "public.schema_migrations"}
    )
    if not exists.scalar_one():
        return []
    rows = await connection.execute(_READ)
    return [Applied(*row) for row in rows]


async def record(connection: AsyncConnection, revision: Revision, duration_ms: int, steps: int | None = 1) -> None:
    """Note that the revision is applied. The clock is read, so that revisions of one run keep their order in time."""
    await connection.execute(
        text("""
        INSERT INTO public.schema_migrations (name, checksum, applied_at, duration_ms, applied_from, steps)
        VALUES (:name, :checksum, clock_timestamp(), :duration_ms, :host, :steps)"""),
        {
            "name": revision.name,
            "checksum": revision.checksum,
            "duration_ms": duration_ms,
            "host": socket.gethostname()[:255],
            "steps": steps,
        },
    )


async def record_checksum(connection: AsyncConnection, revision: Revision) -> None:
    """Note that the revision is applied as its file is now."""
    await connection.execute(
        text("UPDATE public.schema_migrations SET checksum = :checksum WHERE name = :name"),
        {"name": revision.name, "checksum": revision.checksum},
    )


async def forget(connection: AsyncConnection, revision: Revision) -> None:
    """Note that the revision has been taken back."""
    await connection.execute(text("DELETE FROM public.schema_migrations WHERE name = :name"), {"name": revision.name})


@dataclass(frozen=True)
class Standing:
    """The revisions of the code against those of a database."""

    applied: tuple[Applied, ...]
    pending: tuple[Revision, ...]
    edited: tuple[str, ...]
    """Applied from a file that has changed since."""
    unknown: tuple[str, ...]
    """Applied, and no file is there: the schema is newer than the code, or a file was deleted."""
    passed_over: tuple[str, ...]
    """Not applied, though a later one is."""


def compare_history(revisions: list[Revision], applied: list[Applied]) -> Standing:
    """Set the files of the code against the record of a database."""
    files = {revision.name: revision for revision in revisions}
    names = {entry.name for entry in applied}
    last = max(names & files.keys(), default="")
    pending = [revision for revision in revisions if revision.name not in names]
    return Standing(
        applied=tuple(applied),
        pending=tuple(pending),
        edited=tuple(
            entry.name for entry in applied if entry.name in files and files[entry.name].checksum != entry.checksum
        ),
        unknown=tuple(entry.name for entry in applied if entry.name not in files),
        passed_over=tuple(revision.name for revision in pending if revision.name < last),
    )


def refuse_unless_clean(service: Service, standing: Standing) -> None:
    """Raise the Problem that keeps migrations from being applied, if there is one."""
    if standing.edited:
        raise Problem(
            "edited_migration",
            Exit.REFUSED,
            f"{service.name}: the migration {standing.edited[0]} was edited after it was applied.",
            "Its file is not the one whose checksum the database recorded, so what it did is no longer what it says.",
            f"Put the file back as it was (git log -p -- '*{standing.edited[0]}.py'), "
            "and write the change as a new migration.",
        )
    if standing.unknown:
        _refuse_unknown(service, standing)
    if standing.passed_over:
        raise Problem(
            "out_of_order",
            Exit.REFUSED,
            f"{service.name}: the migration {standing.passed_over[0]} is not applied, though later ones are.",
            "It was probably merged from a branch after them; whether it still fits is not known.",
            f"Run `orion db rebase {service.name}`, which moves it behind the others and proves the new order.",
        )


def _refuse_unknown(service: Service, standing: Standing) -> None:
    names = ", ".join(standing.unknown)
    known = {entry.name for entry in standing.applied} - set(standing.unknown)
    last_known = max([*known, *(revision.name for revision in standing.pending)], default="")
    if min(standing.unknown) > last_known:
        raise Problem(
            "schema_newer_than_code",
            Exit.REFUSED,
            f"{service.name}: the database has migrations that this code does not: {names}.",
            "A newer version of Orion has migrated it.",
            "Run the newer version; do not delete rows of schema_migrations.",
        )
    raise Problem(
        "revision_missing",
        Exit.REFUSED,
        f"{service.name}: applied migrations have no file: {names}.",
        "They were deleted or renamed after they were applied, or come from another branch.",
        f"Put the files back into {service.migrations}.",
    )
