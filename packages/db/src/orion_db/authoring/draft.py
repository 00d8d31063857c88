"""A migration drafted, and proved on scratch databases before it is written: up to the models, and down again."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.authoring.code import executed
from orion_db.authoring.foundations import foundations
from orion_db.authoring.operations import operations, run_on, run_operations
from orion_db.authoring.phases import steps_between
from orion_db.authoring.renaming import Answers, Renaming, rename_on
from orion_db.catalog import Catalog, Difference, compare
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.plan.compatibility import Break, compatibility
from orion_db.repair import statements_between
from orion_db.repair.tables import is_cut_by_month, months
from orion_db.revisions import Phase, Revision
from orion_db.scratch import catalog_in, catalog_of, catalog_of_models, migrate_scratch, scratch_database
from orion_db.targets import Target


@dataclass(frozen=True)
class Body:
    """What one direction of a migration does, and what it could not be made to do."""

    code: str
    left_over: list[Difference]


@dataclass(frozen=True)
class Draft:
    """Both directions of a migration, and the catalogs that it leads from and to."""

    suffix: str
    """What its name has more than the first's: " cleanup"."""
    upgrade: Body
    downgrade: Body
    before: Catalog
    after: Catalog
    follows_post: bool = False
    """Whether one before it, of the same change, is of phase post: nothing overtakes that."""

    @property
    def breaks(self) -> tuple[Break, ...]:
        """What running code loses by it."""
        return compatibility(self.before, self.after)

    @property
    def phase(self) -> Phase:
        """After the new code when that runs without it and the old code does not run with it; otherwise before."""
        late = self.breaks and not compatibility(self.after, self.before)
        return "post" if late or self.follows_post else "pre"


@dataclass(frozen=True)
class Drafts:
    """The migrations that a change needs, in order."""

    drafts: tuple[Draft, ...]
    renaming: Renaming
    not_divided: bool = False
    """Whether it should be several migrations, which could not be proved one by one."""


async def draft(target: Target, revisions: list[Revision], answers: Answers | None = None) -> Drafts | None:
    """What leads from the revisions to the models; None when there is nothing to lead to.

    It is taken apart where that spares running code (`steps_between`). The target itself is not touched: scratch
    databases on its server are. Raises Problem `draft_failed` and those of `rename_on`.
    """
    wanted = await catalog_of_models(target)
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, revisions)
        current = await catalog_of(scratch)
        if not compare(wanted, current):
            return None
        with _explained(target):
            renaming = await rename_on(scratch, wanted, answers or Answers(no_others=True))
            renamed = await catalog_of(scratch)
            steps = steps_between(renamed, wanted)
            drafts = await _try_all(scratch, current, renamed, steps, renaming)
    if drafts:
        return Drafts(drafts, renaming)
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, revisions)
        with _explained(target):
            await run_on(scratch, renaming.upgrade)
            whole = await _lead_over(scratch, current, renamed, [("", wanted)], renaming)
            return Drafts(whole, renaming, not_divided=True)


async def _try_all(
    scratch: Target, current: Catalog, renamed: Catalog, steps: Sequence[tuple[str, Catalog]], renaming: Renaming
) -> tuple[Draft, ...]:
    """A draft for each step; none when there are several, and one cannot be made just so."""
    if len(steps) == 1:
        return await _lead_over(scratch, current, renamed, steps, renaming)
    try:
        drafts = await _lead_over(scratch, current, renamed, steps, renaming)
    except DBAPIError:
        return ()
    return () if any(drafted.upgrade.left_over for drafted in drafts) else drafts


async def _lead_over(
    scratch: Target, current: Catalog, renamed: Catalog, steps: Sequence[tuple[str, Catalog]], renaming: Renaming
) -> tuple[Draft, ...]:
    """A draft for each step, from the scratch database with its renames made; renames are part of the first."""
    found: list[Draft] = []
    here = renamed
    for suffix, goal in steps:
        upgrade, downgrade, after = await _lead_there_and_back(scratch, here, goal)
        if not found and renaming.upgrade:
            upgrade = Body(_joined(renaming.upgrade, upgrade.code), upgrade.left_over)
            downgrade = Body(_joined(downgrade.code, renaming.downgrade), downgrade.left_over)
        late = any(drafted.phase == "post" for drafted in found)
        found.append(Draft(suffix, upgrade, downgrade, here if found else current, after, late))
        here = after
    return tuple(found)


async def _lead_there_and_back(scratch: Target, here: Catalog, goal: Catalog) -> tuple[Body, Body, Catalog]:
    """Up to the goal, down again, and up: both ways, and the catalog that is there then."""
    async with owner_connection(scratch, "migrate") as connection:
        up, down = await connection.run_sync(operations, scratch.service.metadata, here, goal)
    owner = scratch.service.owner_role
    async with owner_connection(scratch, "migrate") as connection:
        async with connection.begin():
            upgrade = await _lead(connection, up, here, goal, owner)
        async with connection.begin():
            after = await catalog_in(connection)
            downgrade = await _lead(connection, down, after, here, owner)
    await run_on(scratch, upgrade.code)
    return upgrade, downgrade, after


async def _lead(connection: AsyncConnection, body: str, current: Catalog, wanted: Catalog, runner: str) -> Body:
    """Lead the scratch database from `current` to `wanted` in one transaction, as a migration does; note the steps."""
    before = statements_between(current, foundations(current, wanted), runner=runner)
    if any(entry.kind == "function" and "definition" in entry.expected for entry in compare(wanted, current)):
        # Bodies may speak of tables that come later in the same migration; pg_dump does the same.
        before.insert(0, "SET LOCAL check_function_bodies = off")
    await _execute(connection, before)
    if body:
        await connection.run_sync(run_operations, body)
    after = statements_between(await catalog_in(connection), wanted, runner=runner) + _first_months(current, wanted)
    await _execute(connection, after)
    code = _joined(*map(executed, before), body, *map(executed, after))
    return Body(code, compare(wanted, await catalog_in(connection)))


def _first_months(current: Catalog, wanted: Catalog) -> list[str]:
    """Partitions of new tables; catalogs leave these out, as they come with time."""
    return [
        months(facts["sql"]).sql
        for key, facts in sorted(wanted.items())
        if key[0] == "table" and is_cut_by_month(facts) and key not in current
    ]


async def _execute(connection: AsyncConnection, statements: list[str]) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement)


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


@contextmanager
def _explained(target: Target) -> Generator[None]:
    try:
        yield
    except DBAPIError as error:
        statement = " ".join((error.statement or "").split())[:300]
        new_label = sqlstate(error) == "55P04"  # unsafe_new_enum_value_usage
        raise Problem(
            "draft_failed",
            Exit.FAILED,
            f"{target.service.name}: the drafted migration does not run on a scratch database; nothing was written.",
            f"{reason(error)} The statement was: {statement}",
            "Add the label in a migration of its own, and use it in the next: first without the default in the models."
            if new_label
            else "Correct the models if they are wrong, or write this migration by hand.",
        ) from error
