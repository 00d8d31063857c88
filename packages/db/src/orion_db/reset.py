"""Throw a development database away and begin again."""

from orion_core.seeds import Profile
from orion_db.connections import maintenance_connection
from orion_db.errors import Exit, Problem
from orion_db.initialize import Initialization, initialize
from orion_db.production import is_marked
from orion_db.progress import Progress, Step, silent
from orion_db.roles import database_owner, drop_database
from orion_db.targets import ENVIRONMENT_VARIABLE, Target


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


async def reset(
    target: Target,
    *,
    confirmation: str,
    profile: Profile | None = None,
    production: bool = False,
    progress: Progress = silent,
) -> Initialization:
    """Drop the database with everything in it, and initialize it. `confirmation` must be the database's name.

    Raises Problem `production_database`, `database_of_another` and `not_confirmed`, before anything is touched.
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
    progress(Step(target.service.name, f"dropping {target.database}"))
    async with maintenance_connection(target, "reset") as connection:
        await drop_database(connection, target.database, target.login)
    progress(Step(target.service.name, f"dropped {target.database}", "done"))
    return await initialize(target, profile=profile, progress=progress)


def _refused(target: Target, why: str, code: str = "production_database") -> Problem:
    return Problem(
        code,
        Exit.REFUSED,
        f"The database {target.database!r} on {target.address()} will not be reset.",
        why,
        "If it really has to go, an administrator drops it by hand, after a backup.",
    )
