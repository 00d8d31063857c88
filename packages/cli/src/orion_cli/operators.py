"""What services have for operators, found by entry point: `orion auth …`."""

import os
from pathlib import Path

from orion_cli.environment import read_environment, read_secrets
from orion_cli.project import Project
from orion_core.service import Commands, installed_services
from orion_db.targets import read_up_state


def operators() -> dict[str, Commands]:
    """The commands of all installed services, by word."""
    return {word: commands for service in installed_services().values() for word, commands in service.commands.items()}


def take_what_up_made() -> None:
    """Let what `orion up` has made for this directory count where nobody has said anything else."""
    said = read_environment(Path.cwd())
    made = read_secrets(Project(Path.cwd()).secrets_file) | read_up_state()
    os.environ.update({variable: value for variable, value in made.items() if variable not in said})
