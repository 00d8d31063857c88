"""`orion keys`: the keys under which fields are sealed, and the keys by which services know each other."""

import asyncio
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from sqlalchemy.exc import SQLAlchemyError

from orion_cli.environment import read_secrets
from orion_cli.project import Project
from orion_cli.services import find_service, service_names
from orion_cli.terminal import fail
from orion_core.database import Database
from orion_core.resealing import reseal
from orion_core.sealing import Keyring
from orion_core.secrets import new_secret
from orion_core.service import Service
from orion_core.signatures import new_jwk
from orion_db.targets import read_environment, read_up_state

UNREADABLE = 4

KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")

commands = typer.Typer(no_args_is_help=True)


@commands.command()
def new(key_id: Annotated[str, typer.Argument(help="A name for the key; the year and a letter do well.")]) -> None:
    """Print a new sealing key. Put it first in a *_SEALING_KEYS variable, before a comma and the present keys."""
    if not KEY_ID.fullmatch(key_id):
        raise typer.BadParameter("An id is of 1 to 32 letters, digits, dots, hyphens and underscores.")
    typer.echo(Keyring.new_key(key_id))


@commands.command()
def service(
    name: Annotated[str, typer.Argument(help="The service that will present the key: user or notifications.")],
    signing: Annotated[
        bool, typer.Option("--signing", help="A key that signs and is never shown (private_key_jwt, RFC 7523).")
    ] = False,
) -> None:
    """Print a new key for a service that calls others: the key is for the service, the hash for auth."""
    prefix = find_service(name).url_variable.removesuffix("_DATABASE_URL")
    if signing:
        pair = new_jwk("ES256")
        private, public = (
            orjson.dumps(pair.as_dict(private=half) | {"alg": "ES256"}).decode() for half in (True, False)
        )
        typer.echo(f"{prefix}_SERVICE_PRIVATE_KEY={private}")
        typer.echo(f'AUTH_SERVICE_PUBLIC_KEYS={{"{name}": {public}}}  # beside those it has')
        return
    key, variable = new_secret(), f"{prefix}_SERVICE_KEY"
    typer.echo(f"{variable}={key}")
    typer.echo(f'AUTH_SERVICE_KEY_HASHES={{"{name}": "{sha256(key.encode()).hexdigest()}"}}  # beside those it has')


@commands.command()
def rotate(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]…", help="Default: every service.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a service.")] = False,
) -> None:
    """Seal every sealed field anew under the first key of each keyring, while the services run.

    What is kept only by its hash, or was given away sealed, stays under the old key: it is said of which services, and
    that key stays in their keyrings, behind the new one.

    Ends with code 4 when some field cannot be opened by any key of the ring; such fields are named and left alone.
    """
    # What `orion up` made for this folder counts where nobody has said anything else.
    made = read_secrets(Project(Path.cwd()).secrets_file)
    environment = made | read_up_state() | read_environment()
    unreadable = False
    for service in map(find_service, names or service_names()):
        try:
            counts, rows = asyncio.run(_rotate(service, environment))
        except (OSError, SQLAlchemyError) as error:
            reason = type(error).__name__
            fail(f"{service.name}: the database cannot be reached ({reason}). Is {service.url_variable} right?")
        unreadable = unreadable or bool(rows)
        typer.echo(_report(service, counts, rows, as_json))
    if unreadable:
        raise typer.Exit(UNREADABLE)


async def _rotate(service: Service, environment: dict[str, str]) -> tuple[Counter[str], list[str]]:
    for variable in (service.url_variable, service.sealing_variable):
        if not environment.get(variable):
            fail(f"{variable} is not set. Set it in the environment or in .env.")
    try:
        keyring = Keyring.parse(environment[service.sealing_variable])
    except ValueError as error:
        fail(f"{service.sealing_variable} is wrong: {error}.")
    url = environment[service.url_variable]
    database = Database.connect(url, role=service.service_role, application="orion keys rotate", pool_size=1)
    counts: Counter[str] = Counter(resealed=0, left_alone=0)
    unreadable: list[str] = []
    try:
        async for batch in reseal(database, service.metadata, keyring):
            counts.update(resealed=batch.resealed, left_alone=batch.left_alone)
            unreadable += [_name(batch.table, batch.column, row_id) for row_id in batch.unreadable]
    finally:
        await database.close()
    return counts, unreadable


def _name(table: str, column: str, row_id: UUID) -> str:
    return f"{table}.{column} of {row_id}"


def _report(service: Service, counts: Counter[str], unreadable: list[str], as_json: bool) -> str:
    result: dict[str, Any] = {"service": service.name, **counts, "unreadable": unreadable}
    result["old_keys_open"] = service.old_keys_open
    if as_json:
        return orjson.dumps(result).decode()
    lines = [f"{service.name}: {counts['resealed']} sealed anew, {counts['left_alone']} already under the first key"]
    lines += [f"  cannot be opened: {name}" for name in unreadable]
    if service.old_keys_open is not None:
        lines.append(f"  leave old keys in {service.sealing_variable}, last: they alone know {service.old_keys_open}")
    elif not unreadable:
        lines.append(f"  old keys may be taken out of {service.sealing_variable}")
    return "\n".join(lines)
