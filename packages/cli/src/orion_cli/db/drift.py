"""What a database is against what it should be: status, drift, diff, and models read back from it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orion_cli.db.options import Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.drift import diff as differing
from orion_db.drift.drift import Script, drift
from orion_db.drift.status import status
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.pull import pull
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


class Side(StrEnum):
    """What can be compared."""

    LIVE = "live"
    MIGRATIONS = "migrations"
    MODELS = "models"


@commands.command("status", cls=Command)
def status_databases(
    services: Services = None,
    drift: Annotated[bool, typer.Option(help="Compare the schema with the one that the migrations make.")] = True,
    json: Json = False,
) -> None:
    """Say what is applied, pending and drifted. Exit code 0: clean; 1: pending; 2: drifted, edited or newer."""

    async def work(target: Target, progress: Progress) -> Result:
        return await status(target, drift=drift, progress=progress)

    Run("status", json).look_at(services, work)


@commands.command("drift", cls=Command)
def drifted_databases(
    services: Services = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print only the SQL that leads back, for psql.")] = False,
    migration: Annotated[
        str | None, typer.Option("--migration", metavar="NAME", help="Write a migration that says what is there.")
    ] = None,
    json: Json = False,
) -> None:
    """Name all that is not as the migrations make it, and print both repairs.

    Exit code 0: clean; 1: a migration is half done, and nothing else; 2: drifted. Back: SQL, in an order that runs as
    one script (`orion db drift auth --sql | psql …`), and that refuses to destroy rows and values unless the setting
    orion.discard is "yes". Onward: a migration that makes lawful what is there (--migration). Nothing is changed in
    the database.
    """
    run = Run("drift", json, bare=sql and not json)
    if sql and len(run.services(services)) != 1:
        run.fail(Problem("one_service", Exit.USAGE, "--sql prints one database's script.", "", "Name one service."))

    async def work(target: Target, progress: Progress) -> Result:
        found = await drift(target, migration=migration, progress=progress)
        return Script.of(found) if sql and not json else found

    if sql or migration is not None:
        run.over(services, work)
    run.look_at(services, work)


@commands.command("diff", cls=Command)
def differing_databases(
    services: Services = None,
    from_: Annotated[Side, typer.Option("--from", help="What is to be changed.")] = Side.MIGRATIONS,
    to: Annotated[Side, typer.Option("--to", help="What it should be.")] = Side.MODELS,
    json: Json = False,
) -> None:
    """Print the differences between two of live, migrations and models, and the SQL from one to the other.

    Nothing is applied. Exit code 0: the same; 1: different.
    """

    async def work(target: Target, progress: Progress) -> Result:
        return await differing.diff(target, from_.value, to.value, progress=progress)

    Run("diff", json).look_at(services, work)


@commands.command("pull", cls=Command)
def pulled_databases(
    services: Services = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the models there; default: standard output.")
    ] = None,
    json: Json = False,
) -> None:
    """Read a live database back into SQLAlchemy models, and say what the service's own models do not.

    The models are built in a scratch database and compared before they are given. Exit code 0: the service's models say
    all that is there; 1: they do not.
    """
    run = Run("pull", json, bare=output is None)
    if len(run.services(services)) != 1:
        run.fail(Problem("one_service", Exit.USAGE, "pull reads one database.", "", "Name one service."))

    async def work(target: Target, progress: Progress) -> Result:
        return await pull(target, output=output, progress=progress)

    run.over(services, work)
