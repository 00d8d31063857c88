"""Coming in with a password."""

import time
from dataclasses import replace
from datetime import datetime

from orion_auth.addresses import normalise_email
from orion_auth.admission.actions import Visit, admit, record_limited
from orion_auth.admission.rules import Decision, Proof, decide
from orion_auth.devices.rules import KnownDevice
from orion_auth.gate import Gate
from orion_auth.hashing import HashingLane, needs_new_hash
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.login_attempts import actions as login_attempts
from orion_auth.login_attempts.actions import Finding
from orion_auth.login_attempts.rules import LoginMethod
from orion_auth.pacing import evenly
from orion_auth.password_policy import PasswordPolicy
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.rate_limits.actions import Taken
from orion_auth.sessions.actions import Grant
from orion_auth.tokens.actions import Bearer
from orion_auth.two_factor.actions import Challenged
from orion_auth.visitors import Visitor, Visitors
from orion_contracts.events import SignInFailed
from orion_core.errors import Problem
from orion_core.http.door import enter_door
from orion_core.http.rate_limit import told_under
from orion_core.ids import uuid7

PROOF = Proof(("pwd",))


async def sign_in(
    gate: Gate,
    visitors: Visitors,
    lane: HashingLane,
    policy: PasswordPolicy,
    *,
    email_text: str,
    password: str,
    bearer: Bearer,
    now: datetime,
    remember: bool = True,
) -> Grant | Challenged:
    """Begin a session for whoever knows the password of an identity in good standing.

    Every attempt is recorded; of those that a limit refuses, the first few of a network's in a minute. A 401 Problem is
    the same, and costs the same, for an unknown address, a wrong password and an address that is not verified; a 403
    Problem says what is the matter with a verified account to those who know its password. Whether that is known from a
    breach weighs in the risk, where a list of such passwords is on this machine.
    """
    started = time.perf_counter()
    if bearer.device_id is None:
        lane.require_room()  # before anything is read: in a flood, who names no device costs next to nothing
    bearer = gate.locate(bearer)
    email = normalise_email(email_text)
    visit = Visit(LoginMethod.PASSWORD, email, bearer, now, started, remember=remember)
    identity, device = await visitors.ask(Visitor(email, bearer, now))
    known_from = bearer.ip_address if device is not None else None
    lane.require_room(known_from=known_from)
    await enter_door(is_preferred=device is not None)
    lane.require_room(known_from=known_from)  # before it is counted: what is not tried is no try
    taken = await _take_limit(gate, visit, device)
    async with rate_limits.given_back_if_untried(gate.database, taken):
        kept = identity.password_hash if identity else None
        password_is_right = await lane.verify(kept, password, known_from=known_from)
    decision = decide(identity.standing if identity else None, password_is_right)
    if identity is None or decision.outcome != "SUCCESS":
        await _record_refusal(gate, visit, identity, decision)
        raise told_under(taken.state, refusal(decision))
    await _raise_hash(gate, lane, identity, password)
    proof = replace(PROOF, password_is_breached=await policy.is_known_here(password))
    return await admit(gate, replace(visit, limit=taken.state, taken=taken), identity, proof)


async def _take_limit(gate: Gate, visit: Visit, device: KnownDevice | None) -> Taken:
    taken = await rate_limits.take_login(
        gate.database, visit.email or "", visit.bearer.ip_address, visit.now, device=device
    )
    if isinstance(taken, Taken):
        return taken
    if taken.is_worth_recording:
        await record_limited(gate, visit)
    raise taken.problem


async def _raise_hash(gate: Gate, lane: HashingLane, identity: KnownIdentity, password: str) -> None:
    """Keep a hash of today's parameters in the place of a weaker one, or of another system's, now that one can."""
    kept = identity.password_hash
    if kept is None or not needs_new_hash(kept):
        return
    try:
        raised = await lane.hash(password)
    except Problem:
        return  # too much to do: a later sign-in will do it
    async with gate.database.autocommit() as connection:
        await identities.replace_hash(connection, identity.id, kept, raised)


async def _record_refusal(gate: Gate, visit: Visit, identity: KnownIdentity | None, decision: Decision) -> None:
    async with evenly(), gate.database.writes() as writes:
        login_attempts.record(
            writes,
            visit.attempt,
            Finding(decision.outcome, decision.reason),
            user_id=identity.id if identity else None,
            duration_ms=visit.milliseconds,
        )
        if decision.outcome == "FAILED":
            # Nobody's id when there is no such identity, so that the same statements run.
            identities.note_failed_login(writes, identity.id if identity else uuid7())
        if decision.outcome == "FAILED" and identity is not None:
            await gate.outbox.record(writes, SignInFailed(user_id=identity.id, failed_at=visit.now), visit.now)


def refusal(decision: Decision) -> Problem:
    """What somebody is told who does not come in."""
    match decision.reason:
        case "LOCKED":
            return Problem(403, "account_locked", "Account locked", "This account is locked for now; try again later.")
        case "SUSPENDED":
            detail = "This account was suspended by an administrator; ask for help."
            return Problem(403, "account_suspended", "Account suspended", detail)
        case _:
            # Also for an unverified address: whoever registers one and signs in would learn whether it was free.
            detail = (
                "The e-mail address or the password is wrong, or the address is not verified yet; "
                "POST /auth/v1/verifications sends another mail."
            )
            return Problem(401, "invalid_credentials", "Not signed in", detail)
