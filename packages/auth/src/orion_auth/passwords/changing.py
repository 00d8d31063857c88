"""Changing a password that is known."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from orion_auth.callers import actions as callers
from orion_auth.hashing import HashingLane
from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.password_policy import PasswordPolicy
from orion_auth.passwords import store
from orion_auth.passwords.actions import check, refuse_the_same
from orion_auth.rate_limits import actions as rate_limits
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import PASSWORD_CHANGED, PROOF_FAILED
from orion_auth.sessions import actions as sessions
from orion_auth.tokens.actions import Bearer
from orion_core.database import Database
from orion_core.errors import FieldError, Problem, unauthenticated
from orion_core.events.outbox import Outbox
from orion_core.http.rate_limit import RateLimitState, told_under
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class Change:
    """The password that is, and the one that is to be."""

    current: str | None = field(repr=False)
    """None for an account that has none yet."""
    new: str = field(repr=False)


async def change(
    database: Database,
    outbox: Outbox,
    lane: HashingLane,
    policy: PasswordPolicy,
    *,
    user_id: UUID,
    session_id: UUID,
    change: Change,
    bearer: Bearer,
    now: datetime,
) -> RateLimitState | None:
    """Set another password, and end every session but this one; the owner is told.

    A wrong current password is a 422 Problem, and is counted: an unlocked screen is no place to guess. 401 when the
    session was ended while the password was hashed: who has signed it out wants nothing more of it.
    """
    async with database.autocommit() as connection:
        identity = await identities.find(connection, user_id, now)
    if identity is None or identity.standing != "GOOD":
        raise unauthenticated("There is no account any more that could be changed.")
    taken = await rate_limits.take_proof(database, user_id, session_id, bearer.ip_address, now)
    async with rate_limits.given_back_if_untried(database, taken):
        is_right = await _is_current(lane, identity, change.current, bearer.ip_address)
    circumstances = Circumstances.of(bearer, session_id=session_id)
    if not is_right:
        async with database.transaction() as transaction:
            await security_events.note(transaction, outbox, PROOF_FAILED, identity, circumstances, now)
        raise told_under(taken.state, _wrong_password())
    await rate_limits.give_back(database, taken)
    await check(policy, change.new, [identity.email, identity.username], field="/new_password")
    await refuse_the_same(lane, identity.password_hash, change.new, field="/new_password")
    password_hash = await lane.hash(change.new)
    async with database.transaction() as transaction:
        if await callers.hold(transaction, user_id, session_id, now) != identity:
            raise _changed_meanwhile()
        await identities.set_password(transaction, user_id, password_hash, now)
        await store.close_all(transaction.connection, user_id, now)
        await sessions.end_all(
            transaction,
            outbox,
            user_id,
            reason="PASSWORD_CHANGED",
            revoked_by=str(user_id),
            now=now,
            keep=session_id,
        )
        await security_events.note(transaction, outbox, PASSWORD_CHANGED, identity, circumstances, now)
    return taken.state


async def _is_current(lane: HashingLane, identity: KnownIdentity, current: str | None, address: IpAddress) -> bool:
    if current is None:
        return identity.password_hash is None
    return await lane.verify(identity.password_hash, current, known_from=address)


def _wrong_password() -> Problem:
    error = FieldError(field="/current_password", code="wrong_password", detail="This is not your password.")
    detail = "The current password is wrong. Nothing was changed."
    return Problem(422, "invalid_fields", "Invalid fields", detail, errors=[error])


def _changed_meanwhile() -> Problem:
    detail = "The account was changed meanwhile. Nothing was done; look again, then try again."
    return Problem(409, "account_changed", "Account changed", detail)
