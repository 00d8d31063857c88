"""What the commands share in talking to whoever runs them: how they fail, and how they are stopped."""

import asyncio
import signal
from collections.abc import Callable
from typing import NoReturn

import typer

FAILED = 1
ALREADY_RUNNING = 3


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say why on standard error and end with `code`."""
    typer.secho(message, fg="red", err=True)
    raise typer.Exit(code)


def stop_signals(on_second: Callable[[], None] | None = None) -> asyncio.Event:
    """An event that SIGTERM, Ctrl-C or a closed terminal set; the second of them calls `on_second`."""
    stop = asyncio.Event()

    def received() -> None:
        if stop.is_set() and on_second:
            on_second()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, received)
    return stop
