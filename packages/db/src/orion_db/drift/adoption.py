"""A migration that makes lawful what somebody has done to a database by hand: upgrade to what is there, and back."""

from pathlib import Path

from sqlalchemy.exc import DBAPIError

from orion_db.authoring.code import executed, laid_out
from orion_db.authoring.copies import with_copies
from orion_db.catalog import Catalog, compare
from orion_db.connections import owner_connection
from orion_db.deployment.apply import Migrator
from orion_db.errors import Exit, Problem, reason
from orion_db.repair import Repair, repair_between
from orion_db.revisions import Revision, next_name, read_revisions
from orion_db.scratch import catalog_of, migrate_scratch, scratch_database
from orion_db.targets import Target

_TEMPLATE = '''"""{title}.

Written by `orion db drift` from a live database, which has this already. Review it, say here why the change was made,
and have the models say the same; then `orion db resolve {service} --applied {name}` records it there.
"""

from alembic import op

revision = "{name}"
down_revision = {previous}
phase = "{phase}"


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


async def adopt(target: Target, revisions: list[Revision], words: str, expected: Catalog, live: Catalog) -> Path:
    """Write the migration called `words` that leads from `expected` to `live`; it has been run up and down before.

    Raises Problem `not_adoptable` when its text does not end in the live catalog; nothing is written then.
    """
    name = next_name(revisions, words)
    runner = target.service.owner_role
    upgrade = repair_between(expected, live, runner=runner)
    downgrade = repair_between(live, expected, runner=runner)
    text = _TEMPLATE.format(
        title=words.strip().replace("_", " ").replace('"', "'").replace("\\", "/").rstrip(".").capitalize(),
        service=target.service.name,
        name=name,
        previous=f'"{revisions[-1].name}"' if revisions else "None",
        phase="post" if upgrade.destroys else "pre",
        upgrade=_function(upgrade),
        downgrade=_function(downgrade),
    )
    await _prove(target, revisions, name, text, expected, live)
    file = target.service.migrations / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    return file


def _function(repair: Repair) -> str:
    # Bodies may speak of tables that come later in the same migration.
    unchecked = ["SET LOCAL check_function_bodies = off"] * any("FUNCTION" in s.sql for s in repair.statements)
    calls = (executed(statement) for statement in [*unchecked, *(s.sql for s in repair.statements)])
    lines = [laid_out("\n".join(calls), 4), *(f"    # By hand: {entry}" for entry in repair.by_hand)]
    return "\n".join(line for line in lines if line) if repair.statements else "\n".join([*lines[1:], "    pass"])


async def _prove(
    target: Target, revisions: list[Revision], name: str, text: str, expected: Catalog, live: Catalog
) -> None:
    with with_copies(target, revisions, {name: text}) as copied:
        everything = read_revisions(copied.service.migrations)
        try:
            async with scratch_database(copied) as scratch:
                await migrate_scratch(scratch, everything)
                _expect(target, live, await catalog_of(scratch))
                async with owner_connection(scratch, "drift") as connection:
                    await Migrator(scratch, connection).revert(everything[-1])
                _expect(target, expected, await catalog_of(scratch))
        except DBAPIError as error:
            raise _not_adoptable(target, reason(error)) from error
        except Problem as problem:
            if problem.code in ("may_not_create_databases", "not_adoptable"):
                raise
            raise _not_adoptable(target, f"{problem.what} {problem.why}") from problem


def _expect(target: Target, expected: Catalog, found: Catalog) -> None:
    differences = compare(expected, found)
    if differences:
        raise _not_adoptable(target, "; ".join(map(str, differences)))


def _not_adoptable(target: Target, why: str) -> Problem:
    return Problem(
        "not_adoptable",
        Exit.FAILED,
        f"{target.service.name}: what is in the database cannot be written as a migration; nothing was written.",
        why,
        f"Lead the database back instead: orion db drift {target.service.name} --sql",
    )
