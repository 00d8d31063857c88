"""Whether the caller may do what a route is about to do.

The rights are those in the database at this moment, never what a token says: a token can only take away from them.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_core.errors import Problem
from orion_core.http.step_up import second_factor_needed
from orion_core.rights.caller import caller
from orion_core.rights.circumstances import circumstances
from orion_core.rights.fresh_proof import require_fresh_proof, with_second_factor
from orion_core.rights.giving_way import decide_giving_way
from orion_user.access import store
from orion_user.access.rules import EVERYWHERE, Asked, Place
from orion_user.permissions.rules import PermissionScope


class PermissionDeniedError(Problem):
    """403: the caller lacks `permission` at `place`, or their token does not carry it."""

    def __init__(self, claims: AccessClaims, permission: str, place: Place, detail: str) -> None:
        super().__init__(403, "permission_denied", "Not allowed", detail)
        self.claims = claims
        self.permission = permission
        self.place = place


async def require(
    connection: AsyncConnection, claims: AccessClaims, permission: str, now: datetime, place: Place = EVERYWHERE
) -> None:
    """Return when the caller has `permission` at `place` now; raise `PermissionDeniedError` otherwise.

    Who would change something by it and has not proved for half an hour who he is, is asked to (`require_fresh_proof`);
    so is who lacks it for want of a second factor alone (401).
    Conditions find who, when, from where, and how that was proved (`circumstances`), and nothing else: what holds only
    under others does not count here.
    """
    if await holds(connection, claims, permission, now, place):
        require_fresh_proof(claims, permission, now)
        return
    if not caller(claims).carries(permission):
        detail = f"This access token was not given {permission}; ask for one with that scope."
        raise PermissionDeniedError(claims, permission, place, detail)
    proved = with_second_factor(claims, now)
    if proved is not None and await holds(connection, proved, permission, now, place):
        raise second_factor_needed()
    givers = await roles_with(connection, permission)
    raise PermissionDeniedError(claims, permission, place, _explanation(permission, place, givers))


async def holds(
    connection: AsyncConnection, claims: AccessClaims, permission: str, now: datetime, place: Place = EVERYWHERE
) -> bool:
    """The same as an answer, for what is shown to some and refused to nobody."""
    who = caller(claims)
    if who.holds_everything:
        return True
    if not who.carries(permission):
        return False
    if who.is_service_key:
        return True
    if who.user_id is None:
        return False
    grounds = await store.decide(connection, Asked(who.user_id, permission, now, place.within))
    return (await decide_giving_way(grounds, circumstances(claims, now))).allowed


async def roles_with(connection: AsyncConnection, permission: str) -> list[str]:
    """Names of the roles of no organization that allow something, the least first, for telling who can be asked."""
    return [row.name for row in await store.ROLES_WITH.all(connection, {"permission": permission})]


def _explanation(permission: str, place: Place, roles: list[str]) -> str:
    where = "everywhere" if place.scope is PermissionScope.GLOBAL else f"in {place.scope.name} {place.id}"
    having = f" The roles that have it: {', '.join(roles)}." if roles else ""
    return f"This needs {permission} {where}. Whoever may role:assign or permission:grant can give it to you.{having}"
