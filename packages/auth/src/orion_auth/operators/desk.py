"""One run of an operator's command: what it works with, how it speaks, and how it ends."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_auth.settings import AuthSettings
from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.events.feed import Feed
from orion_core.events.outbox import Outbox
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_core.wakeup import Wakeup


class RefusedError(Exception):
    """What cannot be done, and what to do about it."""

    def __init__(self, code: str, detail: str, exit_code: Exit = Exit.REFUSED) -> None:
        super().__init__(detail)
        self.code = code
        self.exit_code = exit_code


@dataclass(frozen=True)
class Done:
    """What a command has done: in a sentence, and for programs."""

    sentence: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    exit_code: Exit = Exit.OK


@dataclass(frozen=True)
class Desk:
    """What commands work with."""

    settings: AuthSettings
    database: Database
    outbox: Outbox
    operator: str
    """Who does it, as the security events say."""
    now: datetime


Work = Callable[[Desk], Awaitable[Done]]


def run(action: str, work: Work, *, as_json: bool, operator: str | None) -> NoReturn:
    """Do the work and end with its exit code; with `as_json`, one JSON document on standard output says the same."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        done = asyncio.run(_with_desk(work, operator or _name_here()))
    except RefusedError as error:
        _refuse(action, error, as_json=as_json)
    except SettingsError as error:
        _refuse(action, RefusedError("wrong_settings", str(error), Exit.USAGE), as_json=as_json)
    except (SQLAlchemyError, OSError) as error:
        detail = (
            f"The database of auth failed or cannot be reached ({type(error).__name__}). Is AUTH_DATABASE_URL right?"
        )
        _refuse(action, RefusedError("database_unreachable", detail, Exit.UNREACHABLE), as_json=as_json)
    except KeyboardInterrupt:
        detail = "It was interrupted; what was done before stays done."
        _refuse(action, RefusedError("interrupted", detail, Exit.INTERRUPTED), as_json=as_json)
    if as_json:
        say({"action": action, "exit_code": int(done.exit_code), **done.facts})
    else:
        typer.echo(done.sentence)
    raise typer.Exit(done.exit_code)


def _name_here() -> str:
    """The name of whoever runs this, at this system; in a container the number may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def say(facts: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    typer.echo(json.dumps(facts, default=str))


async def _with_desk(work: Work, operator: str) -> Done:
    settings = AuthSettings.load()
    url = settings.database_url
    database = Database.connect(url, role=service_role("auth"), application="orion auth operator", pool_size=2)
    # Nobody is woken by what is written here; the followers find it when they look, within seconds.
    outbox = Outbox(Feed(database, Wakeup(url, "outbox"), "auth"))
    try:
        return await work(Desk(settings, database, outbox, operator, system_clock()))
    finally:
        await database.close()


def _refuse(action: str, error: RefusedError, *, as_json: bool) -> NoReturn:
    if as_json:
        say({"action": action, "exit_code": int(error.exit_code), "error": {"code": error.code, "detail": str(error)}})
    else:
        typer.secho(str(error), fg="red", err=True)
    raise typer.Exit(error.exit_code) from None
