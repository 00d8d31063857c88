"""Keeping the record of attempts to sign in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.login_attempts import store
from orion_auth.login_attempts.tables import LoginAttemptStatus, LoginMethod
from orion_core.tables import IpAddress

Outcome = Literal["SUCCESS", "FAILED", "BLOCKED"]


@dataclass(frozen=True)
class Attempt:
    """One attempt with a password, as it is recorded whatever came of it."""

    email: str | None
    ip_address: IpAddress
    user_agent: str | None
    device_id: str | None
    attempted_at: datetime


async def record(
    connection: AsyncConnection,
    attempt: Attempt,
    outcome: Outcome,
    *,
    user_id: UUID | None,
    reason: str | None,
    duration_ms: int,
) -> None:
    """Append the attempt. `reason` says why it did not succeed."""
    values: dict[str, Any] = {
        "email": attempt.email,
        "user_id": user_id,
        "status": LoginAttemptStatus[outcome],
        "method": LoginMethod.PASSWORD,
        "is_blocked": outcome == "BLOCKED",
        "failure_reason": reason,
        "ip_address": attempt.ip_address,
        "user_agent": attempt.user_agent,
        "device_id": attempt.device_id,
        "attempted_at": attempt.attempted_at,
        "duration_ms": duration_ms,
    }
    await store.insert_attempt(connection, values)
