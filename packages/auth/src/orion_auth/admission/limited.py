"""Attempts that a limit refuses: they are written down, but a flood of them must not write without end."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from uuid import UUID

from orion_auth.admission.actions import Visit
from orion_auth.gate import Gate
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.rate_limits import actions as rate_limits
from orion_core.errors import Problem


@asynccontextmanager
async def recorded_if_limited(gate: Gate, visit: Visit, user_id: UUID | None = None) -> AsyncGenerator[None]:
    """Write down an attempt that is refused within (429), of a network's the first few in a minute."""
    try:
        yield
    except Problem as problem:
        if problem.status == HTTPStatus.TOO_MANY_REQUESTS and await rate_limits.take_refusal_record(
            gate.database, visit.bearer.ip_address, visit.now
        ):
            await record_limited(gate, visit, user_id)
        raise


async def record_limited(gate: Gate, visit: Visit, user_id: UUID | None = None) -> None:
    """Write down an attempt that a limit has refused."""
    finding = Finding("BLOCKED", "RATE_LIMITED")
    await login_attempts.record_alone(
        gate.database, visit.attempt, finding, user_id=user_id, duration_ms=visit.milliseconds
    )
