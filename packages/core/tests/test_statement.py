"""Statements that the driver sends by itself, alone and together."""

from typing import Any

import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from orion_core.database import Database
from orion_core.statement import Look, Statement, look_together

UP_TO = Statement(text("SELECT n, CAST(:word AS text) AS word FROM generate_series(1, CAST(:n AS int)) AS n"))
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


async def test_a_look_that_finds_more_than_one_row_is_a_mistake(database: Database) -> None:
    async with database.autocommit() as connection:
        with pytest.raises(ValueError, match="2 rows where there can be one"):
            await look_together(connection, up_to(2), told(1))
        with pytest.raises(ValueError, match="2 rows where there can be one"):
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
