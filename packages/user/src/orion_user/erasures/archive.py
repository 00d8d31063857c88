"""A person's archive: all that the three services know of them, in one file (GDPR Art. 15 and 20)."""

import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core import personal_data
from orion_core.database import Database
from orion_core.errors import not_found
from orion_user.audit import actions as audit
from orion_user.audit.actions import Actor, Change
from orion_user.base import Table
from orion_user.organizations import actions as organizations
from orion_user.other_services import OtherServices

USERS = "users"

OF_AUDIT = frozenset({"timestamp", "action", "resource_type", "status", "changed_fields", "old_values", "new_values"})
"""What a person is told of entries about them; who it was, and from where, tells of somebody else (CJEU C-579/21)."""


async def archive(database: Database, others: OtherServices, user_id: UUID, *, actor: Actor, now: datetime) -> bytes:
    """The archive as a ZIP file: one JSON document of each service, and `manifest.json` with their SHA-256.

    404 for nobody; 503 when a service does not answer. That it was given out stands in the audit trail.
    """
    async with database.autocommit() as connection:
        own = await personal_data.collect(connection, Table.metadata, USERS, user_id)
        if USERS not in own:
            raise not_found("user")
        if (invited := await _invited(connection, own[USERS][0])) != []:
            own["invitations"] = invited
    own["audit_logs"] = [_entry(row) for row in own.get("audit_logs", [])]
    documents = {"user": orjson.dumps(own), **await others.known_of(user_id)}
    async with database.transaction() as transaction:
        await audit.record(transaction, actor, Change("user.export", "user", str(user_id), user_id=user_id), now)
    return packed(user_id, documents, now)


async def _invited(connection: AsyncConnection, user: dict[str, Any]) -> list[dict[str, Any]]:
    """What the address was invited to, once it is known to be the person's; no column but the address names him."""
    if user["email_verified_at"] is None:
        return []
    return [each.model_dump(mode="json") for each in await organizations.addressed(connection, user["email"])]


def packed(user_id: UUID, documents: Mapping[str, bytes], now: datetime) -> bytes:
    """The documents and their manifest as one file, the same for the same documents at the same moment."""
    manifest = {
        "user_id": str(user_id),
        "created_at": now.isoformat(),
        "files": {f"{name}.json": sha256(document).hexdigest() for name, document in documents.items()},
        "about": "All that Orion keeps of this person, by table. Left out: secrets, which would let in who finds this.",
    }
    out, at = io.BytesIO(), now.timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, document in {"manifest": orjson.dumps(manifest, option=orjson.OPT_INDENT_2), **documents}.items():
            file.writestr(zipfile.ZipInfo(f"{name}.json", at), document, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in OF_AUDIT}
