"""Holding an account for its owner, if he is still signed in."""

from datetime import datetime
from uuid import UUID

from orion_auth.identities import actions as identities
from orion_auth.identities.actions import KnownIdentity
from orion_auth.tokens import actions as tokens
from orion_core.database import Transaction
from orion_core.errors import unauthenticated


async def hold(transaction: Transaction, user_id: UUID, session_id: UUID | None, now: datetime) -> KnownIdentity:
    """The account of whoever shows an access token of that session, kept from changing until the transaction ends.

    A 401 Problem when it is no longer in good standing, or the session has ended: what ends sessions holds the account,
    too, and whoever waited for it here must not add a way in behind it. Inside of a sign-in there is no session yet.
    """
    identity = await identities.hold_caller(transaction, user_id, now)
    if session_id is not None and await tokens.find_session(transaction.connection, user_id, session_id, now) is None:
        raise unauthenticated("The session of this access token has ended; sign in again.")
    return identity
