"""A person's archive: all that the three services know of them, in one file (GDPR Art. 15 and 20).

However much that is, little of it is in memory: it goes by pages into a file without a name, and leaves from there once
it is whole.
"""

import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO
from uuid import UUID

import orjson

from orion_core import personal_data
from orion_core.database import Database
from orion_core.errors import not_found
from orion_core.personal_data import Pages, as_json
from orion_core.stretches import Stretches
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.base import Table
from orion_user.erasures import store
from orion_user.organizations import actions as organizations
from orion_user.other_services import OtherServices
from orion_user.users import actions as users

USERS = "users"

OF_AUDIT = frozenset({"timestamp", "action", "resource_type", "status", "changed_fields", "old_values", "new_values"})
"""What a person is told of entries about them; who it was, and from where, tells of somebody else (CJEU C-579/21)."""

ABOUT = (
    "All that Orion keeps of this person, by table. Left out: secrets, which would let in who has it, "
    "who else did something, and what the law has kept from being told, if there is any."
)
"""The same for everybody, so that nothing can be told from it."""

IN_MEMORY = 1_000_000
"""Bytes of an archive; a larger one is on disk."""
PIECE = 65_536


async def archive(
    database: Database, others: OtherServices, user_id: UUID, *, actor: Actor, now: datetime
) -> IO[bytes]:
    """The archive as a ZIP file: one JSON document of each service, and `manifest.json` with their SHA-256.

    404 for nobody; 503 when a service does not answer. That it was given out stands in the audit trail. Whoever gets
    the file closes it.
    """
    async with database.autocommit() as connection:
        if await users.record(connection, user_id) is None:
            raise not_found("user")
    documents = {
        "user": as_json(_own(database, user_id)),
        "auth": others.known_of("auth", user_id),
        "notifications": others.known_of("notifications", user_id),
    }
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - whoever gets it closes it
    try:
        await _pack(file, user_id, documents, now)
        async with database.transaction() as transaction:
            await audit.record(transaction, actor, Change("user.export", "user", str(user_id), user_id=user_id), now)
    except BaseException:
        file.close()
        raise
    return file


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file from its beginning; it is closed behind its end."""
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


async def _own(database: Database, user_id: UUID) -> Pages:
    """What this service knows. What the address was invited to names nobody but by it, so it is his once verified."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        async for page in personal_data.collect(
            connection,
            Table.metadata,
            USERS,
            user_id,
            only={"audit_logs": OF_AUDIT},
            where={"audit_logs": store.NOT_OF_HOLDS},
        ):
            yield page
        user = await users.record(connection, user_id)
        if user is not None and user["email_verified_at"] is not None:
            invited = await organizations.addressed(connection, user["email"])
            if invited:
                yield "invitations", [each.model_dump_json() for each in invited]


async def _pack(file: IO[bytes], user_id: UUID, documents: Mapping[str, AsyncIterator[bytes]], now: datetime) -> None:
    """Write the documents, as they come, and their manifest."""
    sums, at, stretches = dict[str, str](), now.timetuple()[:6], Stretches()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, document in documents.items():
            entry, seen = zipfile.ZipInfo(f"{name}.json", at), sha256()
            entry.compress_type = zipfile.ZIP_DEFLATED
            with packed.open(entry, "w", force_zip64=True) as into:
                async for piece in document:
                    for first in range(0, len(piece), PIECE):
                        part = piece[first : first + PIECE]
                        seen.update(part)
                        into.write(part)
                        await stretches.give_way()
            sums[entry.filename] = seen.hexdigest()
        manifest = {
            "user_id": str(user_id),
            "created_at": now.isoformat(),
            "files": sums,
            "about": ABOUT,
        }
        described = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        packed.writestr(zipfile.ZipInfo("manifest.json", at), described, zipfile.ZIP_DEFLATED)
