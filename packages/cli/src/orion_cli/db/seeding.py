"""Rows that a database begins with, and as many demo users as wanted."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_core.demo import FEWEST
from orion_db.demo.fill import seed_demo
from orion_db.demo.forecast import forecast
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.seeding import seed
from orion_db.targets import Target

commands = typer.Typer()


class SeedProfile(StrEnum):
    """Which rows `seed` brings."""

    REFERENCE = "reference"
    DEVELOPMENT = "development"
    DEMO = "demo"


@commands.command("seed", cls=Command)
def seed_databases(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SERVICE]… [PROFILE]",
            help="Services or all, and a profile. reference: what every installation needs. development: sample users "
            "too. demo: as many users as --users says. Default: by ORION_ENV.",
        ),
    ] = None,
    profile: Annotated[SeedProfile | None, typer.Option(help="The same as the word.")] = None,
    users: Annotated[
        int | None, typer.Option(metavar="COUNT", help=f"demo: how many users, from {FEWEST:,} to 10,000,000.")
    ] = None,
    seed_number: Annotated[
        int | None, typer.Option("--seed", metavar="NUMBER", help="demo: another number makes other people.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Insert the seed rows that are missing; what somebody has edited is left alone.

    demo: users with devices, sessions, sign-ins, roles, preferences and messages of the last months, the same ones in
    all databases and at every run; a larger number keeps those of a smaller one. Never in production.
    """
    run = Run("seed", json)
    services, chosen = understood(run, words or [], profile)
    if chosen is not SeedProfile.DEMO and (users, seed_number) != (None, None):
        run.fail(Problem("demo_only", Exit.USAGE, "--users and --seed are for the profile demo."))

    async def work(target: Target, progress: Progress) -> Result:
        if chosen is SeedProfile.DEMO:
            return await _demo(run, target, users or FEWEST, seed_number, dry_run, progress)
        named = None if chosen is None else "reference" if chosen is SeedProfile.REFERENCE else "development"
        return await seed(target, profile=named, production=run.production, dry_run=dry_run, progress=progress)

    run.over(services, work)


async def _demo(
    run: Run, target: Target, users: int, seed_number: int | None, dry_run: bool, progress: Progress
) -> Result:
    if dry_run:
        return await forecast(target, users=users, seed=seed_number, production=run.production)
    return await seed_demo(target, users=users, seed=seed_number, production=run.production, progress=progress)


def understood(run: Run, words: Sequence[str], option: SeedProfile | None) -> tuple[list[str], SeedProfile | None]:
    """Which of the words are services and which is the profile."""
    known = set(SeedProfile)
    profiles = {SeedProfile(word) for word in words if word in known}
    if option:
        profiles.add(option)
    if len(profiles) > 1:
        names = " and ".join(sorted(profiles))
        run.fail(Problem("two_profiles", Exit.USAGE, f"It cannot be {names} at once.", "", "Name one profile."))
    return [word for word in words if word not in known], next(iter(profiles), None)
