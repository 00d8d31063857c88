"""`orion db`: create, migrate, compare, seed and document the databases of the services."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperCommand, TyperGroup

from orion_core import seeds
from orion_core.service import Service
from orion_db.deploy import deploy
from orion_db.documents.generate import generate
from orion_db.errors import Exit, Problem, reason
from orion_db.initialize import initialize
from orion_db.migrate import migrate
from orion_db.progress import Progress, Step
from orion_db.report import Result, as_json, in_words
from orion_db.reset import check_reset, reset
from orion_db.seeding import seed
from orion_db.status import Status, status
from orion_db.targets import (
    Target,
    is_production,
    read_environment,
    read_targets,
    read_up_state,
    select_services,
)


@contextmanager
def _wrong_use() -> Generator[None]:
    """Typer ends with 2 on wrong use, which is what `status` says of drift; here it is 3."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "exit_code") and not isinstance(error, typer.Exit):
            vars(error)["exit_code"] = int(Exit.USAGE)
        raise


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use():
            return super().parse_args(ctx, args)


class _Commands(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use():
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _wrong_use():
            return super().resolve_command(ctx, args)


commands = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    help="Create, migrate, compare, seed and document the databases of the services.",
    epilog="Exit codes: 0 done; status: 1 pending, 2 drifted, edited or newer than the code; generate --check: 1; "
    "3 wrong use, 4 no connection, 5 refused, 6 locked, 7 permission missing, 8 failed in the database.",
)


class SeedProfile(StrEnum):
    """Which rows `seed` brings."""

    REFERENCE = "reference"
    DEVELOPMENT = "development"


