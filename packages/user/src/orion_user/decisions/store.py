"""The statements of decisions, which are put together in `statements`; a check of the present is `access`'s."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.rights.decider import Rights
from orion_core.rights.decisions import Ground, by_permission
from orion_core.statement import Statement
from orion_user.decisions import statements
from orion_user.decisions.statements import Statements


def _of(*, is_past: bool) -> Statements:
    return statements.IN_THE_PAST if is_past else statements.AT_PRESENT


async def decide_then(
    connection: AsyncConnection, user_id: UUID, permission: str, at: datetime, within: Collection[UUID]
) -> list[Ground]:
    """What spoke of a permission in a place at a moment that is over, whatever the user's standing was."""
    values = {"user_id": user_id, "permission": permission, "now": at, "within": list(within)}
    return await _grounds(connection, statements.DECIDE_THEN, **values)


async def all_about(
    connection: AsyncConnection,
    user_id: UUID,
    permission: str,
    at: datetime,
    within: Collection[UUID],
    *,
    is_past: bool,
) -> tuple[list[Ground], bool]:
    """Grants of a permission to a user, of every place and time, those `within` which it is asked for before others; of
    the present also by roles that are not active. All of those that speak here and now are among them, of others the
    first few.

    And whether he may come in, and for each of them whether it is in an organization that is not deleted, which both
    are passed over of a moment that is over. What roles came to is taken as it was at that moment.
    """
    values = {"user_id": user_id, "permission": permission, "now": at, "within": list(within)}
    rows = await _of(is_past=is_past).all_about.all(connection, values)
    found = [replace(_ground(row), is_there=row.is_there) for row in rows if row.id is not None]
    return found, rows[0].is_standing


async def anywhere(
    connection: AsyncConnection, user_id: UUID, permission: str, at: datetime, *, is_past: bool
) -> list[Ground]:
    """What speaks of a permission at a moment, in any place."""
    values = {"user_id": user_id, "permission": permission, "now": at}
    return await _grounds(connection, _of(is_past=is_past).anywhere, **values)


async def on_resource(
    connection: AsyncConnection, user_id: UUID, resource: str, at: datetime, within: Collection[UUID], *, is_past: bool
) -> list[Ground]:
    """What speaks of any action on a type of resource in a place at a moment."""
    values = {"user_id": user_id, "resource": resource, "now": at, "within": list(within)}
    return await _grounds(connection, _of(is_past=is_past).actions, **values)


async def of_several(
    connection: AsyncConnection,
    users: Collection[UUID],
    permission: str,
    at: datetime,
    within: Collection[UUID],
    *,
    is_past: bool,
) -> list[Ground]:
    """What speaks of a permission in a place at a moment, for several users; in the past of any standing."""
    values = {"users": list(users), "permission": permission, "now": at, "within": list(within)}
    return await _grounds(connection, _of(is_past=is_past).of_several, **values)


async def subjects(
    connection: AsyncConnection,
    permission: str,
    at: datetime,
    within: Collection[UUID],
    after: UUID,
    limit: int,
    *,
    is_past: bool = False,
) -> list[UUID]:
    """The next users whom something allows it, perhaps under a condition; of the present those who may come in."""
    values = {"permission": permission, "now": at, "within": list(within), "after": after, "limit": limit}
    return list((await connection.execute(_of(is_past=is_past).subjects, values)).scalars())


async def around_team(
    connection: AsyncConnection, team_id: UUID, past: datetime | None
) -> tuple[frozenset[UUID], UUID | None]:
    """Everything that a team lies in, itself included, and its organization; nothing for one that is not there, now or
    at a moment that is over.
    """
    rows = (await connection.execute(statements.TEAMS_AROUND, {"team_id": team_id, "past": past})).all()
    organization: UUID | None = rows[0].organization_id if rows else None
    within: list[UUID] = [row.id for row in rows]
    return frozenset(within if organization is None else [*within, organization]), organization


async def path(connection: AsyncConnection, grant_id: UUID, role: str) -> list[str]:
    """Names of roles on the shortest way from the one that a grant assigned to one that it inherits from."""
    return [row.name for row in await statements.PATH.all(connection, {"grant_id": grant_id, "role": role})]


async def _grounds(connection: AsyncConnection, statement: Statement, **values: Any) -> list[Ground]:
    return [_ground(row) for row in await statement.all(connection, values)]


def _ground(row: Any) -> Ground:
    return Ground(
        row.denies,
        tuple(condition for condition in (row.condition, row.role_condition) if condition is not None),
        row.id,
        row.user_id,
        row.permission,
        row.scope,
        row.scope_id,
        row.role,
        row.through,
        row.starts_at,
        row.expires_at,
        row.assigned_by,
        row.reason,
        row.is_active,
    )


async def rights(connection: AsyncConnection, user_id: UUID, known: str | None, now: datetime) -> Rights | None:
    """All grants of a user that have not ended; None when they are still those of the version `known`."""
    rows = (await connection.execute(statements.RIGHTS, {"user_id": user_id, "known": known, "now": now})).all()
    if rows[0].version == known:
        return None
    grounds = by_permission(_ground(row) for row in rows if row.id is not None)
    return Rights(user_id, rows[0].version, rows[0].is_standing, grounds)


async def places(
    connection: AsyncConnection,
    kind: str,
    only: Collection[UUID] | None,
    past: datetime | None,
    after: UUID,
    limit: int,
) -> list[tuple[UUID, frozenset[UUID]]]:
    """The next places of a kind, those that lie in `only` or all, and what each lies in; teams as for `around_team`."""
    values = {"only": None if only is None else list(only), "past": past, "after": after, "limit": limit}
    return [(row.id, frozenset(row.within)) for row in await connection.execute(statements.PLACES[kind], values)]
