"""auth's own refusals of access tokens."""

from uuid import UUID

from orion_auth.sessions import store
from orion_contracts.claims import SERVICE_KEY, AccessClaims
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.revocations import token_ended


class Blacklist:
    """auth's own refusals: read from the database, so an end is felt here at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def check(self, claims: AccessClaims) -> None:
        """Refuse a token of an ended session or of an earlier security epoch."""
        if claims.sid is None:
            return
        async with self._database.autocommit() as connection:
            refused = await store.is_refused(
                connection, _user(claims), UUID(claims.sid), claims.epoch, claims.auth_time, self._clock()
            )
        if refused:
            raise token_ended(claims)


def _user(claims: AccessClaims) -> UUID | None:
    """Whose token it is; None for the API key of a service."""
    return None if claims.sub.startswith(SERVICE_KEY) else UUID(claims.sub)
