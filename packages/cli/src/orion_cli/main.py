"""The `orion` command."""

from importlib.metadata import version
from typing import Annotated

import typer

from orion_cli import keys
from orion_cli.serve import serve
from orion_cli.up import up
from orion_cli.worker import worker

application = typer.Typer(
    name="orion",
    help="Orion: sign-in, users and notifications for your product.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
application.command()(up)
application.command()(serve)
application.command()(worker)
application.add_typer(keys.commands, name="keys")
# application.add_typer(db.commands, name="db") once orion_cli/db.py is there


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orion {version('orion-cli')}")
        raise typer.Exit


@application.callback()
def _options(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that belong to no command."""


def main() -> None:
    """Run the command line; the entry point of the distribution."""
    application()
