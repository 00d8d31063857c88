"""The processes of Orion, as the supervisor starts them."""

import sys
from collections.abc import Mapping
from pathlib import Path

from orion_cli.supervisor import Child
from orion_core.local.ports import LOOPBACK
from orion_core.service import Service

_PYTHON = (sys.executable, "-u")


def service_child(
    service: Service,
    port: int,
    environment: Mapping[str, str],
    directory: Path | None = None,
    *,
    host: str = LOOPBACK,
    workers: int = 1,
) -> Child:
    """A service under Granian."""
    command = ("-m", "orion_cli", "serve", service.name, f"--host={host}", f"--port={port}", f"--workers={workers}")
    return Child(
        service.name, (*_PYTHON, *command), environment, directory, ready_url=f"http://{LOOPBACK}:{port}/readyz"
    )


def worker_child(service: Service, port: int, environment: Mapping[str, str], directory: Path) -> Child:
    """What a service does in the background."""
    command = ("-m", "orion_cli", "worker", service.name, f"--port={port}")
    ready_url = f"http://{LOOPBACK}:{port}/readyz"
    return Child("worker", (*_PYTHON, *command), environment, directory, ready_url=ready_url)


def mailbox_child(http_port: int, smtp_port: int, environment: Mapping[str, str], directory: Path) -> Child:
    """Where everything sent arrives."""
    command = ("-m", "orion_core.local.mailbox", f"--http-port={http_port}", f"--smtp-port={smtp_port}")
    return Child(
        "mailbox", (*_PYTHON, *command), environment, directory, ready_url=f"http://{LOOPBACK}:{http_port}/readyz"
    )
