"""What the database starts with: permissions and roles everywhere, sample users on developers' machines.

Seeding again adds what is new and touches nothing else. A row that an operator has edited stays as it is, and one that
an operator has taken away between rows that were already there (a permission of a role, say) stays away.
"""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.seeds import SAMPLE_USERS, Profile, SeedReport
from orion_core.tables import table_of
from orion_user.assignments.tables import UserRole
from orion_user.permissions.tables import Permission, RolePermission
from orion_user.preferences.tables import UserPreferences
from orion_user.roles.rules import skeleton
from orion_user.roles.tables import Role, RoleInheritance, RoleType
from orion_user.seeds.reference import PERMISSIONS, ROLES
from orion_user.users.rules import UserStatus
from orion_user.users.tables import User


async def seed(connection: AsyncConnection, profile: Profile) -> SeedReport:
    """Insert the rows of `profile` that are missing, inside the caller's transaction."""
    report = SeedReport()
    new_permissions = await _permissions(connection, report)
    new_roles = await _roles(connection, report)
    await _role_permissions(connection, report, new_roles, new_permissions)
    await _inheritance(connection, report, new_roles)
    if profile == "development":
        await _sample_users(connection, report)
    return report


async def _permissions(connection: AsyncConnection, report: SeedReport) -> set[str]:
    there = set((await connection.execute(select(Permission.name))).scalars())
    rows = [
        {
            "name": item.name,
            "resource": item.resource,
            "action": item.action,
            "scope": item.scope,
            "category": item.category,
            "description": item.description,
        }
        for item in PERMISSIONS
    ]
    await report.insert(connection, table_of(Permission), rows)
    return {item.name for item in PERMISSIONS} - there


async def _roles(connection: AsyncConnection, report: SeedReport) -> set[str]:
    there = set(await _role_ids(connection))
    rows = [
        {
            "name": role.name,
            "display_name": role.display_name,
            "skeleton": skeleton(role.display_name),
            "description": role.description,
            "type": RoleType.SYSTEM,
        }
        for role in ROLES
    ]
    await report.insert(connection, table_of(Role), rows)
    return {role.name for role in ROLES} - there


async def _role_permissions(
    connection: AsyncConnection, report: SeedReport, new_roles: set[str], new_permissions: set[str]
) -> None:
    roles = await _role_ids(connection)
    found = await connection.execute(select(Permission.name, Permission.id))
    permissions = {row.name: row.id for row in found}
    pairs = [(role.name, permission) for role in ROLES for permission in role.permissions]
    new = [(role, name) for role, name in pairs if role in new_roles or name in new_permissions]
    rows = [{"role_id": roles[role], "permission_id": permissions[name]} for role, name in new]
    await report.insert(connection, table_of(RolePermission), rows)
    report.left_alone[RolePermission.__tablename__] += len(pairs) - len(new)


async def _inheritance(connection: AsyncConnection, report: SeedReport, new_roles: set[str]) -> None:
    ids = await _role_ids(connection)
    pairs = [(role.name, role.parent) for role in ROLES if role.parent]
    new = [(child, parent) for child, parent in pairs if {child, parent} & new_roles]
    rows = [{"child_role_id": ids[child], "parent_role_id": ids[parent]} for child, parent in new]
    await report.insert(connection, table_of(RoleInheritance), rows)
    report.left_alone[RoleInheritance.__tablename__] += len(pairs) - len(new)


async def _role_ids(connection: AsyncConnection) -> dict[str, UUID]:
    statement = select(Role.name, Role.id).where(Role.organization_id.is_(None))
    return {row.name: row.id for row in await connection.execute(statement)}


async def _sample_users(connection: AsyncConnection, report: SeedReport) -> None:
    before = await _sample_ids(connection)
    rows = [
        {
            "id": sample.id,
            "email": sample.email,
            "username": sample.username,
            "name": sample.name,
            "status": UserStatus.ACTIVE,
            "email_verified_at": func.now(),
        }
        for sample in SAMPLE_USERS
    ]
    await report.insert(connection, table_of(User), rows)
    # A sample user whose address somebody else has already is not inserted, and so gets nothing else either.
    inserted = await _sample_ids(connection) - before
    new = [sample for sample in SAMPLE_USERS if sample.id in inserted]
    roles = await _role_ids(connection)
    preferences = [{"user_id": user.id, "locale": user.locale, "timezone": user.timezone} for user in new]
    assignments = [{"user_id": user.id, "role_id": roles[user.role], "reason": "sample user"} for user in new]
    for table, rows in ((table_of(UserPreferences), preferences), (table_of(UserRole), assignments)):
        await report.insert(connection, table, rows)
        report.left_alone[table.name] += len(SAMPLE_USERS) - len(new)


async def _sample_ids(connection: AsyncConnection) -> set[UUID]:
    samples = [sample.id for sample in SAMPLE_USERS]
    return set((await connection.execute(select(User.id).where(User.id.in_(samples)))).scalars())
