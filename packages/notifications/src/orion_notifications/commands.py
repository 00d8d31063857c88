"""The words of `orion notifications …`: the wiring of what operators do."""

import asyncio
import sys
from typing import Annotated

import httpx
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.callbacks import actions
from orion_notifications.callbacks.actions import Clerk
from orion_notifications.callbacks.returned import LONGEST_REPORT, Returned
from orion_notifications.settings import NotificationSettings
from orion_notifications.template_commands import templates

commands = typer.Typer(
    help="Keep templates as files, and take mails that come back.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 something was found, 3 wrong settings, 4 no database, 5 refused, 75 no database now.",
)
commands.add_typer(templates, name="template")


@commands.callback()
def root() -> None:
    """What operators do to notifications."""


@commands.command("bounce")
def bounce(
    recipient: Annotated[str, typer.Argument(help="Whom the mail came to, as the mail server knows it.")] = "",
) -> None:
    """Take a mail that came back (a bounce, a complaint) from the standard input.

    For a mail server's pipe: what is no report, or to no address of ours, is taken and left at that.
    """
    source = sys.stdin.buffer.read(LONGEST_REPORT)
    try:
        settings = NotificationSettings.load()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.USAGE) from error
    try:
        returned = asyncio.run(_take(settings, source, recipient))
    except (SQLAlchemyError, OSError) as error:
        typer.echo(f"The database cannot be asked now ({type(error).__name__}); send the mail again.", err=True)
        raise typer.Exit(Exit.TRY_AGAIN) from error
    if returned is None:
        typer.echo("This is no report about a message of ours; nothing was changed.")
        return
    typer.echo(f"{returned.verdict.name} {returned.notification_id} {returned.status or ''}".rstrip())


async def _take(settings: NotificationSettings, source: bytes, recipient: str) -> Returned | None:
    role = service_role("notifications")
    database = Database.connect(settings.database_url, role=role, application="orion notifications bounce")
    async with httpx.AsyncClient() as http:
        try:
            clerk = Clerk(database, settings.sealing_keys, Certificates(http), system_clock())
            return await actions.take_mail(clerk, source, recipient)
        finally:
            await database.close()
