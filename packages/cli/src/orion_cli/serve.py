"""`orion serve`: one service under Granian, or all of them under the supervisor."""

import asyncio
import gc
import multiprocessing
import os
import resource
import threading
from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import structlog
import typer
from granian.constants import HTTPModes, Interfaces, Loops
from granian.server import Server

from orion_cli.children import service_child
from orion_cli.log_stream import LogStream
from orion_cli.services import find_service, service_names
from orion_cli.supervisor import Supervisor
from orion_cli.terminal import FAILED, fail, stop_signals
from orion_core.imports import load
from orion_core.local.parent import end_soon, exit_with_parent
from orion_core.local.ports import holder, is_free
from orion_core.logs import configure_logs
from orion_core.service import Service
from orion_core.settings import Settings, SettingsError

BACKLOG = 2048
"""Connections that the kernel holds until they are taken."""
CONNECTIONS = 8192
"""Connections of a worker process, idle ones too. Who opens as many shuts out everybody else, so they are many."""
KILL_SECONDS = 15

# Which application the worker processes make; they get it by environment because they may be spawned, not forked.
_APPLICATION = "ORION_SERVE_APPLICATION"

# How many they are, so that they share the processors out among them.
_WORKERS = "ORION_WORKERS"

# prometheus_client looks for it when it is imported, which is in the worker processes only.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Granian's own messages go the way of everybody's, instead of to a handler of their own.
_GRANIAN_LOGS: dict[str, Any] = {
    "handlers": {},
    "formatters": {},
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("_granian", "granian.access")},
}

log = structlog.get_logger()


def serve(
    name: Annotated[str, typer.Argument(help="auth, user, notifications, or all.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; each service has its own by default.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
) -> None:
    """Serve one service, or all of them, until SIGTERM or Ctrl-C."""
    if name != "all":
        _serve_one(find_service(name), host, port, workers)
        return
    if port is not None:
        raise typer.BadParameter("--port belongs to one service; `all` uses each one's own.")
    raise typer.Exit(asyncio.run(_serve_all(host, workers)))


def create_application() -> Any:
    """Made by Granian in each of its worker processes: the service's application."""
    _end_with_granian()
    try:
        application = load(os.environ[_APPLICATION])()
    except SettingsError as error:
        log.error("settings.wrong", faults=str(error).splitlines())
        raise SystemExit(FAILED) from None
    gc.collect()
    gc.freeze()  # the modules stay; a request that makes many objects need not have them looked through each time
    return application


def _serve_one(service: Service, host: str, port: int | None, workers: int) -> None:
    exit_with_parent()
    chosen = service.port if port is None else port
    _refuse_what_cannot_start(service, host, chosen)
    configure_logs(Settings.load(), service.name)
    os.environ[_APPLICATION] = service.application
    os.environ[_WORKERS] = str(workers)
    _open_as_many_files()
    server = Server(
        "orion_cli.serve:create_application",
        factory=True,
        address=host,
        port=chosen,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        loop=Loops.uvloop,
        workers=workers,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,  # which are connections, not requests, whatever Granian calls them
        workers_kill_timeout=KILL_SECONDS,
        # One alone is restarted by whoever restarts processes here; several look after each other.
        respawn_failed_workers=workers > 1,
        log_dictconfig=_GRANIAN_LOGS,
    )
    with _counting_together(workers):
        server.serve()


def _open_as_many_files() -> None:
    """Raise the limit of open files, of which each connection is one, to what this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _counting_together(workers: int) -> Generator[None]:
    """Several workers count in one folder, so that `/metrics` tells of all of them, whichever is asked."""
    if workers == 1 or _METRICS_FOLDER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="orion-metrics-") as folder:
        os.environ[_METRICS_FOLDER] = folder
        yield


def _refuse_what_cannot_start(service: Service, host: str, port: int) -> None:
    """End with the reason, in words, for what starting again would not cure."""
    # Granian listens with SO_REUSEPORT: a second server on the port would silently take half of the requests.
    if not is_free(port, host):
        fail(f"Port {port} is in use by {holder(port) or 'another process'}. Stop it, or name another --port.")
    try:
        load(service.settings).load()
    except SettingsError as error:
        fail(f"{service.name} cannot start:\n{error}")


async def _serve_all(host: str, workers: int) -> int:
    for name in service_names():
        service = find_service(name)
        _refuse_what_cannot_start(service, host, service.port)
    supervisor = Supervisor(LogStream())
    stop = stop_signals(on_second=supervisor.kill)
    for name in service_names():
        service = find_service(name)
        supervisor.start(service_child(service, service.port, dict(os.environ), host=host, workers=workers))
    await stop.wait()
    await supervisor.stop()
    return 0


def _end_with_granian() -> None:
    """A worker whose main process was killed would go on holding the port: it ends instead."""
    main = multiprocessing.parent_process()
    if main is None:
        return

    def watch() -> None:
        main.join()
        end_soon()

    threading.Thread(target=watch, name="granian-watch", daemon=True).start()
