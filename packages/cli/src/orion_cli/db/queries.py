"""What the database does with a statement."""

from typing import Annotated

import typer

from orion_cli.db.options import Json
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_core.service import installed_services
from orion_db.errors import Exit, Problem
from orion_db.explain.listing import list_statements
from orion_db.explain.named import names_of
from orion_db.explain.run import explain
from orion_db.explain.trial import explain_and_try
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SERVICE] QUERY", help="SLICE.FUNCTION of the service (see --list), or SQL in quotes."),
]


@commands.command("explain", cls=Command)
def explain_statement(
    words: Words = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Value of an argument, of :NAME, or of $1 as 1=VALUE."),
    ] = None,
    analyze: Annotated[bool, typer.Option(help="Run the statement and measure it; it is rolled back.")] = True,
    try_index: Annotated[
        bool, typer.Option("--try-index", help="Build the suggested index on a copy of the tables, and measure again.")
    ] = False,
    list_names: Annotated[bool, typer.Option("--list", help="List the service's named statements.")] = False,
    json: Json = False,
) -> None:
    """Show what the database does with a statement, which part is dear, and what index would help.

    It runs as the service's own role in a transaction that is rolled back, READ ONLY for reads. Triggers run, and
    sequences move on. Without all values, the plan for any values is shown, and nothing is run.
    """
    run = Run("explain", json)
    if not words and not list_names:
        run.fail(Problem("query_missing", Exit.USAGE, "Nothing to explain.", "", "Name a statement, or give SQL."))
    services, query = (words or [], "") if list_names else ((words or [])[:-1], (words or [""])[-1])
    if list_names:
        run.end([list_statements(service) for service in run.services(services)])
    if not services:
        services = [_service_of(run, query)]
    given = dict(_value(run, word) for word in values or [])

    async def work(target: Target, progress: Progress) -> Result:
        if try_index:
            return await explain_and_try(target, query, given, progress=progress)
        return await explain(target, query, given, run=analyze, progress=progress)

    run.over(services, work)


def _service_of(run: Run, query: str) -> str:
    """The one service that has a statement of that name, else the one whose directory this is."""
    found = [service for service in installed_services().values() if query in names_of(service)] or run.services([])
    if len(found) != 1:
        names = ", ".join(service.name for service in found)
        run.fail(Problem("service_missing", Exit.USAGE, "Which database is it about?", "", f"Say one first: {names}."))
    return found[0].name


def _value(run: Run, word: str) -> tuple[str, str | None]:
    name, sign, value = word.partition("=")
    if not sign:
        run.fail(Problem("wrong_argument", Exit.USAGE, f"--set {word!r} has no value.", "", "Write --set NAME=VALUE."))
    return name.strip(), None if value == "null" else value
