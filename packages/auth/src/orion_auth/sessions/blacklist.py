"""auth's own refusals of access tokens."""

from uuid import UUID

from orion_auth.sessions import store
from orion_contracts.claims import SERVICE_KEY, AccessClaims
from orion_core import revocations
from orion_core.clock import Clock
from orion_core.database import Database


class Blacklist:
    """auth's own refusals: read from the database, so an end is felt here at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def check(self, claims: AccessClaims) -> None:
        """Refuse a token of an ended session, of an earlier security epoch, or of before the session's last proof."""
        if claims.sid is None:
            return
        async with self._database.autocommit() as connection:
            refusal = await store.find_refusal(
                connection, _user(claims), UUID(claims.sid), claims.epoch, claims.auth_time, self._clock()
            )
        if refusal.has_ended:
            raise revocations.token_ended(claims)
        if refusal.is_superseded:
            raise revocations.token_superseded()


def _user(claims: AccessClaims) -> UUID | None:
    """Whose token it is; None for the API key of a service."""
    return None if claims.sub.startswith(SERVICE_KEY) else UUID(claims.sub)
