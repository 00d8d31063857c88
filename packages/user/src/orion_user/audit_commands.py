"""The words of `orion audit …`: the wiring of what auditors and operators do to the audit trail."""

import asyncio
import getpass
import json as json_module
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.exits import Exit
from orion_core.sealing import SealError
from orion_core.service import service_role
from orion_core.settings import SettingsError
from orion_user.audit import actions, chain_store, proofs, signing
from orion_user.audit.actions import Actor, Change
from orion_user.audit.proofs import Head
from orion_user.audit.verification import Findings
from orion_user.settings import TrailKeySettings, TrailSettings

commands = typer.Typer(
    no_args_is_help=True,
    epilog="Exit codes: 0 intact or done, 1 something was found, 3 wrong words or settings, 4 no database; "
    "docs/audit.md explains them.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else.")]
Kind = TypeVar("Kind", bound=TrailSettings)

SHOWN = 20
"""Faults that are shown one by one; --json tells more."""


@commands.command()
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(help="What `orion audit export` has written; - reads standard input. Else the database."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="NUMBER:HASH", help="A head that was kept elsewhere; several may be given."),
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Id of a key that is known to be ours; no other may have signed.")
    ] = None,
    json: Json = False,
) -> None:
    """Find out whether an entry was edited, removed, added or emptied, and whether the checkpoints are whole.

    With a file, nothing else is needed, no database and no settings.
    """
    try:
        expected = [proofs.parse_head(said) for said in expect or ()]
    except ValueError as error:
        _fail(f"--expect {error}.", Exit.USAGE)
    if file is None:
        findings = _run(lambda database: _verify(database, expected, key or ()))
    else:
        findings = _verify_file(file, expected, key or ())
    _tell(findings, as_json=json)
    raise typer.Exit(Exit.OK if findings.is_intact else Exit.FOUND)


@commands.command()
def head(json: Json = False) -> None:
    """Show number and hash of the latest checkpoint, to be kept elsewhere."""

    async def work(database: Database) -> dict[str, Any] | None:
        row = await actions.latest_checkpoint(database)
        return None if row is None else {"head": f"{row['number']}:{row['hash'].hex()}", "key": row["key_id"]}

    found = _run(work)
    if found is None:
        _fail("There is no checkpoint yet.", Exit.FOUND)
    typer.echo(json_module.dumps(found) if json else f"{found['head']}\nkey {found['key']}")


@commands.command()
def export(file: Annotated[Path, typer.Argument(help="Where to; - writes to standard output.")]) -> None:
    """Write out the whole trail with its proof, one JSON object a line, as it is at one moment."""

    async def work(database: Database) -> int:
        count = 0
        with sys.stdout.buffer if str(file) == "-" else file.open("xb") as opened:
            async for line in proofs.lines(database):
                opened.write(line)
                count += 1
        return count

    if str(file) != "-" and file.exists():
        _fail(f"{file} is there already; name another one.", Exit.USAGE)
    count = _run(work)
    typer.echo(f"{count} lines.", err=True)


@commands.command()
def rotate_key(
    operator: Annotated[
        str | None, typer.Option("--operator", help="Who does it, for the trail; default: the name at this system.")
    ] = None,
) -> None:
    """Bring in another key that signs checkpoints from now on. Earlier ones stay good for what they have signed."""
    keys = _settings(TrailKeySettings).sealing_keys

    async def work(database: Database) -> str:
        now = system_clock()
        async with database.transaction() as transaction:
            await chain_store.take_lock(transaction.connection)
            before = await signing.current(transaction, keys, now)
            signer = await signing.bring_in(transaction, keys, now)
            change = Change("audit.rotate_key", "audit_signing_key", signer.key_id, new={"replaced": before.key_id})
            await actions.record(transaction, Actor.service(operator or getpass.getuser()), change, now)
        return signer.key_id

    typer.echo(f"The new key is {_run(work)}: keep its id where you keep the earlier ones.")


async def _verify(database: Database, expected: list[Head], trusted: list[str] | tuple[str, ...]) -> Findings:
    return await proofs.verify_database(database, system_clock(), expected=expected, trusted=trusted)


def _verify_file(file: Path, expected: list[Head], trusted: list[str] | tuple[str, ...]) -> Findings:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            return proofs.verify_lines(opened, system_clock(), expected=expected, trusted=trusted)
    except (OSError, ValueError) as error:
        _fail(f"{file} cannot be read: {error}.", Exit.USAGE)


def _tell(findings: Findings, *, as_json: bool) -> None:
    if as_json:
        faults = [vars(fault) for fault in findings.faults]
        typer.echo(json_module.dumps({**vars(findings), "faults": faults, "intact": findings.is_intact}))
        return
    typer.echo(f"{findings.entries} entries, {findings.checkpoints} checkpoints, head {findings.head or 'none'}.")
    typer.echo(f"Signed by {', '.join(findings.keys) or 'nobody'}. {findings.uncovered} wait for a checkpoint.")
    if findings.erased:
        typer.echo(f"{findings.erased} were emptied when persons were erased, as the trail tells.")
    if findings.gone:
        typer.echo(f"{findings.gone} of {', '.join(findings.gone_months)} are gone by retention.")
    for fault in findings.faults[:SHOWN]:
        where = "" if fault.checkpoint is None else f" checkpoint {fault.checkpoint}:"
        what = "" if fault.entry is None else f" entry {fault.entry}:"
        typer.secho(f"{fault.code}:{where}{what} {fault.detail}", fg="red")
    rest = len(findings.faults) - SHOWN + findings.more_faults
    if rest > 0:
        typer.echo(f"… and {rest} more.")
    typer.echo("It is intact." if findings.is_intact else "It is not what was written.")


def _settings(kind: type[Kind]) -> Kind:
    try:
        return kind.load()
    except SettingsError as error:
        _fail(str(error), Exit.USAGE)


def _run(work: Callable[[Database], Awaitable[Any]]) -> Any:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    url = _settings(TrailSettings).database_url

    async def run() -> Any:
        async with _database(url) as database:
            return await work(database)

    try:
        return asyncio.run(run())
    except (SQLAlchemyError, OSError) as error:
        detail = (
            f"The database of user failed or cannot be reached ({type(error).__name__}). Is USER_DATABASE_URL right?"
        )
        _fail(detail, Exit.UNREACHABLE)
    except SealError as error:
        _fail(f"USER_SEALING_KEYS does not open the present key: {error}.", Exit.USAGE)


@asynccontextmanager
async def _database(url: str) -> AsyncGenerator[Database]:
    database = Database.connect(url, role=service_role("user"), application="orion audit", pool_size=2)
    try:
        yield database
    finally:
        await database.close()


def _fail(detail: str, code: Exit) -> NoReturn:
    typer.secho(detail, fg="red", err=True)
    raise typer.Exit(code)