Services = Annotated[
    list[str] | None,
    typer.Argument(metavar="SERVICE", help="auth, user, notifications or all; default: this directory's, or all."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Profile = Annotated[
    SeedProfile | None,
    typer.Option(
        help="reference: what every installation needs. development: sample users too. Default: by ORION_ENV."
    ),
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another migration to end.")]


_Work = Callable[[Target, Progress], Awaitable[Result]]


@commands.command("init", cls=_Command)
def init_databases(services: Services = None, profile: Profile = None, json: Json = False) -> None:
    """Create what is missing (roles, databases), migrate, and seed; a second run changes nothing."""
    run = _Run("init", json)

    async def work(target: Target, progress: Progress) -> Result:
        return await initialize(target, profile=_named(profile), production=run.production, progress=progress)

    run.over(services, work)


@commands.command("migrate", cls=_Command)
def migrate_databases(
    services: Services = None,
    name: Annotated[str | None, typer.Option(help="Write a migration of this name from the models' changes.")] = None,
    create_only: Annotated[bool, typer.Option("--create-only", help="Write it, and apply nothing.")] = False,
    json: Json = False,
) -> None:
    """Development: write a migration from the models' changes (--name), and apply what is pending. Never resets."""
    run = _Run("migrate", json)
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


@commands.command("deploy", cls=_Command)
def deploy_databases(services: Services = None, wait: Wait = 300, json: Json = False) -> None:
    """Apply pending migrations under a lock, each in a transaction; make partitions ahead. Many may run at once."""

    async def work(target: Target, progress: Progress) -> Result:
        return await deploy(target, progress=progress, wait_seconds=wait)

    _Run("deploy", json).over(services, work)


@commands.command("status", cls=_Command)
def status_databases(
    services: Services = None,
    drift: Annotated[bool, typer.Option(help="Compare the schema with the one that the migrations make.")] = True,
    json: Json = False,
) -> None:
    """Say what is applied, pending and drifted. Exit code 0: clean; 1: pending; 2: drifted, edited or newer."""

    async def work(target: Target, progress: Progress) -> Result:
        return await status(target, drift=drift, progress=progress)

    _Run("status", json).over(services, work)


@commands.command("generate", cls=_Command)
def generate_documents(
    services: Services = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is stale.")] = False,
    json: Json = False,
) -> None:
    """Write prisma/schema.prisma of each service, and its data dictionary and diagram under docs/databases/."""
    run = _Run("generate", json)
    results = [generate(service, check=check) for service in run.services(services)]
    run.end(results, Exit.PENDING if check and any(result.changed for result in results) else Exit.OK)


@commands.command("seed", cls=_Command)
def seed_databases(services: Services = None, profile: Profile = None, json: Json = False) -> None:
    """Insert the seed rows that are missing; what somebody has edited is left alone."""
    run = _Run("seed", json)

    async def work(target: Target, progress: Progress) -> Result:
        return await seed(target, profile=_named(profile), production=run.production, progress=progress)

    run.over(services, work)


@commands.command("reset", cls=_Command)
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
    run = _Run("reset", json)

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


class _Run:
    """One command: its words, its environment, and how it speaks."""

    def __init__(self, action: str, json: bool) -> None:
        self.action = action
        self.json = json
        self.environment = read_environment()
        self.production = is_production(self.environment)
        self._out = Console(highlight=False, soft_wrap=True)
        self._error = Console(stderr=True, highlight=False, soft_wrap=True)
        self._spinner = self._error.status("")

    def services(self, words: Sequence[str] | None) -> list[Service]:
        try:
            return select_services(words or [])
        except Problem as problem:
            self.fail(problem)

    def over(self, words: Sequence[str] | None, work: _Work) -> NoReturn:
        """Do the work on one database after the other, and end. The first Problem ends it; what is done stays done."""
        results: list[Result] = []
        try:
            targets = read_targets(self.services(words), self.environment, read_up_state())
            asyncio.run(self._over(targets, work, results))
        except Problem as problem:
            self.fail(problem, results)
        except (SQLAlchemyError, OSError) as error:
            self.fail(_unforeseen(error), results)
        codes = [result.exit_code for result in results if isinstance(result, Status)]
        self.end(results, max(codes, default=Exit.OK))

    def end(self, results: Sequence[Result], code: Exit) -> NoReturn:
        if self.json:
            self._print_json(results, code, None)
        else:
            for result in results:
                self._print_result(result)
        raise typer.Exit(code)

    def fail(self, problem: Problem, results: Sequence[Result] = ()) -> NoReturn:
        if self.json:
            self._print_json(results, problem.exit_code, problem)
            raise typer.Exit(problem.exit_code)
        for result in results:
            self._print_result(result)
        self._error.print(f"[bold red]Error:[/] {escape(problem.what)}")
        for label, words in (("Why", problem.why), ("Do", problem.todo)):
            if words:
                self._error.print(f"  [bold]{label}:[/] {escape(words)}")
        raise typer.Exit(problem.exit_code)

    def ask_name(self, target: Target) -> str:
        """The name that somebody types; nothing when nobody can."""
        if self.json or not sys.stdin.isatty():
            return ""
        self._spinner.stop()
        self._error.print(f"This deletes everything in {escape(target.database)} on {target.address()}.")
        return typer.prompt("Type the name of the database to go on", default="", show_default=False, err=True)

    async def _over(self, targets: Sequence[Target], work: _Work, results: list[Result]) -> None:
        try:
            for target in targets:  # what is done stands in `results` even when the next one fails
                result = await work(target, self._tell)
                results.append(result)
        finally:
            self._spinner.stop()

    def _tell(self, step: Step) -> None:
        """Progress goes to standard error, so that results can be piped; in a terminal, what is being done spins."""
        if self.json:
            return
        words = f"{step.service}: {escape(step.what)}"
        if step.state == "doing":
            self._spinner.update(words)
            self._spinner.start()
        else:
            sign = "[green]✓[/]" if step.state == "done" else "[yellow]⧗[/]"
            self._error.print(f"{sign} {words}")

    def _print_result(self, result: Result) -> None:
        first, *rest = in_words(result)
        self._out.print(f"[bold]{result.service}[/]: {escape(first)}")
        for line in rest:
            self._out.print(f"  {escape(line)}")

    def _print_json(self, results: Sequence[Result], code: Exit, problem: Problem | None) -> None:
        document: dict[str, Any] = {
            "action": self.action,
            "exit_code": int(code),
            "services": [as_json(result) for result in results],
            "problem": problem.as_json() if problem else None,
        }
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def _named(profile: SeedProfile | None) -> seeds.Profile | None:
    return "reference" if profile is SeedProfile.REFERENCE else "development" if profile else None


def _unforeseen(error: Exception) -> Problem:
    return Problem(
        "database_error",
        Exit.FAILED,
        "The database ended the work with an error that has no advice of its own.",
        reason(error),
        "Look into the server's log; what was not committed has been rolled back, and the command can be repeated.",
    )
