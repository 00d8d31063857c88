"""The table `schema_migrations`: which revisions a database has, in what form, since when, and by whom."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.service import Service
from orion_db.errors import Exit, Problem
from orion_db.revisions import Revision

KEPT = frozenset({"schema_migrations", "schema_checkups"})
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


async def create_history(connection: AsyncConnection, service: Service) -> None:
    """Make the table where there is none. Call it as the owner, under the lock: IF NOT EXISTS alone can still race."""
    await connection.execute(
        text("""
        CREATE TABLE IF NOT EXISTS schema_migrations (
          name varchar(80) CONSTRAINT pk_schema_migrations PRIMARY KEY,
          checksum varchar(64) NOT NULL CONSTRAINT ck_schema_migrations_checksum CHECK (checksum ~ '^[0-9a-f]{64}$'),
          applied_at timestamptz NOT NULL DEFAULT now(),
          applied_by varchar(63) NOT NULL DEFAULT session_user,
          duration_ms integer NOT NULL CONSTRAINT ck_schema_migrations_duration CHECK (duration_ms >= 0)
        )""")
    )
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
    rows = await connection.execute(
        text("SELECT name, checksum, applied_at, applied_by, duration_ms FROM public.schema_migrations ORDER BY name")
    )
    return [Applied(*row) for row in rows]


async def record(connection: AsyncConnection, revision: Revision, duration_ms: int) -> None:
    """Note that the revision is applied. The clock is read, so that revisions of one run keep their order in time."""
    await connection.execute(
        text("""
        INSERT INTO public.schema_migrations (name, checksum, applied_at, duration_ms)
        VALUES (:name, :checksum, clock_timestamp(), :duration_ms)"""),
        {"name": revision.name, "checksum": revision.checksum, "duration_ms": duration_ms},
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
            "Rename it so that its number is the highest, and check what it does after the others.",
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
