"""The words of `orion auth …`: the wiring of what operators do, as `app` is that of what is served."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from orion_auth.operators import actions
from orion_auth.operators.desk import Desk, Done, run
from orion_auth.operators.importing import import_users
from orion_auth.operators.pruning import prune_tables
from orion_auth.rate_limits import administration as rate_limits
from orion_auth.security_events.actions import Circumstances
from orion_auth.service import service
from orion_auth.two_factor import management as two_factor
from orion_core.settings import retention_policy

commands = typer.Typer(
    help="Look after accounts: unlock, end sessions, reset factors, import users, prune.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 something was found, 2 wrong words, 3 wrong settings, 4 no database, 5 refused, "
    "130 interrupted; docs/operators.md explains them.",
)

Whom = Annotated[str, typer.Argument(metavar="USER", help="E-mail address or id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Operator = Annotated[
    str | None,
    typer.Option("--operator", help="Who does it, for the security history; default: the name at this system."),
]


MOST_LIMITS = 100
"""More networks than these are not let go at once."""


@commands.command()
def unlock(user: Whom, dry_run: DryRun = False, json: Json = False, operator: Operator = None) -> None:
    """Let a user try again whom wrong passwords have locked out. A suspension is not lifted."""

    async def work(desk: Desk) -> Done:
        return await actions.unlock(desk, user, _lift_limits, dry_run=dry_run)

    run("unlock", work, as_json=json, operator=operator)


@commands.command()
def end_sessions(user: Whom, dry_run: DryRun = False, json: Json = False, operator: Operator = None) -> None:
    """End every session of a user, everywhere."""

    async def work(desk: Desk) -> Done:
        return await actions.end_sessions(desk, user, dry_run=dry_run)

    run("end-sessions", work, as_json=json, operator=operator)


@commands.command()
def reset_factors(user: Whom, dry_run: DryRun = False, json: Json = False, operator: Operator = None) -> None:
    """Remove all second factors of a user who has lost them. Make sure first that it is the user who asks."""

    async def work(desk: Desk) -> Done:
        return await actions.reset_factors(desk, user, two_factor.reset_within, dry_run=dry_run)

    run("reset-factors", work, as_json=json, operator=operator)


@commands.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="One JSON object a line (docs/import.md); - reads standard input.")],
    from_line: Annotated[int, typer.Option("--from-line", min=1, help="Pass over the lines before this one.")] = 1,
    dry_run: DryRun = False,
    json: Json = False,
    operator: Operator = None,
) -> None:
    """Take in the users of another system, with the hashes of their passwords.

    An import that was cut off is begun again: users that are there already are left alone. Exit code 1: some lines were
    refused.
    """

    async def work(desk: Desk) -> Done:
        if str(file) == "-":
            return await import_users(desk, sys.stdin.buffer, first_line=from_line, dry_run=dry_run, as_json=json)
        with file.open("rb") as opened:
            return await import_users(desk, opened, first_line=from_line, dry_run=dry_run, as_json=json)

    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter("There is no such file.")
    run("import", work, as_json=json, operator=operator)


@commands.command()
def prune(dry_run: DryRun = False, json: Json = False, operator: Operator = None) -> None:
    """Remove what is past its retention (docs/retention.md), beside the service's work. Exit code 1: some is left."""

    async def work(desk: Desk) -> Done:
        policy = retention_policy(service, desk.settings.retention)
        return await prune_tables(desk, policy, asyncio.Event(), dry_run=dry_run)

    run("prune", work, as_json=json, operator=operator)


async def _lift_limits(desk: Desk, email: str, dry_run: bool) -> int:
    """Lift what refuses the account's tries now, wherever they were made; says how many limits those were."""
    found = await rate_limits.limited(desk.database, email, None, MOST_LIMITS, desk.now)
    of_account = [limit for limit in found if limit.whose == email or limit.whose.startswith(f"{email}@")]
    if not dry_run:
        circumstances = Circumstances(details={"actor": desk.operator})
        for limit in of_account:
            await rate_limits.lift(desk.database, limit.id, circumstances, desk.now)
    return len(of_account)
