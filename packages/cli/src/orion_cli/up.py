"""`orion up`: everything on this machine, by one command."""

import asyncio
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from orion_cli.log_stream import LogStream
from orion_cli.ports import NoFreePort
from orion_cli.project import AlreadyRunning, Project
from orion_cli.readiness import NotReady
from orion_cli.session import Session
from orion_cli.summary import Summary, print_json, print_summary
from orion_cli.terminal import ALREADY_RUNNING, FAILED, fail, stop_signals
from orion_core.local.accounts import AccountError
from orion_core.local.cluster import ClusterError
from orion_core.local.postgres import PostgresInUseError, PostgresStartError
from orion_core.settings import SettingsError
from orion_db.errors import Problem

# What can go wrong on a machine that is not ours; the message is for its owner, and no traceback helps him.
EXPECTED = (
    AccountError,
    ClusterError,
    NoFreePort,
    NotReady,
    PostgresInUseError,
    PostgresStartError,
    Problem,
    SettingsError,
)


def up(
    directory: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="The project; its data are kept in .orion/ below.")
    ] = Path(),
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON line; logs go to stderr.")
    ] = False,
) -> None:
    """Start PostgreSQL, the services, the worker and the mailbox; Ctrl-C stops them.

    Where *_DATABASE_URL is set, in the environment or in .env, that server is used and none is started.
    """
    project = Project(directory.resolve())
    try:
        with project.locked():
            code = asyncio.run(_run(project, as_json=json))
    except AlreadyRunning as error:
        fail(str(error), ALREADY_RUNNING)
    raise typer.Exit(code)


async def _run(project: Project, *, as_json: bool) -> int:
    log = LogStream(sys.stderr if as_json else sys.stdout)
    logging.getLogger("orion_core.local").addHandler(_Say(log))
    session = Session(project, log)
    stop = stop_signals(on_second=session.kill)
    starting = asyncio.create_task(session.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return 0
        _show(await starting, as_json=as_json)
        await stopping
        log.say("up", "stopping")
        return 0
    except EXPECTED as error:
        typer.secho(str(error), fg="red", err=True)
        return FAILED
    finally:
        starting.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await starting
        await session.stop()
        log.say("up", "stopped")


def _show(summary: Summary, *, as_json: bool) -> None:
    with suppress(OSError):  # nobody reads: no reason to stop
        (print_json if as_json else print_summary)(summary, sys.stdout)


class _Say(logging.Handler):
    """Messages of the embedded server's keeper, in the stream of all."""

    def __init__(self, log: LogStream) -> None:
        super().__init__()
        self._stream = log

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.say("up", record.getMessage(), record.levelname.lower())
