"""The words of `orion notifications template …`: templates as files, to live beside the code that sends them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_notifications.authoring import filing
from orion_notifications.authoring.actions import Writer
from orion_notifications.authoring.files import TemplateFilesError, read_folder, write_template
from orion_notifications.authoring.lint import Level
from orion_notifications.settings import OperatorSettings

templates = typer.Typer(help="Templates as files: write them out, lint them, bring them back.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="CHANNEL/NAME/… in it (docs/templates.md).")]


@templates.command("export")
def export(folder: Folder) -> None:
    """Write what is in force of every template into a folder."""

    async def work(writer: Writer) -> int:
        filed = await filing.in_force(writer.database)
        for template, version in filed:
            write_template(folder, template, version)
        return len(filed)

    typer.echo(f"{_run(work)} templates are in {folder}.")


@templates.command("lint")
def lint(folder: Folder) -> None:
    """Tell what is wrong with the templates in a folder. Needs no database."""
    try:
        found = filing.lint_all(read_folder(folder))
    except TemplateFilesError as error:
        _refuse(str(error), Exit.REFUSED)
    for name, finding in found:
        where = " ".join(filter(None, (finding.locale, finding.part)))
        typer.echo(f"{finding.level.name} {name} {where}: {finding.detail} [{finding.code}]")
    raise typer.Exit(Exit.FOUND if any(finding.level is Level.ERROR for _, finding in found) else Exit.OK)


@templates.command("import")
def import_folder(
    folder: Folder,
    publish: Annotated[bool, typer.Option("--publish", help="Put what is new in force, not a draft.")] = False,
) -> None:
    """Bring the templates in a folder in, as new versions where they differ from what is in force."""
    try:
        filed = read_folder(folder)
    except TemplateFilesError as error:
        _refuse(str(error), Exit.REFUSED)

    async def work(writer: Writer) -> list[str]:
        return await filing.bring_in(writer, filed, publish=publish)

    told: Any = _run(work)
    typer.echo("\n".join(told) or "Nothing differs from what is in force.")


def _run(work: Callable[[Writer], Awaitable[Any]]) -> Any:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return asyncio.run(_with_database(work))
    except SettingsError as error:
        _refuse(str(error), Exit.USAGE)
    except Problem as problem:
        errors = "".join(f"\n  {error.field}: {error.detail} [{error.code}]" for error in problem.errors)
        _refuse(problem.detail + errors, Exit.REFUSED)
    except TemplateFilesError as error:
        _refuse(str(error), Exit.REFUSED)
    except (SQLAlchemyError, OSError) as error:
        detail = f"The database of notifications failed or cannot be reached ({type(error).__name__})."
        _refuse(detail, Exit.UNREACHABLE)


async def _with_database(work: Callable[[Writer], Awaitable[Any]]) -> Any:
    settings = OperatorSettings.load()
    role = service_role("notifications")
    database = Database.connect(settings.database_url, role=role, application="orion notifications operator")
    try:
        return await work(Writer(database, None, system_clock()))
    finally:
        await database.close()


def _refuse(detail: str, exit_code: Exit) -> NoReturn:
    typer.secho(detail, fg="red", err=True)
    raise typer.Exit(exit_code)
