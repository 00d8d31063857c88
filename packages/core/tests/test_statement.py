"""Statements that the driver sends by itself, alone and together."""

from typing import Any

import pytest
from sqlalchemy import Integer, String, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from orion_core.database import Database
from orion_core.statement import Look, Statement, look_for_many, look_together

UP_TO = Statement(
    text("SELECT n, CAST(:word AS text) AS word FROM generate_series(1, CAST(:n AS int)) AS n").bindparams(
        bindparam("n", type_=Integer), bindparam("word", type_=String)
    )
)
TOLD = Statement(text("SELECT :told AS told, true AS n").bindparams(bindparam("told", type_=JSONB)).columns(told=JSONB))
BROKEN = Statement(text("SELECT 1 / CAST(:n AS int) AS n"))


def up_to(n: int, word: str = "") -> Look[Any]:
    return Look(UP_TO, {"n": n, "word": word}, lambda row: (row.n, row.word) if row is not None else None)


def told(value: Any) -> Look[Any]:
    return Look(TOLD, {"told": value}, lambda row: row.told)


async def test_looks_find_together_what_each_finds_alone(database: Database) -> None:
    async with database.autocommit() as connection:
        looks = up_to(1, "one"), told({"a": [1, None]}), up_to(0), up_to(1, "other")
        assert await look_together(connection, *looks) == ((1, "one"), {"a": [1, None]}, None, (1, "other"))
        assert await look_together(connection, *looks) == tuple([await look.alone(connection) for look in looks])
        assert await look_together(connection, up_to(0), told(None)) == (None, None)


async def test_looks_of_many_find_what_those_of_each_find(database: Database) -> None:
    async with database.autocommit() as connection:
        asked = [(up_to(n % 2, f"{n}"), told({"n": n})) for n in range(20)] + [(up_to(0), told(None))]
        found = await look_for_many(connection, asked)
        assert found == [await look_together(connection, *looks) for looks in asked]
        assert found[1] == ((1, "1"), {"n": 1}) and found[2] == (None, {"n": 2}) and found[20] == (None, None)
        assert await look_for_many(connection, asked[1:2]) == found[1:2]
        with pytest.raises(ValueError, match="3 rows where there can be 2"):
            await look_for_many(connection, [(up_to(2), told(1)), (up_to(1), told(1))])


async def test_a_look_that_finds_more_than_one_row_is_a_mistake(database: Database) -> None:
    async with database.autocommit() as connection:
        with pytest.raises(ValueError, match="2 rows where there can be 1"):
            await look_together(connection, up_to(2), told(1))
        with pytest.raises(ValueError, match="2 rows where there can be 1"):
            await up_to(2).alone(connection)


async def test_looks_that_fail_do_so_together_and_tell_no_value(database: Database) -> None:
    async with database.autocommit() as connection:
        with pytest.raises(DBAPIError, match="division by zero") as failed:
            await look_together(connection, up_to(1, "a secret"), Look(BROKEN, {"n": 0}, lambda row: row))
        assert "a secret" not in str(failed.value)
        assert await told("still here").alone(connection) == "still here"


async def test_a_statement_is_prepared_once_however_long_it_is(database: Database) -> None:
    own = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE '%how long this is%'"
    long = Statement(text(f"{own} AND statement <> '{'x' * 20_000}'"))
    async with database.autocommit() as connection:
        assert [(await long.one(connection, {})).n for _ in range(3)] == [1, 1, 1]
