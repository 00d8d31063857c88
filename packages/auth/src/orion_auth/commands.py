"""The words of `orion auth …`: the wiring of what operators do, as `app` is that of what is served."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from orion_auth.identities.actions import KnownIdentity
from orion_auth.operators import actions, rotating
from orion_auth.operators.desk import Desk, Done, run
from orion_auth.operators.importing import import_users
from orion_auth.operators.pruning import prune_tables
from orion_auth.operators.simulating import simulate_policy
from orion_auth.rate_limits import administration as rate_limits
from orion_auth.risk import administration as risk
from orion_auth.security_events.actions import Circumstances
from orion_auth.service import service
from orion_auth.two_factor import management as two_factor
from orion_core.settings import retention_policy

commands = typer.Typer(
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


LARGEST_POLICY = 100_000
"""Bytes of a policy's file that are read."""


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
    """Remove all second factors of a user who has lost them, and end his sessions. Make sure that it is he who asks."""

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
def rotate_keys(
    compromised: Annotated[
        bool,
        typer.Option("--compromised", help="The old keys are in other hands: what they signed is worth nothing now."),
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
    operator: Operator = None,
) -> None:
    """Bring in another key for access tokens before its time, and say when who sees it. Nobody is signed out by it."""

    async def work(desk: Desk) -> Done:
        return await rotating.rotate_keys(desk, compromised=compromised, dry_run=dry_run)

    run("rotate-keys", work, as_json=json, operator=operator)


@commands.command()
def simulate(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help='What is changed, as JSON: {"block_at": 80}; - reads standard input.')
    ],
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How far back to go.")] = 30,
    json: Json = False,
) -> None:
    """Try a changed policy of risk on what was recorded: who would have been stopped, or let in? Changes nothing.

    What the file does not name stays as it is in force.
    """
    text = file.read(LARGEST_POLICY)

    async def work(desk: Desk) -> Done:
        return await simulate_policy(desk, text, days, risk.read, risk.simulate)

    run("simulate", work, as_json=json, operator=None)


@commands.command()
def prune(dry_run: DryRun = False, json: Json = False, operator: Operator = None) -> None:
    """Remove what is past its retention (docs/retention.md), beside the service's work. Exit code 1: some is left."""

    async def work(desk: Desk) -> Done:
        policy = retention_policy(service, desk.settings.retention)
        return await prune_tables(desk, policy, asyncio.Event(), dry_run=dry_run)

    run("prune", work, as_json=json, operator=operator)


async def _lift_limits(desk: Desk, whose: KnownIdentity, dry_run: bool) -> int:
    """Lift what refuses the account's tries now, wherever they were made; says how many limits those were."""
    # By address at its first factor from anywhere; by id on the devices that it knows, and at its second factor.
    counters = await rate_limits.limiting(desk.database, whose.email, whose.id, desk.now)
    for counter in () if dry_run else counters:
        circumstances = Circumstances(details={"actor": desk.operator})
        await rate_limits.lift(desk.database, counter, circumstances, desk.now)
    return len(counters)
