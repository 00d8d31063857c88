"""Before anything is applied: what is wrong with migrations, and what they would do."""

from typing import Annotated

import typer

from orion_cli.db.options import Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.lint import lint
from orion_db.lint.book import rule_book
from orion_db.plan.plan import plan
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()

Revisions = Annotated[
    list[str] | None,
    typer.Option("--revision", metavar="NAME", help="Only this migration, as 0007_add_note; repeatable."),
]


@commands.command("lint", cls=Command)
def lint_migrations(
    services: Services = None,
    revision: Revisions = None,
    pending: Annotated[bool, typer.Option("--pending", help="Only migrations that the database has not.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules, and look at nothing.")] = False,
    json: Json = False,
) -> None:
    """Find what would hurt: squawk's rules and our own, on a scratch database. Exit code 0: nothing; 1: findings."""
    run = Run("lint", json)
    if rules:
        run.end([rule_book()])

    async def work(target: Target, progress: Progress) -> Result:
        return await lint(target, revisions=revision, pending=pending, progress=progress)

    run.look_at(services, work)


@commands.command("plan", cls=Command)
def plan_migrations(services: Services = None, revision: Revisions = None, json: Json = False) -> None:
    """Say what a deploy would do: SQL, locks, sizes, risk, who is in the way. Exit code 0: all low; 1: look at it."""

    async def work(target: Target, progress: Progress) -> Result:
        return await plan(target, revisions=revision, progress=progress)

    Run("plan", json).look_at(services, work)
