"""The statements that look entries up."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, any_, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7_floor
from orion_core.tables import table_of
from orion_user.audit.rules import AuditStatus, Wanted
from orion_user.audit.tables import AuditLog

LOGS = table_of(AuditLog)
C = LOGS.c
UNSUCCESSFUL = C.status != literal_column("'SUCCESS'")
"""The predicate of ix_audit_logs_status_id, as it stands there."""


async def search(connection: AsyncConnection, wanted: Wanted, before: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Entries that are wanted, the latest first, going on before an id.

    Backwards along ix_audit_logs_user_id_id, ix_audit_logs_actor_id_id, ix_audit_logs_action_id,
    ix_audit_logs_resource_type_resource_id_id, ix_audit_logs_session_id_id, ix_audit_logs_request_id_id or, for what
    did not succeed, ix_audit_logs_status_id, so a page costs the same wherever it lies; along pk_audit_logs where none
    of these is asked for. Ids tell the time, so of the months only those are opened that are asked for.
    """
    conditions = [*_conditions(wanted), *([] if before is None else [C.id < before])]
    statement = select(LOGS).where(*conditions).order_by(C.id.desc()).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def read_on(connection: AsyncConnection, wanted: Wanted, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Entries that are wanted, the earliest first, going on after an id. As `search`, forwards."""
    conditions = [*_conditions(wanted), *([] if after is None else [C.id > after])]
    statement = select(LOGS).where(*conditions).order_by(C.id).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def one(connection: AsyncConnection, entry_id: UUID) -> RowMapping | None:
    """One entry. By pk_audit_logs."""
    return (await connection.execute(select(LOGS).where(C.id == entry_id))).mappings().one_or_none()


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    exact = {
        C.user_id: wanted.user_id,
        C.actor_id: wanted.actor_id,
        C.action: wanted.action,
        C.resource_type: wanted.resource_type,
        C.resource_id: wanted.resource_id,
        C.service: wanted.service,
        C.status: wanted.status,
        C.session_id: wanted.session_id,
        C.request_id: wanted.request_id,
        C.ip_address: wanted.ip_address,
    }
    found = [column == value for column, value in exact.items() if value is not None]
    if wanted.status not in (None, AuditStatus.SUCCESS):
        # A parameter that differs from SUCCESS is unknown to a plan that is kept for any value.
        found.append(UNSUCCESSFUL)
    if wanted.changed_field is not None:
        found.append(literal(wanted.changed_field) == any_(C.changed_fields))
    if wanted.since is not None:
        found.append(C.id >= uuid7_floor(wanted.since))
    if wanted.until is not None:
        found.append(C.id < uuid7_floor(wanted.until))
    return found
