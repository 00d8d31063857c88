"""What is wrong with a database, and what is done about it at a quiet hour."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json, Services
from orion_cli.db.retention import overrides_of, stop_on_signals
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.backups import read_vault
from orion_db.doctor.examine import doctor, history
from orion_db.doctor.outside import Outside
from orion_db.errors import Exit, Problem
from orion_db.maintain.fix import fix as treat
from orion_db.maintain.limits import MAX_LOAD, read_limits
from orion_db.maintain.maintain import maintain
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


@commands.command("doctor", cls=Command)
def examine_databases(
    services: Services = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", "--check", metavar="CHECK", help="Only these checks (docs/doctor.md); a,b or repeated."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the fixes that are safe, and look again.")] = False,
    past: Annotated[bool, typer.Option("--history", help="Show the score over time, and examine nothing.")] = False,
    record: Annotated[bool, typer.Option(help="Write the checkup down, for --history and growth.")] = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Find what is ill: indexes, bloat, vacuum, wraparound, sessions, locks, sequences, settings, partitions, rights.

    Each finding comes with its numbers, the fix as SQL and the undo (docs/doctor.md). --fix applies what is safe; with
    --dry-run it says what that would be. Exit code 0: healthy; 1: warnings or worse; 6: somebody else treats it.
    """
    run, stop = Run("doctor", json), asyncio.Event()
    if dry_run and not fix:
        run.fail(Problem("fix_missing", Exit.USAGE, "--dry-run says what --fix would do; examining changes nothing."))
    checks = [word for words in only or [] for word in words.split(",") if word]

    async def work(target: Target, progress: Progress) -> Result:
        if past:
            return await history(target)
        outside = _outside(run, target)
        if not fix:
            return await doctor(target, only=checks, record=record, outside=outside, progress=progress)
        stop_on_signals(stop)
        return await treat(
            target, only=checks, dry_run=dry_run, record=record, outside=outside, stop=stop, progress=progress
        )

    if fix:
        run.over(services, work)
    run.look_at(services, work)


@commands.command("maintain", cls=Command)
def maintain_databases(
    services: Services = None,
    budget: Annotated[str | None, typer.Option("--for", metavar="30m", help="Begin nothing after that time.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="05:00", help="Be done by then, by this machine's clock.")
    ] = None,
    max_load: Annotated[
        int, typer.Option(min=0, help="Wait while more sessions than that are at work on the server.")
    ] = MAX_LOAD,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Vacuum, analyze, rebuild bloated indexes, make partitions, prune: what is due, one after the other.

    It waits while the server is busy, a migration runs or a replica is behind, and gives way when somebody waits for
    it. Ctrl-C and SIGTERM end it cleanly. Exit code 1: something was put off; 6: another maintenance is at work.
    """
    run, stop = Run("maintain", json), asyncio.Event()
    try:
        limits = read_limits(datetime.now().astimezone(), budget, until, max_load)
    except Problem as problem:
        run.fail(problem)

    async def work(target: Target, progress: Progress) -> Result:
        stop_on_signals(stop)
        return await maintain(
            target, limits=limits, stop=stop, dry_run=dry_run, outside=_outside(run, target), progress=progress
        )

    run.over(services, work)


def _outside(run: Run, target: Target) -> Outside:
    variable = target.service.retention_variable
    return Outside(read_vault(run.environment), overrides_of(target.service, run.environment.get(variable, "")))
