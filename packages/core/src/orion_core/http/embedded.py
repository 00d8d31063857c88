"""An HTTP server on the event loop of a process that does something else: a worker's health, the local mailbox."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server

from orion_core.database import Database
from orion_core.http.health import Check, health_routes

START_SECONDS = 10.0


class PortInUseError(OSError):
    """Somebody else listens on the port, or it may not be listened on."""


@asynccontextmanager
async def serving(application: Any, host: str, port: int) -> AsyncGenerator[int]:
    """Serve an ASGI application until the block is left; yields the port, which 0 leaves to the system.

    Raises PortInUseError.
    """
    chosen = _bindable(host, port)
    server = Server(
        application, address=host, port=chosen, interface=Interfaces.ASGINL, websockets=False, log_enabled=False
    )
    task = asyncio.create_task(server.serve())
    try:
        await _until_listening(host, chosen, task)
        yield chosen
    finally:
        server.stop()
        await task


@asynccontextmanager
async def serving_health(host: str, port: int, database: Database, checks: Mapping[str, Check]) -> AsyncGenerator[int]:
    """Serve `/livez`, `/readyz` and `/metrics` of a process that serves nothing else."""
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    application.include_router(health_routes(database, checks))
    async with serving(application, host, port) as chosen:
        yield chosen


def end_process(code: int) -> NoReturn:
    """End this process, which has served, without the interpreter's own end.

    A thread of Granian's may still be giving back Python objects when its `serve` is over. An interpreter that ends
    meanwhile ends that thread, and Rust aborts the process for it: SIGABRT, after all was done in order.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _bindable(host: str, port: int) -> int:
    """The port, once it is sure that nobody has it: Granian's SO_REUSEPORT would share it with whoever does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(f"Port {port} is in use.") from error
        return probe.getsockname()[1]


async def _until_listening(host: str, port: int, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not task.done():
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            await asyncio.sleep(0.01)
    task.result()
