"""Whether the caller may do what an administrator's route is about to do.

The rights are user's, as they are at this moment: `Decider` asks user once for each request. A token can only take away
from them. Grants are what is kept in memory, never answers, so conditions look at each request anew
(`circumstances`). Programs that send do so with a service's API key, which carries what it may, so that nobody is
asked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import httpx
import structlog

from orion_contracts.claims import AccessClaims
from orion_core.clock import Clock
from orion_core.denied_attempts import DeniedAttempts
from orion_core.errors import Problem, unavailable
from orion_core.http.step_up import second_factor_needed
from orion_core.rights.caller import Caller, caller
from orion_core.rights.circumstances import circumstances
from orion_core.rights.decider import Decider, Rights
from orion_core.rights.fresh_proof import require_fresh_proof, with_second_factor

log = structlog.get_logger()

OUTRANKED = "outranked"

Require = Callable[[AccessClaims, str], Awaitable[None]]
"""`await require(claims, "notification:send")`: returns when the caller may, raises a 403 Problem otherwise."""


@dataclass(frozen=True)
class Guard:
    """Lets administrators and programs do what they were given; no transaction is open meanwhile."""

    decider: Decider
    denied: DeniedAttempts
    clock: Clock

    async def require(self, claims: AccessClaims, permission: str) -> None:
        """Return when the caller has `permission`; else a 403 Problem, which stands in the audit trail.

        401 for who would change something by it and has not proved for half an hour who he is, and for who lacks it for
        want of a second factor alone.
        503 when user cannot be asked: who cannot know must not decide.
        """
        who = caller(claims)
        if who.holds_everything or (who.is_service_key and who.carries(permission)):
            return require_fresh_proof(claims, permission, self.clock())
        if who.user_id is not None and who.carries(permission):
            rights = await self._rights(who.user_id)
            if self._allow(rights, claims, permission):
                return require_fresh_proof(claims, permission, self.clock())
            proved = with_second_factor(claims, self.clock())
            if proved is not None and self._allow(rights, proved, permission):
                raise second_factor_needed()
        await self.denied.write(claims, "permission", permission)
        raise _denied(who, permission)

    async def require_as_much(self, claims: AccessClaims, user_id: UUID) -> None:
        """403 for who may not do all that this user may: by way of his account he would come to it.

        Nor to oneself: what of one's own takes more than an administrator's proof is not to be had for less here.
        """
        who = caller(claims)
        if who.holds_everything or who.user_id is None:
            return
        if who.user_id == user_id:
            detail = "This is your own account; ask another administrator."
            raise Problem(403, "own_account", "Not allowed", detail)
        mine, theirs, now = await self._rights(who.user_id), await self._rights(user_id), self.clock()
        if not mine.cover(theirs, now):
            await self.denied.write(claims, "permission", OUTRANKED)
            detail = "This user may do what you may not. Ask somebody who may do at least as much."
            raise Problem(403, OUTRANKED, "Not allowed", detail)

    def _allow(self, rights: Rights, claims: AccessClaims, permission: str) -> bool:
        now = self.clock()
        return rights.allows(permission, now, facts=circumstances(claims, now))

    async def _rights(self, user_id: UUID) -> Rights:
        try:
            return await self.decider.rights(user_id)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("rights.unreachable", reason=type(error).__name__)
            detail = "The user service, which knows who may do this, cannot be asked just now; try again."
            raise unavailable("rights_unreachable", detail, 2) from error


def _denied(who: Caller, permission: str) -> Problem:
    if not who.carries(permission):
        detail = f"This access token was not given {permission}; ask for one with that scope."
    else:
        detail = f"This needs {permission} everywhere. Whoever may role:assign or permission:grant can give it to you."
    return Problem(403, "permission_denied", "Not allowed", detail)
