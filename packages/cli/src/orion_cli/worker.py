"""`orion worker`: what the services do in the background."""

import asyncio
import gc
from typing import Annotated

import structlog
import typer
import uvloop

from orion_cli.services import find_service, service_names
from orion_cli.terminal import FAILED, fail, stop_signals
from orion_core.http.embedded import PortInUseError, end_process
from orion_core.imports import load
from orion_core.local.parent import exit_with_parent
from orion_core.local.ports import LOOPBACK
from orion_core.logs import configure_logs
from orion_core.service import Service
from orion_core.settings import Settings, SettingsError

log = structlog.get_logger()


def worker(
    names: Annotated[list[str] | None, typer.Argument(help="Services to work for; by default all.")] = None,
    host: Annotated[str, typer.Option(help="Address at which the health is told.")] = LOOPBACK,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of /livez, /readyz and /metrics; 0 takes a free one."),
    ] = None,
) -> None:
    """Deliver what waits to be sent, until SIGTERM or Ctrl-C. As many may run as wanted: they share the work."""
    exit_with_parent()
    services = [find_service(name) for name in names or service_names()]
    working = [service for service in services if service.worker]
    if not working:
        fail("None of these services has work to do in the background.")
    if port and len(working) > 1:
        raise typer.BadParameter("--port belongs to one service; name it.")
    try:
        configure_logs(Settings.load(), "worker")
        uvloop.run(_run({service: service.worker_port or 0 if port is None else port for service in working}, host))
    except SettingsError as error:
        fail(str(error))
    except PortInUseError as error:
        fail(f"{error} Stop who has it, or name another --port.")
    except Exception:
        log.exception("worker.failed")
        end_process(FAILED)
    end_process(0)


async def _run(ports: dict[Service, int], host: str) -> None:
    """All of them end when one fails: a worker that half works looks healthy and is not."""
    stop = stop_signals()
    works = {service: load(service.worker or "") for service in ports}
    gc.collect()
    gc.freeze()  # the modules stay, and a quarter of a worker's time went into looking through them with its messages
    tasks = [
        asyncio.create_task(work(stop, host, ports[service]), name=service.name) for service, work in works.items()
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()
