"""The words of `orion user …`: the wiring of what operators do."""

import asyncio
import gc
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from uuid import UUID

import httpx
import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_user.audit.actions import Actor
from orion_user.imports.rules import ImportFormat
from orion_user.imports.running import AT_ONCE, Runner
from orion_user.imports.shapes import ChunkShape, ImportShape
from orion_user.other_services import OtherServices
from orion_user.preferences.resending import resend
from orion_user.settings import UserSettings

Result = TypeVar("Result")


commands = typer.Typer(
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 some lines were refused, 3 wrong settings, 4 no database, 5 refused, "
    "130 interrupted; docs/users.md explains them.",
)


@commands.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="NDJSON or CSV (docs/users.md).", exists=True, dir_okay=False)],
    format_: Annotated[str, typer.Option("--format", help="ndjson or csv; default: by the name of the file.")] = "",
    resume: Annotated[UUID | None, typer.Option(help="Go on with this import, after it was cut off.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of every line as JSON.")] = False,
    operator: Annotated[str | None, typer.Option(help="Who does it, for the audit trail.")] = None,
) -> None:
    """Bring over users, with auth, which has to run. Killed at any moment and resumed, nobody comes twice."""
    chosen = _format(format_ or file.suffix.removeprefix("."))

    def tell(chunk: ChunkShape) -> None:
        for line in chunk.lines:
            if as_json:
                typer.echo(line.model_dump_json())
            elif line.outcome == "REFUSED":
                typer.echo(f"line {line.line}: {line.reason}", err=True)

    async def work(database: Database, others: OtherServices) -> ImportShape:
        runner = Runner(database, others, system_clock, operator or getpass.getuser(), tell)
        import_id = resume
        if import_id is None:
            with file.open("rb") as opened:
                import_id = await runner.begin(opened, chosen)
            typer.echo(f"Import {import_id}; if it is cut off: --resume {import_id}", err=True)
        with file.open("rb") as opened:
            return await runner.go_on(import_id, opened, chosen)

    gc.collect()
    gc.freeze()  # what is there now stays, and to look through it with every other chunk took half of the time
    done = _run(work)
    if as_json:
        typer.echo(done.model_dump_json())
    else:
        typer.echo(f"Import {done.id}: {done.created} created, {done.existing} there already, {done.refused} refused.")
    raise typer.Exit(Exit.FOUND if done.refused else Exit.OK)


@commands.command("resend-preferences")
def resend_preferences(
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    operator: Annotated[str | None, typer.Option(help="Who does it, for the audit trail.")] = None,
) -> None:
    """Tell notifications and auth again what users have chosen, language and zone too. Can be done again."""
    actor = Actor.service(operator or getpass.getuser())

    async def work(database: Database, _: OtherServices) -> int:
        return await resend(database, actor, system_clock)

    users = _run(work)
    typer.echo(json.dumps({"users": users}) if as_json else f"What {users} users have chosen is in the feed again.")


def _run(work: Callable[[Database, OtherServices], Awaitable[Result]]) -> Result:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        return asyncio.run(_with_services(work))
    except SettingsError as error:
        _refuse(str(error), Exit.USAGE)
    except Problem as problem:
        _refuse(problem.detail, Exit.REFUSED)
    except (SQLAlchemyError, OSError) as error:
        detail = (
            f"The database of user failed or cannot be reached ({type(error).__name__}). Is USER_DATABASE_URL right?"
        )
        _refuse(detail, Exit.UNREACHABLE)
    except KeyboardInterrupt:
        _refuse("It was interrupted; what was done before stays done.", Exit.INTERRUPTED)


async def _with_services(work: Callable[[Database, OtherServices], Awaitable[Result]]) -> Result:
    settings = UserSettings.load()
    key = settings.service_key.get_secret_value()
    role = service_role("user")
    database = Database.connect(settings.database_url, role=role, application="orion user operator", pool_size=AT_ONCE)
    try:
        async with httpx.AsyncClient() as http:
            others = OtherServices(http, settings.auth_url, settings.notifications_url, key, system_clock)
            return await work(database, others)
    finally:
        await database.close()


def _refuse(detail: str, exit_code: Exit) -> NoReturn:
    typer.secho(detail, fg="red", err=True)
    raise typer.Exit(exit_code)


def _format(word: str) -> ImportFormat:
    try:
        return ImportFormat[{"JSONL": "NDJSON"}.get(word.upper(), word.upper())]
    except KeyError:
        raise typer.BadParameter("The format is ndjson or csv; say it with --format.") from None
