"""All users given out, as NDJSON or CSV, to go on after any of them."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import datetime
from uuid import UUID

import orjson

from orion_core.database import Database
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.imports.rules import ImportFormat
from orion_user.spreadsheet import cell
from orion_user.users import actions as users
from orion_user.users.shapes import UserShape

PAGE = 1000
COLUMNS = tuple(UserShape.model_fields)
NOBODY = UUID(int=0)


async def tell(database: Database, actor: Actor, format_: ImportFormat, after: UUID | None, now: datetime) -> None:
    """Write down that somebody is given all users, before the first of them."""
    given = {"format": format_.name, "after": None if after is None else str(after)}
    async with database.transaction() as transaction:
        await audit.record(transaction, actor, Change("user.export_all", "user", None, new=given), now)


async def export(database: Database, format_: ImportFormat, after: UUID | None) -> AsyncGenerator[bytes]:
    """All users in the order of their ids, those after `after`; a page in memory at a time.

    No connection is held between pages, so that a slow reader keeps nobody from the database. Who was cut off goes on
    after the last id that came whole; then there is no header again.
    """
    last = after or NOBODY
    if format_ is ImportFormat.CSV and after is None:
        yield _csv([dict(zip(COLUMNS, COLUMNS, strict=True))])
    while True:
        async with database.autocommit() as connection:
            rows = await users.after_id(connection, last, PAGE)
        if rows:
            shapes = [UserShape.of(row).model_dump(mode="json") for row in rows]
            yield (
                b"".join(orjson.dumps(shape) + b"\n" for shape in shapes)
                if format_ is ImportFormat.NDJSON
                else _csv(shapes)
            )
            last = rows[-1]["id"]
        if len(rows) < PAGE:
            return


def _csv(rows: list[dict[str, object]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([cell(row[name]) for name in COLUMNS] for row in rows)
    return out.getvalue().encode()
