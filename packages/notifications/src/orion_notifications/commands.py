"""The words of `orion notifications …`: the wiring of what operators do."""

import typer

from orion_notifications.template_commands import templates

commands = typer.Typer(
    help="Keep templates as files.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 something was found, 3 wrong settings, 4 no database, 5 refused.",
)
commands.add_typer(templates, name="template")


@commands.callback()
def root() -> None:
    """What operators do to notifications."""
