"""Reading a database's catalog into something that can be compared."""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog.compare import SOURCE
from orion_db.catalog.partitions import without_regular_partitions
from orion_db.catalog.queries import DEPENDENCIES, QUERIES

Key = tuple[str, str]
"""Kind and name: ("column", "users.email")."""

Facts = dict[str, Any]

Catalog = dict[Key, Facts]


async def read_catalog(connection: AsyncConnection) -> Catalog:
    """Everything that we compare databases by. Monthly partitions that are as the rule says are left out.

    Reads inside the transaction that the caller has begun.
    """
    before = (await connection.exec_driver_sql("SHOW search_path")).scalar_one()
    await connection.exec_driver_sql("SET LOCAL search_path = pg_catalog")
    found: Catalog = {}
    for kind, query in QUERIES.items():
        statement = f"SELECT name, facts::text FROM ({query}\n) AS found (name, facts)"  # noqa: S608 - ours, no input
        for row in await connection.exec_driver_sql(statement):
            facts: Facts = json.loads(row.facts)
            source = {SOURCE: facts["definition"]} if kind == "function" else {}
            found[kind, str(row.name)] = _normal(facts) | source
    _add_needs(found, [(row.object, row.needs) for row in await connection.exec_driver_sql(DEPENDENCIES)])
    await connection.execute(text("SELECT set_config('search_path', :before, true)"), {"before": before})
    return without_regular_partitions(found)


def _add_needs(catalog: Catalog, dependencies: list[tuple[str, str]]) -> None:
    """Give each object the fact `needs`: keys of what must be there before it. `default needs` is its default's."""
    keys = {facts["at"]: key for key, facts in catalog.items() if "at" in facts}
    for object_, needs in dependencies:
        is_default = object_.startswith("default:")
        key = keys.get(object_.replace("default:", "pg_class:"))
        needed = keys.get(needs) or keys.get(needs.rpartition(":")[0] + ":0")
        if key is not None and needed is not None and key != needed:
            catalog[key].setdefault("default needs" if is_default else "needs", []).append(needed)
    for facts in catalog.values():
        for fact in ("needs", "default needs"):
            facts[fact] = sorted(facts.get(fact, []))


def _normal(facts: Facts) -> Facts:
    """Without what is absent, and without the layout of SQL that somebody typed."""
    return {
        name: _without_layout(value) if name == "definition" else value
        for name, value in facts.items()
        if value is not None
    }


def _without_layout(definition: str) -> str:
    lines = (" ".join(line.split()) for line in definition.splitlines())
    return "\n".join(line for line in lines if line)
