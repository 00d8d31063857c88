"""Bringing users over: lines read, identities taken in by auth, profiles written here, a report of each line.

auth decides who is taken in. The ids are those of the lines, so whatever is sent or done again, after a crash anywhere,
comes to the same: auth answers as before, rows that are there stay, and a chunk is written down once.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.imports import IdentitiesImported
from orion_core.database import Database, Transaction
from orion_core.errors import FieldError, Problem, not_found
from orion_core.http.idempotency import NO_CLAIM, Claim
from orion_user.assignments import actions as assignments
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.imports import store
from orion_user.imports.reading import Read
from orion_user.imports.rules import ImportFormat, id_of_line
from orion_user.imports.shapes import COLUMNS, ChunkShape, ImportedUser, ImportShape
from orion_user.other_services import OtherServices, TakenIn
from orion_user.preferences import actions as preferences
from orion_user.users import actions as users
from orion_user.users.actions import Arrival
from orion_user.users.rules import INITIAL_ROLE

CHUNKS_A_PAGE = 20


async def begin(
    database: Database,
    format_: ImportFormat,
    columns: Sequence[str],
    *,
    by: str,
    actor: Actor,
    now: datetime,
    claim: Claim[ImportShape] = NO_CLAIM,
) -> ImportShape:
    """Begin an import. A 422 Problem for columns that there are not, or that do not go with the format."""
    _check_columns(format_, columns)
    async with database.transaction() as transaction:
        row = await store.insert_import(transaction.connection, format_, columns, by)
        await audit.record(transaction, actor, Change("user.import", "user_import", str(row["id"])), now)
        made = await _shape(transaction.connection, row)
        await claim.settle(transaction, made)
        return made


async def read(connection: AsyncConnection, import_id: UUID) -> ImportShape:
    """An import, and how far it is; 404 when there is none."""
    return await _shape(connection, await find(connection, import_id))


async def find(connection: AsyncConnection, import_id: UUID) -> RowMapping:
    """The row of an import; 404 when there is none."""
    row = await store.find(connection, import_id)
    if row is None:
        raise not_found("import")
    return row


async def done_from(connection: AsyncConnection, import_id: UUID) -> frozenset[int]:
    """The first lines of the chunks that are done."""
    return await store.first_lines(connection, import_id)


async def take_in(
    database: Database,
    others: OtherServices,
    import_id: UUID,
    lines: Sequence[Read],
    *,
    actor: Actor,
    now: datetime,
) -> ChunkShape:
    """Take in some lines; what became of each. Taken in before, the answer is what it was then.

    A 409 Problem when the same first line was sent with another number of lines.
    """
    first_line = lines[0].number
    async with database.autocommit() as connection:
        before = await store.chunk(connection, import_id, first_line)
    if before is not None:
        return _repeated(before, len(lines))
    wanted = [(line.number, line.user) for line in lines if line.user is not None]
    ids = {number: id_of_line(import_id, number) for number, _ in wanted}
    taken_in = await others.take_in(import_id, [_identity(ids[number], user) for number, user in wanted])
    became = dict(zip(ids, taken_in, strict=True))
    arrivals = [
        _arrival(ids[number], became[number].email, user, now)
        for number, user in wanted
        if became[number].outcome == "CREATED"
    ]
    report = [_line(line, became.get(line.number)) for line in lines]
    async with database.transaction() as transaction:
        await _settle(transaction, arrivals, now)
        counts = {name: sum(each[0] == name for each in report) for name in ("CREATED", "EXISTS", "REFUSED")}
        values: dict[str, Any] = {
            "import_id": import_id,
            "first_line": first_line,
            "lines": len(lines),
            "created": counts["CREATED"],
            "existing": counts["EXISTS"],
            "refused": counts["REFUSED"],
            "report": report,
        }
        if await store.insert_chunk(transaction.connection, values):
            told = Change("user.import", "user_import", str(import_id), new={"first_line": first_line, **counts})
            await audit.record(transaction, actor, told, now)
    return ChunkShape.of(first_line, report)


async def arrive(transaction: Transaction, event: IdentitiesImported, now: datetime) -> None:
    """Give those whom auth has taken in their profiles, should whoever brings them over not have got so far."""
    known = await users.existing(transaction.connection, [each.user_id for each in event.identities])
    arrivals = [
        Arrival(
            id=each.user_id,
            email=each.email,
            is_verified=each.is_verified,
            username=each.username,
            locale=each.locale,
            timezone=each.timezone,
            profile={"name": each.name},
            at=event.imported_at,
        )
        for each in event.identities
        if each.user_id not in known
    ]
    await _settle(transaction, arrivals, now)


async def report(database: Database, import_id: UUID) -> AsyncGenerator[bytes]:
    """What became of every line, as NDJSON. No connection is held between pages."""
    after = 0
    while True:
        async with database.autocommit() as connection:
            rows = await store.chunks(connection, import_id, after, CHUNKS_A_PAGE)
        for row in rows:
            lines = ChunkShape.of(row["first_line"], row["report"]).lines
            yield b"".join(orjson.dumps(line.model_dump()) + b"\n" for line in lines)
        if len(rows) < CHUNKS_A_PAGE:
            return
        after = rows[-1]["first_line"]


async def _settle(transaction: Transaction, arrivals: Sequence[Arrival], now: datetime) -> None:
    if not arrivals:
        return
    connection = transaction.connection
    new = await users.bring_in(connection, arrivals)
    await preferences.create_many(
        connection, [(each.id, each.locale, each.timezone) for each in arrivals if each.id in new]
    )
    await assignments.assign_system_role_to_many(connection, sorted(new), INITIAL_ROLE, now, reason="import")


async def _shape(connection: AsyncConnection, row: RowMapping) -> ImportShape:
    return ImportShape.model_validate({**row, **await store.progress(connection, row["id"])})


def _check_columns(format_: ImportFormat, columns: Sequence[str]) -> None:
    fault = None
    if (format_ is ImportFormat.CSV) != bool(columns):
        fault = "A CSV file has columns, and no other file has."
    elif unknown := sorted(set(columns) - COLUMNS):
        fault = f"There is no column {', '.join(unknown)}; there are {', '.join(sorted(COLUMNS))}."
    elif len(set(columns)) < len(columns):
        fault = "A column is named twice."
    elif columns and "email" not in columns:
        fault = "The column email is needed."
    if fault:
        errors = [FieldError(field="/columns", code="invalid_columns", detail=fault)]
        raise Problem(422, "invalid_fields", "Invalid fields", "1 field is wrong; see errors.", errors=errors)


def _repeated(before: RowMapping, lines: int) -> ChunkShape:
    if before["lines"] != lines:
        detail = (
            f"From this line on, {before['lines']} lines were sent before. Send the same ones, or go on behind them."
        )
        raise Problem(409, "other_lines", "Other lines", detail)
    return ChunkShape.of(before["first_line"], before["report"])


def _identity(user_id: UUID, user: ImportedUser) -> dict[str, Any]:
    return {
        "id": user_id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "name": user.name,
        "locale": user.locale,
        "timezone": user.timezone,
    }


def _arrival(user_id: UUID, email: str | None, user: ImportedUser, now: datetime) -> Arrival:
    return Arrival(
        id=user_id,
        email=email or user.email,
        is_verified=user.email_verified,
        username=user.username,
        locale=user.locale,
        timezone=user.timezone,
        profile={
            "name": user.name,
            "bio": user.bio,
            "location": user.location,
            "website": None if user.website is None else str(user.website),
            "avatar_url": None if user.avatar_url is None else str(user.avatar_url),
            "social_links": user.social_links,
            "metadata": user.metadata,
        },
        at=now,
    )


def _line(line: Read, taken_in: TakenIn | None) -> list[str | None]:
    if taken_in is None:
        return ["REFUSED", None, line.fault]
    return [taken_in.outcome, taken_in.user_id, taken_in.reason]
