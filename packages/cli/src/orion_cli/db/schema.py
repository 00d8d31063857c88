"""From nothing to a migrated, seeded and documented database, and back to nothing in development."""

from enum import StrEnum
from typing import Annotated

import typer

from orion_cli.db.options import Json, Services, Wait
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_core import seeds
from orion_db.deploy import deploy
from orion_db.documents.generate import generate
from orion_db.errors import Exit, Problem
from orion_db.initialize import initialize
from orion_db.migrate import migrate
from orion_db.progress import Progress
from orion_db.reset import check_reset, reset
from orion_db.result import Result
from orion_db.status import status
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
def init_databases(services: Services = None, profile: Profile = None, json: Json = False) -> None:
    """Create what is missing (roles, databases), migrate, and seed; a second run changes nothing."""
    run = Run("init", json)

    async def work(target: Target, progress: Progress) -> Result:
        return await initialize(target, profile=_named(profile), production=run.production, progress=progress)

    run.over(services, work)


@commands.command("migrate", cls=Command)
def migrate_databases(
    services: Services = None,
    name: Annotated[str | None, typer.Option(help="Write a migration of this name from the models' changes.")] = None,
    create_only: Annotated[bool, typer.Option("--create-only", help="Write it, and apply nothing.")] = False,
    json: Json = False,
) -> None:
    """Development: write a migration from the models' changes (--name), and apply what is pending. Never resets."""
    run = Run("migrate", json)
    if create_only and name is None:
        run.fail(Problem("name_missing", Exit.USAGE, "--create-only writes a migration, which needs a --name."))
    if run.production:
        run.fail(
            Problem(
                "production",
                Exit.REFUSED,
                "`migrate` is for development.",
                "ORION_ENV is production.",
                "Use `orion db deploy`, which applies what is pending and writes nothing.",
            )
        )

    async def work(target: Target, progress: Progress) -> Result:
        return await migrate(target, name=name, create_only=create_only, progress=progress)

    run.over(services, work)


@commands.command("deploy", cls=Command)
def deploy_databases(services: Services = None, wait: Wait = 300, json: Json = False) -> None:
    """Apply pending migrations under a lock, each in a transaction; make partitions ahead. Many may run at once."""

    async def work(target: Target, progress: Progress) -> Result:
        return await deploy(target, progress=progress, wait_seconds=wait)

    Run("deploy", json).over(services, work)


@commands.command("status", cls=Command)
def status_databases(
    services: Services = None,
    drift: Annotated[bool, typer.Option(help="Compare the schema with the one that the migrations make.")] = True,
    json: Json = False,
) -> None:
    """Say what is applied, pending and drifted. Exit code 0: clean; 1: pending; 2: drifted, edited or newer."""

    async def work(target: Target, progress: Progress) -> Result:
        return await status(target, drift=drift, progress=progress)

    Run("status", json).over(services, work)


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


@commands.command("reset", cls=Command)
def reset_databases(
    services: Services = None,
    yes_delete: Annotated[
        list[str] | None,
        typer.Option("--yes-delete", metavar="DATABASE", help="Instead of typing its name; repeatable."),
    ] = None,
    profile: Profile = None,
    json: Json = False,
) -> None:
    """Development: drop the databases and initialize them anew. Asks for each name; never in production."""
    run = Run("reset", json)

    async def work(target: Target, progress: Progress) -> Result:
        await check_reset(target, production=run.production)
        confirmation = target.database if target.database in (yes_delete or []) else run.ask_name(target)
        return await reset(
            target,
            confirmation=confirmation,
            profile=_named(profile),
            production=run.production,
            progress=progress,
        )

    run.over(services, work)


def _named(profile: SeedProfile | None) -> seeds.Profile | None:
    return "reference" if profile is SeedProfile.REFERENCE else "development" if profile else None
