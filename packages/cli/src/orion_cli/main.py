"""The `orion` command."""

import sys
from collections.abc import Iterable
from importlib.metadata import version
from typing import Annotated

import typer

from orion_cli.imports import load
from orion_cli.operators import find_operators, operated_services
from orion_cli.services import service_names

COMMANDS = {
    "up": "orion_cli.up:up",
    "serve": "orion_cli.serve:serve",
    "worker": "orion_cli.worker:worker",
    "db": "orion_cli.db:commands",
    "keys": "orion_cli.keys:commands",
    "api": "orion_cli.api:api",
}
"""Where each command is: a function, or a Typer application with commands of its own."""


def build(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands."""
    application = typer.Typer(
        name="orion",
        help="Orion: sign-in, users and notifications for your product.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    application.callback()(_options)
    for name in names:
        command = load(COMMANDS[name]) if name in COMMANDS else find_operators(name)
        if command is None:
            continue
        if isinstance(command, typer.Typer):
            application.add_typer(command, name=name)
        else:
            application.command(name)(command)
    return application


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    try:
        build(_needed(sys.argv[1:]))()
    except KeyboardInterrupt:  # while it was being imported
        sys.exit(130)


def _needed(words: list[str]) -> Iterable[str]:
    """Only the command that is called is imported: all of them together take longer than a service takes to start."""
    if words[:1] == ["--version"]:
        return []
    if words and (words[0] in COMMANDS or words[0] in service_names()):
        return words[:1]
    return [*COMMANDS, *operated_services()]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orion {version('orion-cli')}")
        raise typer.Exit


def _options(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that belong to no command."""
