"""The closure of role inheritance is right after every change, and a circle cannot be made, not even by a race."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from orion_core.database import Database

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

ADD = """
    INSERT INTO role_inheritance (parent_role_id, child_role_id)
    SELECT parent.id, child.id FROM roles AS parent, roles AS child WHERE parent.name = :parent AND child.name = :child
"""
REMOVE = """
    DELETE FROM role_inheritance USING roles AS parent, roles AS child
    WHERE parent.id = parent_role_id AND child.id = child_role_id AND parent.name = :parent AND child.name = :child
"""
CLOSURE = """
    SELECT role.name, ancestor.name, depth FROM role_ancestors
    JOIN roles AS role ON role.id = role_id JOIN roles AS ancestor ON ancestor.id = ancestor_id
"""
EDGES = """
    SELECT child.name, parent.name FROM role_inheritance
    JOIN roles AS child ON child.id = child_role_id JOIN roles AS parent ON parent.id = parent_role_id
"""


@pytest.fixture
async def roles(query: "Query") -> list[str]:
    """Eight roles without any inheritance; those of the seeds are gone."""
    await query("DELETE FROM roles")
    names = list("abcdefgh")
    for name in names:
        await query("INSERT INTO roles (name, display_name) VALUES (:name, :name)", name=name)
    return names


async def edge(query: "Query", statement: str, child: str, parent: str) -> None:
    await query(statement, child=child, parent=parent)


def closure_of(names: list[str], edges: set[tuple[str, str]]) -> set[tuple[str, str, int]]:
    """By breadth-first search from every role."""
    found: set[tuple[str, str, int]] = set()
    for name in names:
        depth, level, seen = 0, {name}, {name}
        while level:
            found |= {(name, ancestor, depth) for ancestor in level}
            level = {parent for child, parent in edges if child in level} - seen
            seen |= level
            depth += 1
    return found


async def test_the_closure_follows_every_change(roles: list[str], query: "Query") -> None:
    steps = [
        (ADD, "b", "a"), (ADD, "c", "b"), (ADD, "d", "c"), (ADD, "d", "a"), (ADD, "h", "d"), (ADD, "f", "e"),
        (ADD, "e", "b"), (ADD, "h", "f"), (REMOVE, "c", "b"), (ADD, "g", "h"), (REMOVE, "d", "a"), (ADD, "c", "e"),
        (REMOVE, "e", "b"), (REMOVE, "h", "f"),
    ]  # fmt: skip
    for statement, child, parent in steps:
        await edge(query, statement, child, parent)
        edges = {(one, other) for one, other in await query(EDGES)}
        assert {tuple(row) for row in await query(CLOSURE)} == closure_of(roles, edges)


async def test_many_edges_removed_by_one_statement(roles: list[str], query: "Query") -> None:
    for child, parent in zip(roles[1:], roles, strict=False):
        await edge(query, ADD, child, parent)
    await query(
        "DELETE FROM role_inheritance WHERE child_role_id IN (SELECT id FROM roles WHERE name IN ('c', 'd', 'g'))"
    )
    edges = {(one, other) for one, other in await query(EDGES)}
    assert {tuple(row) for row in await query(CLOSURE)} == closure_of(roles, edges)


async def test_a_role_in_the_middle_takes_its_paths_with_it(roles: list[str], query: "Query") -> None:
    for child, parent in (("b", "a"), ("c", "b"), ("d", "c"), ("d", "a")):
        await edge(query, ADD, child, parent)
    await query("DELETE FROM roles WHERE name = 'b'")
    edges = {("d", "c"), ("d", "a")}
    assert {tuple(row) for row in await query(CLOSURE)} == closure_of([n for n in roles if n != "b"], edges)


async def test_a_circle_is_refused_however_long(roles: list[str], query: "Query") -> None:
    for child, parent in (("b", "a"), ("c", "b"), ("d", "c")):
        await edge(query, ADD, child, parent)
    before = await query(CLOSURE)
    for child, parent in (("a", "d"), ("a", "a"), ("b", "c")):
        with pytest.raises(IntegrityError, match=r"ck_role_inheritance_circle|inherits from"):
            await edge(query, ADD, child, parent)
    assert sorted(await query(CLOSURE)) == sorted(before)


async def test_two_halves_of_a_circle_at_once(roles: list[str], database: Database, query: "Query") -> None:
    async def add(child: str, parent: str) -> bool:
        try:
            async with database.transaction() as transaction:
                await transaction.connection.execute(text("SELECT 1"))
                await asyncio.sleep(0.02)
                await transaction.connection.execute(text(ADD), {"child": child, "parent": parent})
                await asyncio.sleep(0.05)
        except IntegrityError:
            return False
        return True

    assert sorted(await asyncio.gather(add("a", "b"), add("b", "a"))) == [False, True]
    assert len(await query(EDGES)) == 1


async def test_a_snapshot_that_cannot_see_others_changes_is_refused(roles: list[str], database: Database) -> None:
    async def add() -> None:
        async with database.transaction() as transaction:
            await transaction.connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            await transaction.connection.execute(text(ADD), {"child": "b", "parent": "a"})

    with pytest.raises(DBAPIError, match="REPEATABLE READ"):
        await add()


async def test_nobody_writes_the_closure_by_hand(roles: list[str], query: "Query", owner: Database) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await query("DELETE FROM role_ancestors")
    with pytest.raises(DBAPIError, match="permission denied"):
        await query("UPDATE role_inheritance SET parent_role_id = parent_role_id")
    await edge(query, ADD, "b", "a")
    with pytest.raises(DBAPIError, match="added and removed"):
        async with owner.transaction() as transaction:
            await transaction.connection.execute(text("UPDATE role_inheritance SET parent_role_id = parent_role_id"))
