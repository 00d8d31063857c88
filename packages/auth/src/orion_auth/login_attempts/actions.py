"""Keeping the record of attempts to sign in."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.login_attempts import store
from orion_auth.login_attempts.rules import LoginAttemptStatus, LoginMethod, Wanted
from orion_auth.places import NOWHERE, Place
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.database import Database, Writes
from orion_core.ids import uuid7
from orion_core.tables import IpAddress

Outcome = Literal["SUCCESS", "FAILED", "BLOCKED", "SUSPICIOUS"]


@dataclass(frozen=True)
class Attempt:
    """One attempt to come in, as it is recorded whatever came of it."""

    method: LoginMethod
    email: str | None
    ip_address: IpAddress
    user_agent: str | None
    device_id: str | None
    attempted_at: datetime
    place: Place = NOWHERE


@dataclass(frozen=True)
class Finding:
    """What came of an attempt, and why."""

    outcome: Outcome
    reason: str | None = None
    """Why it did not succeed."""
    risk_score: int = 0
    risk_reasons: Sequence[Any] = field(default_factory=tuple)
    """Dataclasses, kept as JSON."""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """What else is kept with it."""
    two_factor_method: TwoFactorMethod | None = None


def record(writes: Writes, attempt: Attempt, finding: Finding, *, user_id: UUID | None, duration_ms: int) -> None:
    """Append the attempt with what else is written."""
    writes.later(store.INSERT_ATTEMPT, _values(attempt, finding, user_id, duration_ms))


async def record_alone(
    database: Database, attempt: Attempt, finding: Finding, *, user_id: UUID | None, duration_ms: int
) -> None:
    """Append an attempt that changes nothing else."""
    async with database.autocommit() as connection:
        await store.INSERT_ATTEMPT.execute(connection, _values(attempt, finding, user_id, duration_ms))


def _values(attempt: Attempt, finding: Finding, user_id: UUID | None, duration_ms: int) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "email": attempt.email,
        "user_id": user_id,
        "status": LoginAttemptStatus[finding.outcome],
        "method": attempt.method,
        "is_blocked": finding.outcome == "BLOCKED",
        "is_suspicious": finding.outcome == "SUSPICIOUS",
        "failure_reason": finding.reason,
        "risk_score": finding.risk_score,
        "risk_reasons": [asdict(reason) for reason in finding.risk_reasons],
        "metadata": finding.metadata,
        "two_factor_used": finding.two_factor_method is not None,
        "two_factor_method": finding.two_factor_method,
        "ip_address": attempt.ip_address,
        "user_agent": attempt.user_agent,
        "device_id": attempt.device_id,
        "attempted_at": attempt.attempted_at,
        "duration_ms": duration_ms,
    } | attempt.place.columns


async def search(
    database: Database, wanted: Wanted, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[AnyRow]:
    """Attempts that are wanted, the latest first."""
    async with database.autocommit() as connection:
        return await store.search(connection, wanted, after, limit)
