"""What services have for operators, found by entry point: `orion auth …`."""

import os
from pathlib import Path

import typer

from orion_cli.environment import read_environment, read_secrets
from orion_cli.imports import load
from orion_cli.project import Project
from orion_cli.services import find_service, service_names
from orion_db.targets import read_up_state


def operated_services() -> list[str]:
    """Names of the services that have commands of their own, and of the parts of services that have."""
    services = [find_service(name) for name in service_names()]
    return [service.name for service in services if service.commands] + [
        part for service in services for part in service.parts
    ]


def find_operators(name: str) -> typer.Typer | None:
    """The commands of a service, or of a part of one; None when it has none.

    What `orion up` has made for this directory counts for them where nobody has said anything else.
    """
    commands = _parts().get(name) or find_service(name).commands
    if commands is None:
        return None
    said = read_environment(Path.cwd())
    made = read_secrets(Project(Path.cwd()).secrets_file) | read_up_state()
    os.environ.update({variable: value for variable, value in made.items() if variable not in said})
    return load(commands)


def _parts() -> dict[str, str]:
    return {part: commands for name in service_names() for part, commands in find_service(name).parts.items()}
