"""Refusing to let somebody give what he does not hold."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.claims import AccessClaims
from orion_core.rights.caller import Caller, caller
from orion_user.access.rules import Place
from orion_user.delegation import store
from orion_user.delegation.rules import not_held
from orion_user.permissions.rules import PermissionScope
from orion_user.refusals import RefusedError

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


async def require(
    connection: AsyncConnection,
    claims: AccessClaims,
    permissions: Collection[str],
    now: datetime,
    place: Place,
    until: datetime | None = None,
) -> None:
    """403 unless the caller surely holds all of these in all of `place`, from `now` until `until` (None: for good).

    So nobody passes on more than he has, further than he has it, or for longer; nor takes from others what is above
    him. A service holds nothing, but the operator everything.
    """
    wanted, who = frozenset(permissions), caller(claims)
    if not wanted or who.holds_everything:
        return
    missing = await _missing(connection, who, wanted, now, place, until)
    if missing:
        where = "everywhere" if place.scope is PermissionScope.GLOBAL else f"in {place.scope.name} {place.id}"
        when = "for good" if until is None else f"until {until.isoformat()}"
        detail = (
            f"Nobody gives or takes what he does not hold himself, and you do not hold {', '.join(missing)} {where} "
            f"{when} and without a condition. Nothing was changed; ask somebody who does."
        )
        raise RefusedError("not_held", "Not yours to give", detail, told={"permissions": missing, "where": where})


async def _missing(
    connection: AsyncConnection,
    who: Caller,
    wanted: frozenset[str],
    now: datetime,
    place: Place,
    until: datetime | None,
) -> list[str]:
    if who.user_id is None:
        return sorted(wanted)
    grants = await store.throughout(connection, who.user_id, wanted, now, until or FOR_EVER)
    return not_held(wanted, [grant for grant in grants if who.carries(grant.permission)], place)
