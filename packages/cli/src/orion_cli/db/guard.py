"""What guards data against being thrown away: the mark of production, and a reset that backs up first."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json, Services
from orion_cli.db.run import Run
from orion_cli.db.schema import Profile, named
from orion_cli.db.usage import Command
from orion_core.service import installed_services
from orion_db.backups import read_vault
from orion_db.errors import Problem
from orion_db.production import marking
from orion_db.progress import Progress, Step
from orion_db.reset import check_reset, followers_left_behind, foretell_reset, reset
from orion_db.result import Result
from orion_db.targets import Target, read_targets, read_up_state

commands = typer.Typer()


@commands.command("mark", cls=Command)
def mark_databases(
    services: Services = None,
    production: Annotated[
        bool | None,
        typer.Option("--production/--no-production", help="Set the mark, or take it away; neither: tell."),
    ] = None,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="DATABASE", help="The name of what loses the mark; repeatable."),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Mark databases as production, in themselves: reset is refused then, whatever the environment says."""

    async def work(target: Target, progress: Progress) -> Result:
        confirmation = target.database if target.database in (yes or []) else ""
        return await marking(target, production=production, confirmation=confirmation, dry_run=dry_run)

    Run("mark", json).over(services, work)


@commands.command("reset", cls=Command)
def reset_databases(
    services: Services = None,
    yes_delete: Annotated[
        list[str] | None,
        typer.Option("--yes-delete", metavar="DATABASE", help="Instead of typing its name; repeatable."),
    ] = None,
    backup: Annotated[bool, typer.Option("--backup/--no-backup", help="Back up first what there is.")] = True,
    profile: Profile = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Development: back up, drop the databases and initialize them anew. Asks for each name; never in production."""
    run = Run("reset", json)
    others = _others(run, services)

    async def work(target: Target, progress: Progress) -> Result:
        await check_reset(target, production=run.production)
        warnings = await followers_left_behind(target, others)
        for warning in warnings:
            progress(Step(target.service.name, warning, "waiting"))
        if dry_run:
            return await foretell_reset(target, production=run.production, warnings=warnings)
        confirmation = target.database if target.database in (yes_delete or []) else _typed(run, target)
        return await reset(
            target,
            confirmation=confirmation,
            vault=read_vault(run.environment) if backup else None,
            profile=named(profile),
            production=run.production,
            warnings=warnings,
            progress=progress,
        )

    run.over(services, work)


def _typed(run: Run, target: Target) -> str:
    """The name that somebody types, or that is piped in: a line for each database."""
    if sys.__stdin__ is None or sys.stdin.isatty():
        return run.ask_name(target)
    typer.echo(f"Reading the name of {target.service.name}'s database from standard input.", err=True)
    return sys.stdin.readline().strip()


def _others(run: Run, services: Sequence[str] | None) -> list[Target]:
    """The databases of the services that are not reset, as far as their URLs are known."""
    chosen = {service.name for service in run.services(services)}
    found: list[Target] = []
    for service in installed_services().values():
        if service.name not in chosen:
            try:
                found += read_targets([service], run.environment, read_up_state())
            except Problem:
                continue
    return found
