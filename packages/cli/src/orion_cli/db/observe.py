"""What is in the databases, what is done to them, and what goes on just now."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from orion_cli.db.options import Json, Services
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.observe.size import sizes
from orion_db.observe.stats import stats
from orion_db.observe.top import look_once
from orion_db.progress import Progress
from orion_db.result import Result
from orion_db.targets import Target

commands = typer.Typer()


class Order(StrEnum):
    """What statements are ordered by."""

    TOTAL = "total"
    MEAN = "mean"
    CALLS = "calls"
    ROWS = "rows"
    IO = "io"


@commands.command("size", cls=Command)
def size_of_databases(
    services: Services = None,
    partitions: Annotated[bool, typer.Option("--partitions", help="Each partition by itself.")] = False,
    json: Json = False,
) -> None:
    """Say what each table takes on disk (rows, indexes, long values), and how it has grown since `doctor` looked."""

    async def work(target: Target, progress: Progress) -> Result:
        return await sizes(target, partitions=partitions, progress=progress)

    Run("size", json).look_at(services, work)


@commands.command("stats", cls=Command)
def stats_of_databases(
    services: Services = None,
    by: Annotated[Order, typer.Option(help="What statements are ordered by.")] = Order.TOTAL,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many tables, indexes and statements.")] = 10,
    json: Json = False,
) -> None:
    """Show the busiest tables, indexes and statements since the statistics began."""

    async def work(target: Target, progress: Progress) -> Result:
        return await stats(target, by=by.value, limit=limit, progress=progress)

    Run("stats", json).look_at(services, work)


@commands.command("top", cls=Command)
def top_of_databases(
    services: Services = None,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look, over one interval, and end.")] = False,
    json: Json = False,
) -> None:
    """Show live who is busy, who waits for whom, and where the work goes; q or Ctrl-C ends it.

    Where standard output is no terminal, and with --json, it looks once.
    """
    run = Run("top", json)

    async def work(target: Target, _: Progress) -> Result:
        return await look_once(target, interval)

    if once or json or sys.__stdout__ is None or not sys.stdout.isatty():
        run.over(services, work)
    from orion_cli.db.live import show_live  # needs a Unix terminal, which nothing else does

    show_live(run, services, interval)
