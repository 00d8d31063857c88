"""The words of `orion notifications …`: the wiring of what operators do."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import httpx
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_core.wakeup import Wakeup
from orion_notifications.amazon_certificates import Certificates
from orion_notifications.callbacks import actions
from orion_notifications.callbacks.actions import Clerk
from orion_notifications.callbacks.returned import LONGEST_REPORT, Returned
from orion_notifications.delivery.actions import QUEUE_CHANNEL
from orion_notifications.kinds import Channel
from orion_notifications.pauses import actions as pauses
from orion_notifications.pauses.shapes import LONGEST_REASON
from orion_notifications.settings import BounceSettings, OperatorSettings
from orion_notifications.template_commands import templates


def _channel(name: str) -> Channel:
    try:
        return Channel[name.upper()]
    except KeyError:
        raise typer.BadParameter(f"there are {', '.join(each.name for each in Channel)}") from None


CHANNEL = typer.Argument(parser=_channel, metavar="CHANNEL", help="Such as EMAIL or SMS.")
OPERATOR = typer.Option(help="Who does it, as the audit trail has it; default: you.")

commands = typer.Typer(
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
        settings = BounceSettings.load()
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


@commands.command("pause")
def pause(
    channel: Annotated[Channel, CHANNEL],
    reason: Annotated[str, typer.Option(help="What is wrong, for whoever comes after you.")],
    operator: Annotated[str, OPERATOR] = "",
) -> None:
    """Have a channel send nothing, within seconds, in all workers. Messages wait, and leave when it is resumed."""
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        typer.echo(f"--reason is one line of 1 to {LONGEST_REASON} characters.", err=True)
        raise typer.Exit(Exit.USAGE)

    async def work(database: Database, settings: OperatorSettings) -> str:
        await pauses.pause(database, channel, reason, operator or getpass.getuser(), system_clock())
        return f"{channel.name} is paused."

    _operate(work)


@commands.command("resume")
def resume(channel: Annotated[Channel, CHANNEL], operator: Annotated[str, OPERATOR] = "") -> None:
    """Have a paused channel send again; what has waited leaves first."""

    async def work(database: Database, settings: OperatorSettings) -> str:
        queue = Wakeup(settings.database_url, QUEUE_CHANNEL)  # nobody carries its rings: workers look once a second
        by, now = operator or getpass.getuser(), system_clock()
        was_paused = await pauses.resume(database, queue, channel, by, now)
        return f"{channel.name} sends again." if was_paused else f"{channel.name} was not paused; nothing was changed."

    _operate(work)


def _operate(work: Callable[[Database, OperatorSettings], Awaitable[str]]) -> None:
    try:
        typer.echo(asyncio.run(_with_database(work)))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.USAGE) from error
    except (SQLAlchemyError, OSError) as error:
        detail = f"The database of notifications failed or cannot be reached ({type(error).__name__}); nothing changed."
        typer.echo(detail, err=True)
        raise typer.Exit(Exit.UNREACHABLE) from error


async def _with_database(work: Callable[[Database, OperatorSettings], Awaitable[str]]) -> str:
    settings = OperatorSettings.load()
    role = service_role("notifications")
    database = Database.connect(settings.database_url, role=role, application="orion notifications operator")
    try:
        return await work(database, settings)
    finally:
        await database.close()


async def _take(settings: BounceSettings, source: bytes, recipient: str) -> Returned | None:
    role = service_role("notifications")
    database = Database.connect(settings.database_url, role=role, application="orion notifications bounce")
    async with httpx.AsyncClient() as http:
        try:
            clerk = Clerk(database, settings.sealing_keys, Certificates(http), system_clock())
            return await actions.take_mail(clerk, source, recipient)
        finally:
            await database.close()
