"""The `orion` command."""

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from orion_cli.operators import operators, take_what_up_made
from orion_core.imports import load
from orion_core.service import Commands

COMMANDS = {
    "up": Commands("orion_cli.up:up", "Start PostgreSQL, the services, the worker and the mailbox; Ctrl-C stops them."),
    "serve": Commands("orion_cli.serve:serve", "Serve one service, or all of them, until SIGTERM or Ctrl-C."),
    "worker": Commands("orion_cli.worker:worker", "Deliver what waits to be sent, until SIGTERM or Ctrl-C."),
    "api": Commands(
        "orion_cli.api:api",
        "Write docs/api: what each service answers (OpenAPI 3.1) and what they tell each other (AsyncAPI 3.0).",
    ),
    "db": Commands(
        "orion_cli.db:commands",
        "Create, migrate, compare, back up, examine, seed and document the databases of the services.",
    ),
    "keys": Commands("orion_cli.keys:commands", "Make and rotate keys."),
}
"""The commands that belong to no service, by word."""


def build(called: str = "") -> typer.Typer:
    """The command line, with the command that is `called` and the summaries of all others.

    Only the one that is called is imported: all of them together take longer than a service takes to start.
    """
    application = typer.Typer(
        name="orion",
        help="Orion: sign-in, users and notifications for your product.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    application.callback()(_options)
    known = COMMANDS if called in {*COMMANDS, "--version"} else COMMANDS | operators()
    for word, commands in known.items():
        if word == called:
            _add(application, word, commands)
        else:
            application.command(word, help=commands.summary)(_not_called)
    return application


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    try:
        build(next(iter(_typed()), ""))()
    except KeyboardInterrupt:  # while it was being imported
        sys.exit(130)


def _typed() -> list[str]:
    """The words after `orion`; also those of a line that a shell wants completed (click's and Typer's variables)."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or ""
    return line.split()[1:] or sys.argv[1:]


def _add(application: typer.Typer, word: str, commands: Commands) -> None:
    if word not in COMMANDS:
        take_what_up_made()
    command = load(commands.where)
    if isinstance(command, typer.Typer):
        application.add_typer(command, name=word, help=commands.summary)
    else:
        application.command(word)(command)


def _not_called() -> None:
    """Stand for a command that is only listed."""


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
