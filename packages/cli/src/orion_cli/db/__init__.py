"""`orion db`: everything between a changed model and a safe night. One module a group of commands."""

import typer

from orion_cli.db import (
    authoring,
    backups,
    checks,
    deployment,
    drift,
    guard,
    health,
    observe,
    queries,
    retention,
    schema,
    seeding,
    studio,
)
from orion_cli.db.usage import Commands

commands = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    epilog="Exit codes: 0 done; 1 done, and something was found (pending, stale, findings); "
    "2 drifted, edited or newer than the code; 3 wrong use, 4 no connection, 5 refused, 6 locked, "
    "7 permission missing, 8 failed in the database, 130 interrupted.",
)
for module in (
    schema,
    checks,
    drift,
    deployment,
    seeding,
    authoring,
    queries,
    observe,
    retention,
    studio,
    backups,
    guard,
    health,
):
    commands.add_typer(module.commands)
