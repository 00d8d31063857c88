"""The statements of erasing a person."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.erasures.tables import NAMING
from orion_contracts.audit import AuthAuditRecorded
from orion_contracts.imports import IdentitiesImported
from orion_core import audit_trail

DELETE_IDENTITY = text("DELETE FROM identities WHERE id = :user_id")

ERASE_HISTORY = text("SELECT erase_history(:user_id, :email)")

DELETE_EVENTS = text("""
    DELETE FROM outbox
    WHERE type = ANY(CAST(:types AS text[])) AND data ->> 'user_id' = :user_id
""")

LEAVE_IMPORTS = text("""
    UPDATE outbox
    SET data = jsonb_set(data, '{identities}', (
      SELECT coalesce(jsonb_agg(each), '[]') FROM jsonb_array_elements(data -> 'identities') AS each
      WHERE each ->> 'user_id' <> :user_id
    ))
    WHERE type = :type
      AND data -> 'identities' @> jsonb_build_array(jsonb_build_object('user_id', CAST(:user_id AS text)))
""")


async def delete_identity(connection: AsyncConnection, user_id: UUID) -> None:
    """Delete an identity with all that lives and dies with it: every foreign key to it cascades (primary key)."""
    await connection.execute(DELETE_IDENTITY, {"user_id": user_id})


async def erase_history(connection: AsyncConnection, user_id: UUID, email: str) -> None:
    """Delete attempts and events of somebody whose identity is gone, by a function with its owner's rights.

    ix_login_attempts_user_id_attempted_at, ix_login_attempts_email_status_attempted_at, ix_security_events_user_id_id.
    """
    await connection.execute(ERASE_HISTORY, {"user_id": user_id, "email": email})


async def delete_events(connection: AsyncConnection, user_id: UUID) -> int:
    """Delete the events that name a person, and say how many those were. It reads the outbox, which is a month.

    Those of imports name many: they lose this one. Those for the audit trail stay, and tell what was done alone.
    """
    await audit_trail.empty(connection, AuthAuditRecorded, user_id)
    await connection.execute(LEAVE_IMPORTS, {"type": IdentitiesImported.type, "user_id": str(user_id)})
    result = await connection.execute(DELETE_EVENTS, {"user_id": str(user_id), "types": list(NAMING)})
    return result.rowcount
