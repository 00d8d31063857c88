"""The data browser."""

import asyncio
import signal
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from orion_cli.db.options import Json, Services
from orion_cli.db.output import print_json
from orion_cli.db.run import Run
from orion_cli.db.usage import Command
from orion_db.errors import Exit, Problem
from orion_db.result import Result
from orion_db.targets import Target

PORT = 7106

commands = typer.Typer()


@dataclass(frozen=True)
class Opened(Result):
    """Where the rows of one database can be looked at."""

    database: str
    link: str
    """It can be opened once."""
    writable: bool

    def in_words(self) -> list[str]:
        return [self.link]


@commands.command("studio", cls=Command)
def open_studio(
    services: Services = None,
    write: Annotated[
        bool, typer.Option("--write", help="Allow changes; each is kept in the table studio_changes.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: any that is free.")] = PORT,
    browser: Annotated[bool, typer.Option(help="Open the link in this machine's browser.")] = True,
    json: Json = False,
) -> None:
    """Browse the rows of the databases, on this machine alone, until Ctrl-C. Read-only; secrets are masked."""
    from orion_core.http.embedded import PortInUseError  # the web stack takes longer to import than most verbs take

    run = Run("studio", json)
    targets = run.targets(services)
    try:
        asyncio.run(_serve(targets, writable=write, port=port, browser=browser and not json, json=json))
    except PortInUseError as error:
        run.fail(Problem("port_in_use", Exit.USAGE, str(error), "", "Name another one: --port 0 takes any."))


async def _serve(targets: Sequence[Target], *, writable: bool, port: int, browser: bool, json: bool) -> None:
    from orion_core.http.embedded import serving
    from orion_db.studio.application import studio

    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    async with (
        studio(targets, writable=writable) as application,
        serving(application, "127.0.0.1", port) as chosen,
    ):
        link = application.link(chosen)
        if json:
            opened = [Opened(target.service.name, target.database, link, writable) for target in targets]
            print_json("studio", opened, Exit.OK, None)
        else:
            typer.echo(f"This link opens the studio once; Ctrl-C ends it:\n{link}")
        if browser:
            await asyncio.to_thread(webbrowser.open, link)
        await stop.wait()
