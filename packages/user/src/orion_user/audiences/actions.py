"""Who is in an audience."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_contracts.audiences import Audience, AudiencePage
from orion_core.database import Database
from orion_core.errors import Problem
from orion_user.audiences import store


async def page(database: Database, audience: Audience, after: UUID | None, now: datetime) -> AudiencePage:
    """A page of whoever is meant at `now`: 404 when what was named is not there, 409 when the role is switched off."""
    async with database.autocommit() as connection:
        if audience.tag is not None:
            found, following = await store.of_tag(connection, audience.tag, after)
            return AudiencePage(user_ids=found, next=following)
        if audience.organization_id is not None:
            await _require_organization(connection, audience.organization_id)
            found = await store.of_organization(connection, audience.organization_id, after)
        else:
            role_id = await _role_id(connection, audience)
            found = await store.of_role(connection, role_id, audience.scope, after, now)
    return AudiencePage(user_ids=found, next=found[-1] if len(found) == store.PAGE else None)


async def _role_id(connection: AsyncConnection, audience: Audience) -> UUID:
    if isinstance(audience.scope, UUID):
        await _require_organization(connection, audience.scope)
    role = None if audience.role is None else await store.role(connection, audience.role)
    if role is None:
        detail = f"There is no role {audience.role}. One that belongs to an organization is named by its id."
        raise Problem(404, "role_not_found", "Not found", detail)
    if not role.is_active:
        detail = f"The role {audience.role} is switched off (is_active): nobody has it until it is switched on again."
        raise Problem(409, "role_inactive", "Switched off", detail)
    return role.id


async def _require_organization(connection: AsyncConnection, organization_id: UUID) -> None:
    if not await store.organization_exists(connection, organization_id):
        detail = f"There is no organization {organization_id}, or it has been deleted."
        raise Problem(404, "organization_not_found", "Not found", detail)
