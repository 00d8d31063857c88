"""Letting the token of an API key in: its key is looked at with every request, so an end is felt here at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from orion_contracts.api_keys import ApiKeyUse
from orion_contracts.claims import AccessClaims
from orion_core.api_key_uses import Use, Uses, Write
from orion_core.clock import Clock
from orion_core.database import Database, Transaction
from orion_core.http.authentication import Authenticate, wrong_network
from orion_core.http.context import RequestContext
from orion_core.http.rate_limit import RateLimitState, too_many_requests
from orion_core.last_minute import WINDOW, moment, wait
from orion_core.revocations import token_ended
from orion_core.rights.caller import caller
from orion_user.api_keys import rules, store
from orion_user.api_keys.rules import Ends


def writer(database: Database) -> Write:
    """Writes uses into the keys' rows."""

    async def write(uses: Sequence[Use]) -> None:
        rows = [(use.key_id, use.count, use.last_at, str(use.address)) for use in uses]
        async with database.transaction() as transaction:
            await store.add_uses(transaction.connection, rows)

    return write


async def add_uses(transaction: Transaction, event: ApiKeyUse) -> None:
    """Note what another service tells. Does nothing for a key that is gone with its user."""
    address = None if event.ip_address is None else str(event.ip_address)
    await store.add_uses(transaction.connection, [(event.key_id, event.count, event.last_used_at, address)])


def admitting(authenticate: Authenticate, database: Database, uses: Uses, clock: Clock) -> Authenticate:
    """`authenticate`, and a look at the key of each token that was got for one."""

    async def authenticated(request: Request) -> AccessClaims:
        claims = await authenticate(request)
        if claims.is_of_api_key:
            await admit(database, uses, claims, request.scope["orion.context"], clock())
        return claims

    return authenticated


async def admit(database: Database, uses: Uses, claims: AccessClaims, context: RequestContext, now: datetime) -> None:
    """Return when the key of this token is good now, from here, and not used too often; count the use."""
    key_id = UUID(claims.sid)
    async with database.autocommit() as connection:
        row = await store.admit(connection, key_id, now)
    if row is None or not row["may_come_in"]:
        raise token_ended(claims)
    if not Ends(row["expires_at"], row["overlap_until"], row["revoked_at"]).is_good(now):
        raise token_ended(claims)
    if not rules.admits(row["allowed_cidrs"], context.ip_address):
        raise wrong_network()
    if row["rate_limit"] is not None and not row["was_counted"]:
        reset = wait(row["before"] or (), moment(now)[0])
        raise too_many_requests(RateLimitState("api_key", row["rate_limit"], WINDOW, 0, reset))
    uses.note(key_id, caller(claims).user_id, context.ip_address, now)
