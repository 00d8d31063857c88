"""What is asked of the token of an API key besides being good; the key itself is user's to look at."""

from dataclasses import dataclass
from uuid import UUID

from orion_contracts.claims import AccessClaims
from orion_core.api_key_uses import Uses
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.http.authentication import require_network
from orion_core.http.context import IpAddress
from orion_core.http.rate_limit import RateLimitState, too_many_requests
from orion_core.last_minute import WINDOW, Counter
from orion_core.rights.caller import caller

USES = Counter("api_key_rates", "api_key_id")


@dataclass(frozen=True)
class KeyDoor:
    """Lets in what comes with the token of an API key."""

    database: Database
    uses: Uses
    clock: Clock

    async def enter(self, claims: AccessClaims, address: IpAddress) -> None:
        """Return when the key is for this address, and is not used too often; count the use."""
        require_network(claims, address)
        key_id, now = UUID(claims.sid), self.clock()
        if claims.rate_limit is not None:
            async with self.database.autocommit() as connection:
                reset = await USES.count(connection, key_id, claims.rate_limit, now)
            if reset is not None:
                raise too_many_requests(RateLimitState("api_key", claims.rate_limit, WINDOW, 0, reset))
        self.uses.note(key_id, caller(claims).user_id, address, now)
