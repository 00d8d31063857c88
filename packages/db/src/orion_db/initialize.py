"""From nothing to a database that a service can start on."""

from dataclasses import dataclass

from orion_core.seeds import Profile
from orion_db.connections import maintenance_connection, owner_connection, service_connection
from orion_db.deploy import Deployment, deploy
from orion_db.locks import WAIT_SECONDS, acquire
from orion_db.production import mark
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.roles import Preparation, prepare_database, prepare_roles, revoke_create_on_public
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
