"""Writing migrations, and trying them before anybody else does."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.authoring.migrate import migrate
from orion_db.authoring.rebase import rebase
from orion_db.authoring.renames import Rename
from orion_db.authoring.renaming import Answers
from orion_db.backups.programs import VARIABLE as PROGRAMS
from orion_db.deployment.preview import preview
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target
from orion_db.up_down_up import try_migrations

commands = typer.Typer()


@commands.command("migrate", cls=Command)
def migrate_databases(
    services: Services = None,
    name: Annotated[str | None, typer.Option(help="Write a migration of this name from the models' changes.")] = None,
    create_only: Annotated[bool, typer.Option("--create-only", help="Write it, and apply nothing.")] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="goods=products, goods.name=goods.title; repeatable."),
    ] = None,
    no_renames: Annotated[
        bool, typer.Option("--no-renames", help="Drop and add whatever --rename does not name.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Development: write migrations from the models' changes (--name), and apply what is pending. Never resets.

    What may be a rename is asked about; where nobody can be asked, --rename and --no-renames say it. A change becomes
    several files where that spares running code: what is added, what is validated, what is taken away. Exit code 1:
    written, but not applied, as something is left to be done by hand or lint has found an error. With --dry-run, what
    would be written is shown; without --name, what would be applied.
    """
    run = Run("migrate", json)
    _check_options(run, name, create_only or bool(rename) or no_renames)
    if rename and len(run.services(services)) > 1:
        run.fail(Problem("service_missing", Exit.USAGE, "--rename is about one service.", "", "Name the service."))
    answers = Answers(tuple(rename or ()), no_renames, _asking(run) if run.can_ask else None)

    async def work(target: Target, progress: Progress) -> Result:
        if dry_run and name is None:
            return await preview(target, progress=progress)
        return await migrate(
            target, name=name, create_only=create_only, dry_run=dry_run, answers=answers, progress=progress
        )

    run.over(services, work)


@commands.command("rebase", cls=Command)
def rebase_databases(
    services: Services = None,
    move: Annotated[
        list[str] | None,
        typer.Option(
            "--move", metavar="NAME", help="The migration that is to move, where nothing else tells; repeatable."
        ),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Renumber migrations that two branches gave one number, and those that were passed over, behind all others.

    What the database has applied, or else what the main branch has, keeps its number. The new order is proved on a
    scratch database first. Exit code 1: done, and the models say more than the migrations.
    """

    async def work(target: Target, progress: Progress) -> Result:
        return await rebase(target, move=move or (), dry_run=dry_run, progress=progress)

    run = Run("rebase", json)
    if move and len(run.services(services)) > 1:
        run.fail(Problem("service_missing", Exit.USAGE, "--move is about one service.", "", "Name the service."))
    run.over(services, work)


@commands.command("test", cls=Command)
def try_databases(
    services: Services = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many, the newest. Default: all.")] = None,
    clone: Annotated[
        bool, typer.Option("--clone", help="With a copy of the database's own rows: what is pending, or the last one.")
    ] = False,
    json: Json = False,
) -> None:
    """Try migrations on a database made for it: up, down and up again, from the last to the first, with sample rows.

    Each time the schema must be what it was, and the rows that both sides have must be unchanged; what a downgrade
    discards is told. The database itself is only read. Exit code 1: something was found; 8: a migration failed.
    """
    run = Run("test", json)
    folder = run.environment.get(PROGRAMS, "").strip()

    async def work(target: Target, progress: Progress) -> Result:
        programs = Path(folder) if folder else None
        return await try_migrations(target, last=last, real_rows=clone, programs=programs, progress=progress)

    run.over(services, work)


def _asking(run: Run) -> Callable[[str, Rename], bool]:
    def ask(service: str, rename: Rename) -> bool:
        return run.confirm(
            f"{service}: the {rename.kind} {rename.old} is gone and {rename.new} is new. Renamed, keeping its data?"
        )

    return ask


def _check_options(run: Run, name: str | None, writes: bool) -> None:
    if writes and name is None:
        run.fail(
            Problem(
                "name_missing",
                Exit.USAGE,
                "--create-only and --rename are about a migration that is written, which needs a --name.",
                "",
                "Add --name add_new_feature; what deploy would apply is told by `orion db plan`.",
            )
        )
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
