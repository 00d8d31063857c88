"""Sign-ins that began with a good first proof and were never finished: written down, and told to the owner.

Whoever has a password that is not his stops here. The owner hears of it as of one who fails at the second factor.
"""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import structlog

from orion_auth.admission import half_finished
from orion_auth.admission.actions import Visit, circumstances_of, give_notice
from orion_auth.devices import actions as devices
from orion_auth.gate import Gate
from orion_auth.identities import actions as identities
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.risk import actions as risk
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.rules import SIGN_IN_UNFINISHED
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor import actions as two_factor
from orion_auth.two_factor.rules import CHALLENGE_LIFETIME
from orion_core.background import keep_doing
from orion_core.database import Transaction

EVERY_SECONDS = 60.0

AT_ONCE = 100
"""Sign-ins of one transaction."""

LATE = timedelta(minutes=1)
"""So much later than they lapse: another process, whose clock is behind, may still finish them until then."""

MISSED = timedelta(hours=2)
"""What lapsed so long ago, while no process ran, is left: nobody can do anything about it any more."""

TOLD_AGAIN = timedelta(days=1)
"""Whoever has the password could fill the owner's mailbox otherwise."""

log = structlog.get_logger()


async def keep_unfinished_told(gate: Gate, stop: asyncio.Event, *, every: float = EVERY_SECONDS) -> None:
    """Until `stop`, close what was never finished. Every process does it; each sign-in falls to one of them.

    By the database's clock: one of ours that is ahead must not end what somebody is about to finish.
    """

    async def close() -> None:
        if closed := await close_unfinished(gate, await gate.database.now()):
            log.info("sign_ins.unfinished", sign_ins=closed)

    await keep_doing(stop, every, close, "sign_ins.unfinished_put_off")


async def close_unfinished(gate: Gate, now: datetime) -> int:
    """Close all sign-ins that have lapsed at `now`, some at a time, and say how many those were."""
    closed = 0
    while True:
        async with gate.database.transaction() as transaction:
            rows = await two_factor.take_unanswered(transaction, now - MISSED, now - LATE, AT_ONCE)
            for row in rows:
                await _close(transaction, gate, row, now)
        closed += len(rows)
        if len(rows) < AT_ONCE:
            return closed


async def _close(transaction: Transaction, gate: Gate, row: Any, now: datetime) -> None:
    first, began = half_finished.read(row.context), row.expires_at - CHALLENGE_LIFETIME
    identity = await identities.find(transaction.connection, row.user_id, now)
    if identity is None or first.ip_address is None:  # forgotten since, or begun before this was kept
        return
    bearer = gate.locate(
        Bearer(first.ip_address, first.user_agent, device_id=first.device_id, fingerprint=first.fingerprint)
    )
    visit = Visit(first.method, first.email, bearer, began, time.perf_counter())
    if not row.attempts:  # wrong answers are written down one by one
        finding = Finding(
            "FAILED",
            "NO_SECOND_FACTOR",
            risk_score=first.assessment.score,
            risk_reasons=first.assessment.reasons,
            metadata=risk.kept(first.assessment),
        )
        login_attempts.record(transaction, visit.attempt, finding, user_id=identity.id, duration_ms=0)
    device = await devices.recognised(identity.id, bearer, now).alone(transaction.connection)
    signals = first.assessment.signals
    was_known = signals is not None and not signals.is_new_device  # a trusted one has proved itself then, not now
    if (was_known or device.is_known) and not device.is_blocked:
        return  # his own, or it has come in since
    if await security_events.happened(transaction, SIGN_IN_UNFINISHED, identity.id, now - TOLD_AGAIN):
        return
    circumstances = circumstances_of(visit, first.assessment)
    await give_notice(transaction, gate, SIGN_IN_UNFINISHED, identity, visit, circumstances)
