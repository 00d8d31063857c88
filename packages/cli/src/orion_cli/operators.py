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
    """Names of the services that have commands of their own."""
    return [name for name in service_names() if find_service(name).commands]


def find_operators(name: str) -> typer.Typer | None:
    """The commands of a service; None when it has none.

    What `orion up` has made for this directory counts for them where nobody has said anything else.
    """
    commands = find_service(name).commands
    if commands is None:
        return None
    said = read_environment(Path.cwd())
    made = read_secrets(Project(Path.cwd()).secrets_file) | read_up_state()
    os.environ.update({variable: value for variable, value in made.items() if variable not in said})
    return load(commands)
