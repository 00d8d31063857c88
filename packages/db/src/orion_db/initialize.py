"""From nothing to a database that a service can start on."""

from dataclasses import dataclass

from orion_core.seeds import Profile
from orion_db.connections import maintenance_connection, owner_connection, service_connection
from orion_db.deployment.deploy import Deployment, deploy
from orion_db.deployment.preview import DeploymentPreview, preview
from orion_db.errors import Exit
from orion_db.locks import WAIT_SECONDS, acquire
from orion_db.production import mark
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.roles import (
    Preparation,
    database_owner,
    missing_roles,
    prepare_database,
    prepare_roles,
    refuse_database_of_another,
    revoke_create_on_public,
)
from orion_db.seeding import Seeding, seed
from orion_db.targets import Target


@dataclass(frozen=True)
class Initialization(Result):
    """What `init` made, in one database. A second run makes nothing."""

    database: str
    roles_made: tuple[str, ...]
    memberships_made: tuple[str, ...]
    database_made: bool
    deployment: Deployment
    seeding: Seeding | None

    def in_words(self) -> list[str]:
        lines = [f"created the role {role}" for role in self.roles_made]
        lines += self.memberships_made
        lines += [
            f"created the database {self.database}" if self.database_made else f"the database {self.database} exists"
        ]
        return lines + self.deployment.in_words() + (self.seeding.in_words() if self.seeding else [])


@dataclass(frozen=True)
class InitializationForecast(Result):
    """What `init` would make. What only shows after the roles or the database are there is None."""

    database: str
    roles_missing: tuple[str, ...]
    database_missing: bool
    deployment: DeploymentPreview | None
    seeding: Seeding | None

    @property
    def exit_code(self) -> Exit:
        planned = bool(self.deployment and self.deployment.revisions)
        rows = sum(self.seeding.inserted.values()) if self.seeding else 0
        return Exit.FOUND if self.roles_missing or self.database_missing or planned or rows else Exit.OK

    def in_words(self) -> list[str]:
        lines = [f"would create the role {role}" for role in self.roles_missing]
        state = f"would create the database {self.database}" if self.database_missing else ""
        lines += [state or f"the database {self.database} exists"]
        lines += self.deployment.in_words() if self.deployment else ["would apply all migrations"]
        return lines + (self.seeding.in_words() if self.seeding else ["would seed"])


async def forecast(
    target: Target, *, profile: Profile | None = None, production: bool = False, progress: Progress = silent
) -> InitializationForecast:
    """What `initialize` would make of what is there now; nothing is made. Raises Problem as it does."""
    async with maintenance_connection(target, "init (dry run)") as connection:
        roles = tuple(await missing_roles(connection, target))
        owner = await database_owner(connection, target.database)
        if owner is not None:
            refuse_database_of_another(target, owner)
    missing, deployment, seeding = owner is None, None, None
    if not roles and not missing:
        deployment = await preview(target, progress=progress)
        if not deployment.revisions:
            seeding = await seed(target, profile=profile, production=production, dry_run=True, progress=progress)
    return InitializationForecast(target.service.name, target.database, roles, missing, deployment, seeding)


async def prepare(
    target: Target, *, production: bool = False, progress: Progress = silent, wait_seconds: float = WAIT_SECONDS
) -> Preparation:
    """Make the roles, the login and the empty database where they are missing, with their grants.

    Raises Problem `locked`, naming who is at it, when another one does not end within `wait_seconds`.
    """
    progress(Step(target.service.name, f"preparing {target.database} on {target.address()}"))
    made = Preparation()
    async with maintenance_connection(target, "init") as connection:
        # One at a time on the whole server: grants of the same object made at once end in "tuple concurrently updated".
        doing = f"`orion db init` on {target.address()}"
        await acquire(connection, target, progress, wait_seconds, doing=doing)
        await prepare_roles(connection, target, made)
        await prepare_database(connection, target, made)
        if production:
            await mark(connection, target.service, target.database)
        async with owner_connection(target, "init") as owner, owner.begin():
            await revoke_create_on_public(owner)
    if made.database:
        progress(Step(target.service.name, f"created {target.database}", "done"))
    return made


async def initialize(
    target: Target,
    *,
    profile: Profile | None = None,
    seeds: bool = True,
    production: bool = False,
    progress: Progress = silent,
) -> Initialization:
    """Create what is missing, migrate, seed, and prove that the service's own URL works.

    `seeds=False` leaves the tables empty (templates of tests). Running it again changes nothing.
    """
    made = await prepare(target, production=production, progress=progress)
    deployment = await deploy(target, progress=progress)
    seeding = await seed(target, profile=profile, production=production, progress=progress) if seeds else None
    async with service_connection(target, "init (check of the service's login)"):
        pass
    return Initialization(
        target.service.name,
        target.database,
        tuple(made.roles),
        tuple(made.memberships),
        made.database,
        deployment,
        seeding,
    )
