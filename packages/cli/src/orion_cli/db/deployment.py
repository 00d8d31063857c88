"""Migrations applied, proven and taken back."""

from typing import Annotated, Literal

import typer

from orion_cli.db.options import DryRun, Json, Services, Wait
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.backups import read_vault
from orion_db.deployment.checks import Check
from orion_db.deployment.deploy import deploy
from orion_db.deployment.preview import preview
from orion_db.deployment.resolve import resolve
from orion_db.deployment.rollback import rollback
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


To = Annotated[str | None, typer.Option("--to", metavar="NAME", help="Up to this migration, by its name or number.")]


@commands.command("deploy", cls=Command)
def deploy_databases(
    services: Services = None,
    to: To = None,
    phase: Annotated[
        Literal["pre", "post"] | None,
        typer.Option(help="pre: before the new code, so stop at the first migration for after it. post: what is left."),
    ] = None,
    check: Annotated[
        list[Check] | None,
        typer.Option(help="Refuse when the database has drifted, or lint finds something; repeatable."),
    ] = None,
    backup: Annotated[
        bool, typer.Option("--backup", help="Refuse without a backup of the last 24 hours that was proved to restore.")
    ] = False,
    dry_run: DryRun = False,
    wait: Wait = 300,
    json: Json = False,
) -> None:
    """Apply pending migrations under a lock, step by step; make partitions ahead. Many may run at once.

    Indexes of tables that exist are built concurrently. What was cut off, by a crash or a kill, is finished. With
    --dry-run, the steps are listed and the exit code is 1 when there are any. Refusals end with 2 (drift) and 5.
    """
    run = Run("deploy", json)

    async def work(target: Target, progress: Progress) -> Result:
        if dry_run:
            return await preview(target, up_to=to, phase=phase, checks=check or (), progress=progress)
        backups = read_vault(run.environment) if backup else None
        return await deploy(
            target, progress=progress, wait_seconds=wait, up_to=to, phase=phase, checks=check or (), backups=backups
        )

    run.over(services, work)


@commands.command("resolve", cls=Command)
def resolve_databases(
    services: Services = None,
    applied: Annotated[
        str | None, typer.Option(metavar="NAME", help="Record that the migration is applied; also after it was edited.")
    ] = None,
    rolled_back: Annotated[
        str | None, typer.Option("--rolled-back", metavar="NAME", help="Record that the migration is not applied.")
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = 300,
    json: Json = False,
) -> None:
    """Record that a migration is applied (or is not), after the catalog has proven it. Nothing else is changed.

    What the migration makes is built in a scratch database and compared. Exit code 2: not proven, nothing recorded.
    """
    run = Run("resolve", json)
    if (applied is None) is (rolled_back is None):
        run.fail(Problem("name_missing", Exit.USAGE, "Name one migration: --applied NAME or --rolled-back NAME."))

    async def work(target: Target, progress: Progress) -> Result:
        return await resolve(
            target, applied=applied, rolled_back=rolled_back, dry_run=dry_run, progress=progress, wait_seconds=wait
        )

    run.over(services, work)


@commands.command("rollback", cls=Command)
def rollback_databases(
    services: Services = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NAME", help="The migration that stays, by its name or number.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many migrations are taken back.")] = None,
    discard_rows: Annotated[
        bool, typer.Option("--discard-rows", help="Go on when rows are lost that the earlier schema has no place for.")
    ] = False,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="DATABASE", help="In production: the name of the database; repeatable."),
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = 300,
    json: Json = False,
) -> None:
    """Take migrations back by their downgrade(), the last one first, down to a named one, which stays.

    Counts the rows that would be lost, and refuses (5) while there are any. Refuses in production without --yes.
    """
    run = Run("rollback", json)
    if (to is None) is (steps is None):
        run.fail(Problem("name_missing", Exit.USAGE, "Say how far: --to NAME, or --steps N."))

    async def work(target: Target, progress: Progress) -> Result:
        return await rollback(
            target,
            to=to,
            count=steps,
            discard_rows=discard_rows,
            confirmation=target.database if target.database in (yes or []) else "",
            production=run.production,
            dry_run=dry_run,
            progress=progress,
            wait_seconds=wait,
        )

    run.over(services, work)
