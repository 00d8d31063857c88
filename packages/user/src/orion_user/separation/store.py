"""Every statement on rules of separation."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, select, text, update
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


async def lock(connection: AsyncConnection, rule_id: UUID) -> None:
    """Hold a rule (primary key) until the transaction is over, so that nobody else changes its set."""
    await connection.execute(select(SeparationRule.id).where(SeparationRule.id == rule_id).with_for_update())


async def change(
    connection: AsyncConnection, rule_id: UUID, values: dict[str, Any], gone: Sequence[UUID], new: Sequence[UUID]
) -> None:
    """Change a rule and its set (uq_separation_roles_rule_id_role_id); IntegrityError as `insert_rule`.

    First what leaves the set, last what joins it: in between less is forbidden than before or after.
    """
    members = table_of(SeparationRole)
    leaving = SeparationRole.rule_id == rule_id, SeparationRole.role_id.in_(gone)
    await connection.execute(delete(members).where(*leaving))
    if values:
        await connection.execute(update(table_of(SeparationRule)).where(SeparationRule.id == rule_id).values(values))
    if new:
        rows = [{"rule_id": rule_id, "role_id": role_id} for role_id in new]
        await connection.execute(insert(members).values(rows))


async def remove(connection: AsyncConnection, rule_id: UUID) -> None:
    """Delete a rule (primary key)."""
    await connection.execute(delete(table_of(SeparationRule)).where(SeparationRule.id == rule_id))
