"""What the other services and the audit trail are told of memberships."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from orion_contracts.access_events import MembershipChanged
from orion_core.database import Transaction
from orion_user.audit.actions import Change
from orion_user.desk import Teller

KEPT = ("organization_id", "team_id", "user_id", "status", "expires_at")
"""Not the address that is invited: nothing would find it when its owner is forgotten. The entry names the row."""


def kept(row: RowMapping) -> dict[str, Any]:
    """What the audit trail tells of a membership."""
    return {column: row[column] for column in KEPT}


def event_values(row: RowMapping, change: str, now: datetime) -> dict[str, Any]:
    """What `MembershipChanged` says of it."""
    told = {column: row[column] for column in ("organization_id", "team_id", "user_id", "email", "expires_at")}
    return told | {"membership_id": row["id"], "change": change, "changed_at": now}


async def tell(desk: Teller, transaction: Transaction, row: RowMapping, change: str, old: dict[str, Any]) -> None:
    """Tell of a change of a membership."""
    event = MembershipChanged(**event_values(row, change, desk.now))
    new = {} if change in {"LEFT", "TAKEN_BACK"} else kept(row)
    action = f"membership.{change.lower()}"
    await desk.tell(transaction, event, Change(action, "membership", str(row["id"]), row["user_id"], old, new))
