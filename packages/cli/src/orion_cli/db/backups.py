"""Backups: take, prove, list and thin out; restore."""

from typing import Annotated, Any

import typer

from orion_cli.db.options import DryRun, Json, Services, Wait
from orion_cli.db.run import Run
from orion_cli.db.usage import Command, Commands
from orion_db.backups import Vault, backup, read_vault, restore, verify
from orion_db.backups.prune import list_backups, prune_backups
from orion_db.backups.rules import Retention
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target


class BackupCommands(Commands):
    """`orion db backup auth` takes a backup; `orion db backup verify auth`, or `… backup auth verify`, proves one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        word = next((word for word in args if word in self.commands), "")
        if word:
            args = [word, *(other for place, other in enumerate(args) if place != args.index(word))]
        elif args != ["--help"]:
            args = ["create", *args]
        return super().parse_args(ctx, args)


commands = typer.Typer()
backups = typer.Typer(
    cls=BackupCommands, help="Back databases up (`orion db backup auth`), and prove, list and thin out backups."
)
commands.add_typer(backups, name="backup")

Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, max=64, help="Parallel workers; default: one a processor, at most 4.")
]
Name = Annotated[
    str, typer.Option("--backup", metavar="NAME", help="Its name, or the beginning of it; default: the latest.")
]


@backups.command("create", cls=Command)
def back_up(
    services: Services = None, jobs: Jobs = None, wait: Wait = 300, dry_run: DryRun = False, json: Json = False
) -> None:
    """Take a backup while the database is used (the default of `backup`): pg_dump's directory format and a manifest.

    It lies in ORION_BACKUP_DIRECTORY (default .orion/backups), encrypted when there are ORION_BACKUP_KEYS.
    """
    run = Run("backup", json)
    vault = _vault(run)

    async def work(target: Target, progress: Progress) -> Result:
        return await backup(target, vault, jobs=jobs, dry_run=dry_run, progress=progress, wait_seconds=wait)

    run.over(services, work)


@backups.command("verify", cls=Command)
def verify_backups(services: Services = None, name: Name = "latest", jobs: Jobs = None, json: Json = False) -> None:
    """Prove a backup (--backup NAME or all) by restoring it into a scratch database: files, rows, indexes, the service.

    Exit code 0: restorable; 1: not; 2: restorable, but its schema had drifted. The outcome is kept beside the backup.
    """
    run = Run("backup verify", json)
    vault = _vault(run)

    async def work(target: Target, progress: Progress) -> Result:
        return await verify(target, vault, name=name, jobs=jobs, progress=progress)

    run.over(services, work)


@backups.command("list", cls=Command)
def list_all(services: Services = None, json: Json = False) -> None:
    """List the backups, the newest first: when, how large, encrypted or not, and whether proved to be restorable."""
    run = Run("backup list", json)
    vault = _vault(run)

    async def work(target: Target, progress: Progress) -> Result:
        return list_backups(target, vault)

    run.over(services, work)


_Count = Annotated[int, typer.Option(min=0)]


@backups.command("prune", cls=Command)
def prune_old(
    services: Services = None,
    keep_last: _Count = 3,
    keep_daily: _Count = 7,
    keep_weekly: _Count = 4,
    keep_monthly: _Count = 12,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Delete old backups but the last ones, and one of each of the last days, weeks and months that have any.

    The newest, the last one that is proved to be restorable, and one that is being read stay in any case.
    """
    run = Run("backup prune", json)
    vault = _vault(run)
    retention = Retention(keep_last, keep_daily, keep_weekly, keep_monthly)

    async def work(target: Target, progress: Progress) -> Result:
        return prune_backups(target, vault, retention, dry_run=dry_run)

    run.over(services, work)


@commands.command("restore", cls=Command)
def restore_databases(
    services: Services = None,
    name: Name = "latest",
    into: Annotated[
        str | None, typer.Option("--into", metavar="DATABASE", help="Restore as this; default: the service's.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of one that holds data, which is renamed and kept.")
    ] = False,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="DATABASE", help="In production: the name of what is replaced; repeatable."),
    ] = None,
    jobs: Jobs = None,
    wait: Wait = 300,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Restore a backup into a fresh database, prove that every row is there, and only then give it its name."""
    run = Run("restore", json)
    vault = _vault(run)
    if into and len(run.services(services)) != 1:
        run.fail(Problem("one_service", Exit.USAGE, "--into names one database.", "", "Name one service with it."))

    async def work(target: Target, progress: Progress) -> Result:
        goal = into or target.database
        return await restore(
            target,
            vault,
            name=name,
            into=into,
            replace=replace,
            confirmation=goal if goal in (yes or []) else "",
            production=run.production,
            jobs=jobs,
            dry_run=dry_run,
            progress=progress,
            wait_seconds=wait,
        )

    run.over(services, work)


def _vault(run: Run) -> Vault:
    try:
        return read_vault(run.environment)
    except Problem as problem:
        run.fail(problem)
