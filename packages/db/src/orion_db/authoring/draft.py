"""A migration drafted, and proved on scratch databases before it is written: up to the models, and down again."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.authoring.operations import operations, run_operations
from orion_db.authoring.statements import monthly_partitions, statements_after, statements_before
from orion_db.catalog import Catalog, Difference, compare
from orion_db.connections import owner_connection
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.revisions import Revision
from orion_db.scratch import catalog_in, catalog_of, catalog_of_models, migrate_scratch, scratch_database
from orion_db.targets import Target


@dataclass(frozen=True)
class Body:
    """What one direction of a migration does, and what it could not be made to do."""

    before: list[str]
    operations: str
    after: list[str]
    left_over: list[Difference]


@dataclass(frozen=True)
class Draft:
    """Both directions of a migration."""

    upgrade: Body
    downgrade: Body


async def draft(target: Target, revisions: list[Revision]) -> Draft | None:
    """The migration that leads from the revisions to the models; None when there is nothing to lead to.

    The target itself is not touched: scratch databases on its server are.
    """
    wanted = await catalog_of_models(target)
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, revisions)
        current = await catalog_of(scratch)
        if not compare(wanted, current):
            return None
        async with owner_connection(scratch, "migrate") as connection:
            up, down = await connection.run_sync(operations, target.service.metadata, current, wanted)
        with _explained(target):
            async with owner_connection(scratch, "migrate") as connection:
                async with connection.begin():
                    upgrade = await _lead(connection, up, current, wanted)
                async with connection.begin():
                    downgrade = await _lead(connection, down, await catalog_in(connection), current)
        return Draft(upgrade, downgrade)


async def _lead(connection: AsyncConnection, body: str, current: Catalog, wanted: Catalog) -> Body:
    """Lead the scratch database from `current` to `wanted` in one transaction, as a migration does; note the steps."""
    before = statements_before(compare(wanted, current), wanted)
    await _execute(connection, before)
    if body:
        await connection.run_sync(run_operations, body)
    now = await catalog_in(connection)
    after = statements_after(compare(wanted, now), wanted, now) + monthly_partitions(wanted, current)
    await _execute(connection, after)
    now = await catalog_in(connection)
    # What was just made has the grants that PostgreSQL gives by itself; those that are wanted come last.
    last = statements_after(compare(wanted, now), wanted, now)
    await _execute(connection, last)
    return Body(before, body, after + last, compare(wanted, await catalog_in(connection)))


async def _execute(connection: AsyncConnection, statements: list[str]) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement)


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
