"""What is kept, and for how long."""

import asyncio
import json as json_module
import signal
from contextlib import suppress
from typing import Annotated

import typer

from orion_cli.db.options import DryRun, Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_core.service import Service
from orion_db.errors import Exit, Problem
from orion_db.progress import Progress
from orion_db.prune import prune
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


@commands.command("prune", cls=Command)
def prune_databases(
    services: Services = None,
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove what is past its retention (docs/retention.md), in small batches beside the services' work.

    Ctrl-C and SIGTERM end it after the batch in hand. Exit code 1: something due is left; 6: somebody else prunes.
    """
    run, stop = Run("prune", json), asyncio.Event()

    async def work(target: Target, progress: Progress) -> Result:
        overrides = overrides_of(target.service, run.environment.get(target.service.retention_variable, ""))
        stop_on_signals(stop)
        return await prune(target, overrides=overrides, table=table, dry_run=dry_run, progress=progress, stop=stop)

    run.over(_having(table, run.services(services)), work)


def _having(table: str | None, services: list[Service]) -> list[str]:
    """The services with that table; all when none has it, so that it is said by the first."""
    return [service.name for service in services if table in service.metadata.tables] or [
        service.name for service in services
    ]


def overrides_of(service: Service, words: str) -> dict[str, str]:
    """The service's setting of retention: durations by table. Raises Problem `retention_unreadable`."""
    with suppress(ValueError):
        found: object = json_module.loads(words or "{}")
        if isinstance(found, dict):
            return {str(name): str(duration) for name, duration in found.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise Problem(
        "retention_unreadable",
        Exit.USAGE,
        f"{service.retention_variable} is not a JSON object.",
        "",
        f'Correct it; an example is {service.retention_variable}={{"outbox": "60 days"}}.',
    )


def stop_on_signals(stop: asyncio.Event) -> None:
    """Ctrl-C and SIGTERM set the event: the work ends where it can, and no other database is begun."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # a system without signals
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
