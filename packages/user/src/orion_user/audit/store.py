"""Every statement on `audit_logs`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import String

from orion_core.statement import Statement

INSERT = Statement(
    text("""
    INSERT INTO audit_logs (
      id, service, actor_type, actor_id, actor_name, on_behalf_of, user_id, action, resource_type, resource_id,
      old_values, new_values, changed_fields, session_id, request_id, ip_address, user_agent, status, error,
      duration_ms, timestamp, created_at, updated_at, salt, commitment, leaf_hash
    )
    SELECT
      :id, :service, CAST(:actor_type AS actor_type), :actor_id, :actor_name, :on_behalf_of, :user_id, :action,
      :resource_type, :resource_id, CAST(:old_values AS jsonb), CAST(:new_values AS jsonb), :changed_fields,
      :session_id, :request_id, CAST(CAST(:ip_address AS text) AS inet), :user_agent, CAST(:status AS audit_status),
      :error, :duration_ms, :timestamp, :created_at, :created_at, :salt, :commitment,
      sha256(decode('00', 'hex') || int8send(pg_current_xact_id()::text::bigint) || :body)
    ON CONFLICT (id) DO NOTHING                                                                       -- pk_audit_logs
""").bindparams(bindparam("changed_fields", type_=ARRAY(String(100))))
)

ERASE = text("SELECT erase_audit_logs(:user_id, :at)")
ERASE_ADDRESS = text("SELECT erase_audit_logs_of_address(:email, :at)")


async def insert(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Add an entry, unless its id is there already. `body` is the leaf as far as it is known (`rules.leaf_body`)."""
    await INSERT.execute(connection, values)


async def erase(connection: AsyncConnection, user_id: UUID, at: object) -> int:
    """Empty what tells of a person; how many entries it were.

    By ix_audit_logs_user_id_id, ix_audit_logs_actor_id_id and their like.
    """
    return int((await connection.execute(ERASE, {"user_id": user_id, "at": at})).scalar_one())


async def erase_address(connection: AsyncConnection, email: str, at: object) -> Sequence[str]:
    """Empty what names an address that was invited; the memberships.

    By the first column of ix_audit_logs_resource_type_resource_id_id it reads what was ever done to memberships.
    """
    return (await connection.execute(ERASE_ADDRESS, {"email": email, "at": at})).scalars().all()
