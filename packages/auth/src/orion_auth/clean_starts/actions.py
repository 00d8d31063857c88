"""What follows for an account's sessions and devices once a second factor is set up."""

from dataclasses import replace
from datetime import datetime

from orion_auth.devices import actions as devices
from orion_auth.gate import Gate
from orion_auth.identities.actions import KnownIdentity
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import SESSIONS_ENDED
from orion_auth.sessions import actions as sessions
from orion_auth.tokens import actions as tokens
from orion_auth.two_factor_methods import TwoFactorMethod, strengthened
from orion_core.database import Transaction

REASON = "SECOND_FACTOR_SET_UP"


async def follow(
    transaction: Transaction,
    gate: Gate,
    identity: KnownIdentity,
    method: TwoFactorMethod,
    circumstances: Circumstances,
    now: datetime,
    *,
    is_first: bool,
) -> None:
    """Note that `method` was shown in the session that it was set up in; with the first one, make a clean start.

    When the session's owner proved last who he is moves with the first one alone: later ones he may add within
    minutes of a full proof, and a proof must not be drawn out by adding them.
    """
    if is_first:
        await make_clean_start(transaction, gate, identity, circumstances, now)
    session_id = circumstances.session_id
    if session_id is None:
        return
    session = await tokens.find_session(transaction.connection, identity.id, session_id, now)
    if session is not None:
        amr, auth_time = strengthened(session.amr, method), None if is_first else session.authenticated_at
        await tokens.note_proof(transaction, identity.id, session_id, amr, now, auth_time=auth_time)


async def make_clean_start(
    transaction: Transaction, gate: Gate, identity: KnownIdentity, circumstances: Circumstances, now: datetime
) -> None:
    """End the other sessions, which have shown no second factor since there was none, and trust in all devices.

    Whoever had the password alone keeps neither a session that goes on as before, nor a device that is spared the
    second factor (OWASP ASVS 5.0, 7.4.3). The caller holds the identity.
    """
    await devices.end_all_trust(transaction, identity.id)
    ended = await sessions.end_weaker(
        transaction, gate.outbox, identity.id, keep=circumstances.session_id, reason=REASON, now=now
    )
    if ended:
        told = replace(circumstances, details={"sessions_ended": ended}, subject=None)
        await security_events.note(transaction, gate.outbox, SESSIONS_ENDED, identity, told, now)
