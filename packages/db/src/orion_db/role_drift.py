"""Roles that may do more than `init` has given them: whoever is one of them walks through every fence of the database.

Roles are the server's, so a scratch database beside has the same: what they should be is a rule and not a catalog.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Difference
from orion_db.repair import Statement
from orion_db.roles import quoted
from orion_db.targets import Target


@dataclass(frozen=True)
class RoleDrift:
    """What a role may and should not, and the statements that take it away."""

    difference: Difference
    repair: tuple[Statement, ...]


async def read_role_drift(connection: AsyncConnection, target: Target) -> tuple[RoleDrift, ...]:
    """What the owner role, the service role and the service's login may do that they should not.

    The two roles sign in nowhere, have no attribute and are members of nothing. The login has no attribute but LOGIN
    and does not become the owner, unless it is the login for both; what else it is a member of is its administrator's
    affair.
    """
    service = target.service
    roles = [service.owner_role, service.service_role]
    login = target.service_login if target.service_login != target.login else ""
    rows = await connection.execute(_ROLES, {"roles": roles, "login": login, "owner": service.owner_role})
    return tuple(_drift(row.name, row.attributes, row.groups, row.grantors) for row in rows)


def _drift(role: str, attributes: list[str], groups: list[str], grantors: list[str | None]) -> RoleDrift:
    lists = {"attributes": attributes, "member of": groups}
    found = {fact: values for fact, values in lists.items() if values}
    difference = Difference("role", role, "changed", {fact: [] for fact in found}, found)
    taken = [f"ALTER ROLE {quoted(role)} {' '.join(f'NO{attribute}' for attribute in attributes)}"] * bool(attributes)
    for group, grantor in zip(groups, grantors, strict=True):
        by = f" GRANTED BY {quoted(grantor)}" if grantor else ""  # since PostgreSQL 16 each grant has its own giver
        taken.append(f"REVOKE {quoted(group)} FROM {quoted(role)}{by} CASCADE")
    return RoleDrift(difference, tuple(map(Statement, taken)))


_ROLES = text("""
SELECT r.rolname AS name, has.attributes, is_in.groups, is_in.grantors
FROM pg_roles AS r,
  LATERAL (
    SELECT coalesce(array_agg(attribute ORDER BY attribute), '{}') AS attributes
    FROM (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
      ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls), ('LOGIN', rolcanlogin AND rolname <> :login)
    ) AS known (attribute, has_it)
    WHERE has_it
  ) AS has,
  LATERAL (
    SELECT coalesce(array_agg(g.rolname::text ORDER BY g.rolname, m.grantor), '{}') AS groups,
      coalesce(array_agg(by.rolname::text ORDER BY g.rolname, m.grantor), '{}') AS grantors
    FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid LEFT JOIN pg_roles AS by ON by.oid = m.grantor
    WHERE m.member = r.oid AND (r.rolname <> :login OR g.rolname = :owner)
  ) AS is_in
WHERE (r.rolname = ANY (:roles) OR r.rolname = :login) AND (attributes <> '{}' OR groups <> '{}')
ORDER BY r.rolname
""")
