"""What taking in many reads: one probe for each name and address, also in a table that has no statistics yet."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Executable, text

from orion_auth.identities import store
from orion_core.database import Database

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

FILL = """
    INSERT INTO identities (email, username, locale, status, email_verified_at)
    SELECT n || '@example.com', 'u' || n, 'en', 'ACTIVE', now() FROM generate_series(1, 5000) AS n
"""
STATEMENTS: list[tuple[Executable, dict[str, Any]]] = [
    (store.RELEASE_USERNAMES, {"usernames": [f"u{n}" for n in range(4950, 5050)], "ids": []}),
    (store.FIND_MANY, {"emails": [f"{n}@example.com" for n in range(4950, 5050)]}),
]


@pytest.mark.parametrize(("statement", "values"), STATEMENTS, ids=["usernames", "emails"])
async def test_each_is_looked_up_by_its_index(auth: "Auth", statement: Executable, values: dict[str, Any]) -> None:
    database = Database.connect(auth.database.owner_url, role=None, application="test")
    async with database.autocommit() as connection:
        await connection.exec_driver_sql("ALTER TABLE identities SET (autovacuum_enabled = false)")
        await connection.exec_driver_sql(FILL)
        told = (
            await connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"), values)
        ).scalar_one()
    await database.close()
    nodes = [told[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if node.get("Relation Name") == "identities":
            assert "Index Cond" in node or node["Node Type"] == "ModifyTable", json.dumps(node)
            assert node.get("Rows Removed by Filter", 0) <= 100, json.dumps(node)
