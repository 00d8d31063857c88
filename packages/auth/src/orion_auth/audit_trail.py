"""What auth has to say to the audit trail, which user keeps.

Every kind of the security history goes through here (`security_events`), and what is changed beside it.
"""

from datetime import datetime
from uuid import UUID

from orion_contracts.audit import AuthAuditRecorded
from orion_core import audit_trail
from orion_core.audit_trail import Entry
from orion_core.database import Transaction

__all__ = ["Entry", "record"]


async def record(transaction: Transaction, entry: Entry, now: datetime, audit_id: UUID | None = None) -> None:
    """Write an entry in the transaction of what it tells of."""
    await audit_trail.record(transaction, AuthAuditRecorded, entry, now, audit_id)
