"""Every statement on rules of separation."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.tables import table_of
from orion_user.separation.tables import SeparationRole, SeparationRule

RULES = text("""
    SELECT rule.id, rule.name, rule.description, rule.kind::text AS kind, rule.cardinality, rule.created_at,
      jsonb_agg(jsonb_build_object('id', role.id, 'name', role.name) ORDER BY role.name) AS roles
    FROM separation_rules AS rule
    JOIN separation_roles AS member ON member.rule_id = rule.id             -- uq_separation_roles_rule_id_role_id
    JOIN roles AS role ON role.id = member.role_id
    WHERE CAST(:rule_id AS uuid) IS NULL OR rule.id = CAST(:rule_id AS uuid)
    GROUP BY rule.id
    ORDER BY rule.name
""")


async def rules(connection: AsyncConnection, rule_id: UUID | None = None) -> Sequence[RowMapping]:
    """All rules with their roles, or one: there are few."""
    return (await connection.execute(RULES, {"rule_id": rule_id})).mappings().all()


async def insert_rule(connection: AsyncConnection, values: dict[str, Any], role_ids: Sequence[UUID]) -> UUID:
    """Add a rule. IntegrityError: uq_separation_rules_name, fk_separation_roles_role_id, ck_separation_roles_separation
    when somebody breaks it already.
    """
    statement = insert(table_of(SeparationRule)).values(values).returning(SeparationRule.id)
    rule_id: UUID = (await connection.execute(statement)).scalar_one()
    rows = [{"rule_id": rule_id, "role_id": role_id} for role_id in role_ids]
    await connection.execute(insert(table_of(SeparationRole)).values(rows))
    return rule_id


async def remove(connection: AsyncConnection, rule_id: UUID) -> None:
    """Delete a rule (primary key)."""
    await connection.execute(delete(table_of(SeparationRule)).where(SeparationRule.id == rule_id))
