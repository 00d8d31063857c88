"""What a page of who may do something reads: as many grants as it shows, of however many there are."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import text

from orion_core.database import Database
from orion_core.testing import MovableClock
from orion_user.decisions import statements
from orion_user.plans import store as plans

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

FILL = """
    WITH added AS (
      INSERT INTO users (id, email, status)
      SELECT uuidv7_floor(now() + n * interval '1 ms'), n || '@example.com', 'ACTIVE' FROM generate_series(1, 3000) AS n
      RETURNING id
    ), with_role AS (
      INSERT INTO user_roles (user_id, role_id, starts_at)
      SELECT added.id, roles.id, '2020-01-01' FROM added JOIN roles ON roles.name IN ('user', 'editor')
    )
    INSERT INTO user_permissions (user_id, permission_id, starts_at)
    SELECT added.id, permissions.id, '2020-01-01' FROM added JOIN permissions ON permissions.name = 'system:read'
"""


@pytest.mark.parametrize("permission", ["user:read", "content:publish", "system:read"])
async def test_a_page_reads_no_more_than_it_shows(
    query: "Query", owner: Database, database: Database, clock: MovableClock, permission: str
) -> None:
    await query(FILL)
    async with owner.autocommit() as connection:
        await connection.exec_driver_sql("ANALYZE")
    words = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statements.AT_PRESENT.subjects}"
    asked: dict[str, Any] = {"permission": permission, "now": clock(), "within": [], "after": UUID(int=0), "limit": 20}
    async with database.autocommit() as connection:
        plan = (await connection.execute(text(words), asked)).scalar_one()[0]["Plan"]
    assert plan["Actual Rows"] == 20
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages < 120, "going along all users in their order reads two hundred"


@pytest.mark.parametrize("role", ["user", "super_admin", None])
async def test_a_plan_looks_only_at_whoever_has_the_role(
    query: "Query", owner: Database, database: Database, clock: MovableClock, role: str | None
) -> None:
    await query(FILL)
    async with owner.autocommit() as connection:
        await connection.exec_driver_sql("ANALYZE")
    roles = [role_id for (role_id,) in await query("SELECT id FROM roles WHERE name = :role", role=role)]
    asked = {"roles": roles, "now": clock(), "after": UUID(int=0), "limit": 20}
    async with database.autocommit() as connection:
        words = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {plans.HOLDERS}"
        plan = (await connection.execute(text(words), asked)).scalar_one()[0]["Plan"]
    assert plan["Actual Rows"] == (20 if role == "user" else 0)
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages < 60, "going along all users in their order reads hundreds"
