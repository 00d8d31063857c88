"""`test` finds the downgrade that nobody ran, the rows that it loses, the upgrade that only works on empty tables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

import orion_db
from orion_core.seeds import Profile, SeedReport
from orion_db.up_down_up import Trials, try_migrations

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


def add(shop: "Shop", name: str, up: Sequence[str], down: Sequence[str]) -> None:
    lines = ['"""Tried."""', "", "from alembic import op"]
    for function, statements in (("upgrade", up), ("downgrade", down)):
        lines += ["", "", f"def {function}() -> None:"]
        lines += [f"    op.execute({statement!r})" for statement in statements] or ["    pass"]
    shop.write(name, "\n".join([*lines, ""]))


@pytest.fixture
async def ready(shop: "Shop") -> "Shop":
    """The roles are there; the database is empty."""
    await orion_db.prepare(shop.target)
    return shop


def findings(result: Trials) -> list[str]:
    return [f"{trial.revision}: {found}" for trial in result.trials for found in trial.findings]


async def test_good_migrations_carry_their_rows_and_tell_what_goes(ready: "Shop") -> None:
    add(
        ready,
        "0003_note",
        ["ALTER TABLE goods ADD note text DEFAULT 'new'", "ALTER TABLE goods RENAME name TO title"],
        ["ALTER TABLE goods RENAME title TO name", "ALTER TABLE goods DROP note"],
    )
    add(ready, "0004_stock", ["ALTER TABLE goods RENAME TO stock"], ["ALTER TABLE stock RENAME TO goods"])
    result = await try_migrations(await seeded_by(ready, "stock", "title"))
    assert (result.exit_code, findings(result)) == (orion_db.Exit.OK, [])
    assert [trial.revision for trial in result.trials] == ["0004_stock", "0003_note", "0002_prices", "0001_goods"]
    stock, note, _, goods = result.trials
    assert [run.direction for run in note.runs] == ["downgrade", "upgrade"]
    assert (stock.runs[0].rows, stock.runs[0].discarded) == (2, {})
    assert (note.runs[0].rows, note.runs[0].discarded) == (2, {"public.goods.note": 2})
    assert goods.runs[0].discarded == {"public.goods": 2}
    assert await ready.run("SELECT FROM pg_tables WHERE schemaname = 'public'") == []


async def seeded_by(shop: "Shop", table: str, column: str) -> orion_db.Target:
    """The target of a service whose seed knows other names than the shop's."""

    async def seed(connection: AsyncConnection, _: Profile) -> SeedReport:
        await connection.execute(text(f"INSERT INTO {table} (id, {column}) VALUES (1, 'apple'), (2, 'pear')"))
        return SeedReport()

    return replace(shop.target, service=replace(shop.service, seed=seed))


@pytest.mark.parametrize(
    ("up", "down", "complaint"),
    [
        pytest.param(
            ["ALTER TABLE goods ADD note text"],
            [],
            "downgrade does not lead where it should: extra column goods.note",
            id="a downgrade that does nothing",
        ),
        pytest.param(
            ["ALTER TABLE goods ADD note text"],
            ["ALTER TABLE goods DROP note", "DELETE FROM goods WHERE id = 2"],
            "downgrade public.goods had 2 rows and has 1",
            id="a downgrade that loses rows",
        ),
        pytest.param(
            ["ALTER TABLE goods ADD note text"],
            ["ALTER TABLE goods DROP note", "UPDATE goods SET name = upper(name)"],
            "downgrade changes rows of public.goods in columns that stay",
            id="a downgrade that changes rows",
        ),
        pytest.param(
            ["ALTER TABLE goods ALTER name TYPE text"],
            ["ALTER TABLE goods DROP name", "ALTER TABLE goods ADD name varchar(40)"],
            "",
            id="a change of type is not compared",
        ),
        pytest.param(
            ["CREATE INDEX ix_goods_name ON goods (name)"],
            ["DROP INDEX ix_goods_name", "ALTER TABLE goods DROP name", "ALTER TABLE goods ADD name varchar(40)"],
            "downgrade changes rows of public.goods in columns that stay",
            id="a column made anew is empty",
        ),
        pytest.param(
            ["DELETE FROM goods WHERE id = 2", "CREATE TABLE brands (id integer)"],
            ["DROP TABLE brands"],
            "upgrade public.goods had 2 rows and has 1",
            id="an upgrade that loses rows",
        ),
    ],
)
async def test_what_is_wrong_is_found(ready: "Shop", up: list[str], down: list[str], complaint: str) -> None:
    add(ready, "0003_tried", up, down)
    result = await try_migrations(ready.target, last=1)
    assert any(found == f"0003_tried: {complaint}" for found in findings(result)) is bool(complaint)
    assert result.exit_code is (orion_db.Exit.FOUND if complaint else orion_db.Exit.OK)


async def test_an_upgrade_that_fails_on_rows_is_named_with_its_direction(ready: "Shop") -> None:
    add(ready, "0003_kind", ["ALTER TABLE goods ADD kind text NOT NULL DEFAULT 'x'"], ["ALTER TABLE goods DROP kind"])
    add(
        ready,
        "0004_origin",
        ["ALTER TABLE prices ADD origin text NOT NULL", "ALTER TABLE goods ADD origin text NOT NULL"],
        ["ALTER TABLE prices DROP origin", "ALTER TABLE goods DROP origin"],
    )
    with pytest.raises(orion_db.Problem) as raised:
        await try_migrations(await seeded_by(ready, "goods", "origin"), last=2)
    assert raised.value.code == "migration_test_failed"
    assert raised.value.exit_code is orion_db.Exit.FAILED
    assert "the upgrade of 0004_origin fails" in raised.value.what
    assert 'column "origin" of relation "goods" contains null values' in raised.value.why


@pytest.mark.parametrize("in_use", [False, True], ids=["copied by the server", "dumped and restored"])
async def test_a_clone_meets_the_rows_of_the_target_and_leaves_them_alone(ready: "Shop", in_use: bool) -> None:
    await orion_db.deploy(ready.target)
    await ready.run("INSERT INTO goods (id, name) SELECT n, 'n' || n % 900 FROM generate_series(1, 1000) AS n")
    await ready.run("CREATE INDEX drifted ON goods (color)")
    add(ready, "0003_note", ["ALTER TABLE goods ADD note text DEFAULT 'new'"], ["ALTER TABLE goods DROP note"])
    guest = await asyncpg.connect(ready.url()) if in_use else None
    try:
        result = await try_migrations(ready.target, real_rows=True)
        assert findings(result) == []
        (note,) = result.trials
        assert [(run.direction, run.rows) for run in note.runs] == [
            ("upgrade", 1000),
            ("downgrade", 1000),
            ("upgrade", 1000),
        ]
        assert note.runs[1].discarded == {"public.goods.note": 1000}
        add(
            ready,
            "0004_once",
            ["ALTER TABLE goods ADD UNIQUE (name)"],
            ["ALTER TABLE goods DROP CONSTRAINT goods_name_key"],
        )
        with pytest.raises(orion_db.Problem, match="the upgrade of 0004_once fails") as raised:
            await try_migrations(ready.target, real_rows=True)
        assert "Key (name)=(n" in raised.value.why
    finally:
        if guest:
            await guest.close()
    assert (await orion_db.status(ready.target, drift=False)).pending == ("0003_note", "0004_once")
    assert await ready.run("SELECT datname FROM pg_database WHERE datname LIKE 'orion\\_clone\\_shop%'") == []
