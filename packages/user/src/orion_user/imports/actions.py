"""Bringing users over: lines read, identities taken in by auth, profiles written here, a report of each line.

auth decides who is taken in. The ids are those of the lines, so whatever is sent or done again, after a crash anywhere,
comes to the same: auth answers as before, rows that are there stay, and a line is written down once.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
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
from orion_user.imports.rules import ImportFormat, Result, id_of_line, runs
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
        await claim.recall(transaction.connection)
        row = await store.insert_import(transaction.connection, format_, columns, by)
        await audit.record(transaction, actor, Change("user.import", "user_import", str(row["id"])), now)
        made = await _shape(transaction.connection, row)
        await claim.settle(transaction, made)
        return made


async def read(connection: AsyncConnection, import_id: UUID) -> ImportShape:
    """An import, and how far it is; 404 when there is none."""
    return await _shape(connection, await find(connection, import_id))


async def find(connection: AsyncConnection, import_id: UUID, *, lock: bool = False) -> RowMapping:
    """The row of an import; 404 when there is none."""
    row = await store.find(connection, import_id, lock=lock)
    if row is None:
        raise not_found("import")
    return row


async def chunk_lengths(connection: AsyncConnection, import_id: UUID) -> dict[int, int]:
    """How many lines each chunk has that is done, by its first line."""
    return await store.chunk_lengths(connection, import_id)


async def take_in(
    database: Database,
    others: OtherServices,
    import_id: UUID,
    lines: Sequence[Read],
    *,
    actor: Actor,
    now: datetime,
) -> ChunkShape:
    """Take in some lines; what became of each. Of a line that was taken in before, it is what it was then."""
    numbers = range(lines[0].number, lines[-1].number + 1)
    async with database.autocommit() as connection:
        results = await store.results(connection, import_id, numbers)
    if new := [line for line in lines if line.number not in results]:
        wanted = [(line.number, line.user) for line in new if line.user is not None]
        ids = {number: id_of_line(import_id, number) for number, _ in wanted}
        taken_in = await others.take_in(import_id, [_identity(ids[number], user) for number, user in wanted])
        became = dict(zip(ids, taken_in, strict=True))
        arrivals = [
            _arrival(ids[number], became[number].email, user, now)
            for number, user in wanted
            if became[number].outcome == "CREATED"
        ]
        found = {line.number: _result(line, became.get(line.number)) for line in new}
        async with database.transaction() as transaction:
            if arrivals:
                await store.hold(transaction.connection, arrivals[0].id)
                await _settle(transaction, arrivals, now)
            results |= await _write_down(transaction, import_id, found, actor, now)
    return ChunkShape.of(numbers.start, [results[number] for number in numbers])


async def arrive(transaction: Transaction, event: IdentitiesImported, now: datetime) -> None:
    """Give those whom auth has taken in their profiles, should whoever brings them over not have got so far."""
    if not event.identities:
        return
    await store.hold(transaction.connection, event.identities[0].user_id)
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
    if arrivals:
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
    connection = transaction.connection
    new = await users.bring_in(connection, arrivals)
    await preferences.create_many(
        connection, [(each.id, each.locale, each.timezone) for each in arrivals if each.id in new]
    )
    await assignments.assign_system_role_to_many(connection, sorted(new), INITIAL_ROLE, now, reason="import")


async def _write_down(
    transaction: Transaction, import_id: UUID, found: dict[int, Result], actor: Actor, now: datetime
) -> dict[int, Result]:
    """Write down what became of lines, each once: of those that somebody else has done meanwhile, what he found."""
    connection = transaction.connection
    await find(connection, import_id, lock=True)
    written = await store.results(connection, import_id, range(min(found), max(found) + 1))
    if new := {number: result for number, result in found.items() if number not in written}:
        chunks = [_chunk(run[0], [new[number] for number in run]) for run in runs(new)]
        await store.insert_chunks(connection, import_id, chunks)
        told = Change(
            "user.import", "user_import", str(import_id), new={"first_line": min(new), **_counts(new.values())}
        )
        await audit.record(transaction, actor, told, now)
    return found | written


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


def _chunk(first_line: int, report: list[Result]) -> dict[str, Any]:
    counts = _counts(report)
    return {
        "first_line": first_line,
        "lines": len(report),
        "created": counts["CREATED"],
        "existing": counts["EXISTS"],
        "refused": counts["REFUSED"],
        "report": report,
    }


def _counts(results: Collection[Result]) -> dict[str, int]:
    return {name: sum(outcome == name for outcome, _, _ in results) for name in ("CREATED", "EXISTS", "REFUSED")}


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


def _result(line: Read, taken_in: TakenIn | None) -> Result:
    if taken_in is None:
        return ["REFUSED", None, line.fault]
    return [taken_in.outcome, taken_in.user_id, taken_in.reason]
