"""From nothing to a migrated, seeded and documented database, and back to nothing in development."""

from enum import StrEnum
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_core import seeds
from orion_db.documents.generate import generate
from orion_db.initialize import forecast, initialize
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


class SeedProfile(StrEnum):
    """Which rows `seed` brings."""

    REFERENCE = "reference"
    DEVELOPMENT = "development"


Profile = Annotated[
    SeedProfile | None,
    typer.Option(
        help="reference: what every installation needs. development: sample users too. Default: by ORION_ENV."
    ),
]


@commands.command("init", cls=Command)
def init_databases(
    services: Services = None, profile: Profile = None, dry_run: DryRun = False, json: Json = False
) -> None:
    """Create what is missing (roles, databases), migrate, and seed; a second run changes nothing.

    With --dry-run, exit code 1 when anything would be made.
    """
    run = Run("init", json)

    async def work(target: Target, progress: Progress) -> Result:
        if dry_run:
            return await forecast(target, profile=named(profile), production=run.production, progress=progress)
        return await initialize(target, profile=named(profile), production=run.production, progress=progress)

    run.over(services, work)


@commands.command("generate", cls=Command)
def generate_documents(
    services: Services = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is stale.")] = False,
    json: Json = False,
) -> None:
    """Write prisma/schema.prisma of each service, and its data dictionary and diagram under docs/databases/."""
    run = Run("generate", json)
    results = [generate(service, check=check) for service in run.services(services)]
    run.end(results)


def named(profile: SeedProfile | None) -> seeds.Profile | None:
    """The profile in the engine's words."""
    return "reference" if profile is SeedProfile.REFERENCE else "development" if profile else None
