"""Throw a development database away and begin again, with a backup of what was there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.seeds import Profile
from orion_db.backups.create import backup
from orion_db.backups.facts import count_rows, read_sizes, snapshot
from orion_db.backups.vault import Vault
from orion_db.connections import maintenance_connection, owner_connection
from orion_db.errors import Exit, Problem
from orion_db.initialize import Initialization, initialize
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result, shown
from orion_db.roles import database_owner, drop_database
from orion_db.targets import ENVIRONMENT_VARIABLE, Target


@dataclass(frozen=True)
class Reset(Result):
    """What a reset dropped and made anew, and how to have the old state back."""

    database: str
    dropped: dict[str, int]
    """Rows by table, of those that had any; empty when a backup tells it better, or there was no database."""
    backup: Path | None
    initialization: Initialization | None
    """None in a dry run."""
    warnings: tuple[str, ...] = ()

    def in_words(self) -> list[str]:
        if self.initialization is None:
            rows = sum(self.dropped.values())
            lines = [f"would drop {self.database} with {rows} rows and begin anew"]
            lines += [f"{table}: {count} rows" for table, count in self.dropped.items()]
            return lines + list(self.warnings)
        lines = [f"dropped {self.database} and began anew", *self.initialization.in_words()]
        if self.backup:
            lines.append(f"what it held is in {shown(self.backup)}; to have it back:")
            lines.append(f"  orion db restore {self.service} --backup {self.backup.name} --replace")
        return lines + list(self.warnings)


async def check_reset(target: Target, *, production: bool) -> None:
    """Raise the Problem that forbids a reset, if there is one: production, by the environment or the mark."""
    if production:
        raise _refused(target, f"{ENVIRONMENT_VARIABLE} is production.")
    async with maintenance_connection(target, "reset") as connection:
        if await is_marked(connection, target.database):
            raise _refused(target, "The database itself is marked as a production database.")
        owner = await database_owner(connection, target.database)
        if owner not in (None, target.service.owner_role):
            raise _refused(
                target, f"It belongs to {owner}, so it was not made by `orion db init`.", "database_of_another"
            )


async def foretell_reset(target: Target, *, production: bool, warnings: Sequence[str] = ()) -> Reset:
    """What a reset would drop. Raises the Problems that would forbid it."""
    await check_reset(target, production=production)
    return Reset(target.service.name, target.database, await _rows(target), None, None, tuple(warnings))


async def reset(
    target: Target,
    *,
    confirmation: str,
    vault: Vault | None,
    profile: Profile | None = None,
    production: bool = False,
    warnings: Sequence[str] = (),
    progress: Progress = silent,
) -> Reset:
    """Back the database up into `vault` (None: do not), drop it with everything in it, and initialize it.

    `confirmation` must be the database's name. A database without tables needs no backup. Raises Problem
    `production_database`, `database_of_another`, `not_confirmed` and `no_backup_before_reset`, before anything is
    touched.
    """
    await check_reset(target, production=production)
    if confirmation != target.database:
        raise Problem(
            "not_confirmed",
            Exit.REFUSED,
            f"{target.database!r} was not reset.",
            "The name typed is not the name of the database.",
            f"Type it exactly, or pass --yes-delete {target.database}.",
        )
    kept = await _back_up(target, vault, progress) if vault else None
    progress(Step(target.service.name, f"dropping {target.database}"))
    async with maintenance_connection(target, "reset") as connection:
        await drop_database(connection, target.database, target.login)
    progress(Step(target.service.name, f"dropped {target.database}", "done"))
    begun = await initialize(target, profile=profile, progress=progress)
    return Reset(target.service.name, target.database, {}, kept, begun, tuple(warnings))


async def _back_up(target: Target, vault: Vault, progress: Progress) -> Path | None:
    if not await _has_tables(target):
        return None
    try:
        return (await backup(target, vault, progress=progress)).path
    except Problem as problem:
        raise Problem(
            "no_backup_before_reset",
            problem.exit_code,
            f"{target.database!r} was not reset, because no backup of it could be taken. {problem.what}",
            problem.why,
            f"{problem.todo} Or, if nothing in it is worth keeping, pass --no-backup.",
        ) from None


async def followers_left_behind(target: Target, others: Sequence[Target]) -> list[str]:
    """What goes wrong when this database alone is reset: who has applied events of this service, and keeps what came
    of them. Databases that cannot be asked are passed over.
    """
    found: list[str] = []
    for other in others:
        try:
            async with owner_connection(other, "reset (look at followers)") as connection:
                applied = await _applied(connection, target.service.name)
        except (Problem, DBAPIError):
            continue
        if applied:
            name, own = other.service.name, target.service.name
            found.append(
                f"careful: {name} has applied {applied} events of {own} and keeps what it made of them, which {own} "
                f"will know nothing of; to begin anew with both: orion db reset {own} {name}"
            )
    return found


_APPLIED = text("SELECT count(*) FROM public.inbox WHERE source = :source")


async def _applied(connection: AsyncConnection, source: str) -> int:
    has_inbox = await connection.execute(text("SELECT to_regclass('public.inbox') IS NOT NULL"))
    if not has_inbox.scalar_one():
        return 0
    return int((await connection.execute(_APPLIED, {"source": source})).scalar_one())


async def _exists(target: Target) -> bool:
    async with maintenance_connection(target, "reset") as connection:
        return await database_owner(connection, target.database) is not None


async def _has_tables(target: Target) -> bool:
    if not await _exists(target):
        return False
    async with owner_connection(target, "reset") as connection:
        return bool(await read_sizes(connection))


async def _rows(target: Target) -> dict[str, int]:
    if not await _exists(target):
        return {}
    async with snapshot(target, "reset") as (connection, _):
        return {table.name: table.rows for table in await count_rows(connection) if table.rows}


def _refused(target: Target, why: str, code: str = "production_database") -> Problem:
    return Problem(
        code,
        Exit.REFUSED,
        f"The database {target.database!r} on {target.address()} will not be reset.",
        why,
        "If it really has to go, an administrator drops it by hand, after a backup.",
    )
