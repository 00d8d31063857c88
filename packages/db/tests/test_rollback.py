"""Back to a named point, and no row lost that nobody spoke of."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from packages.db.tests.deploys import running, until
from packages.db.tests.revisions import ADD, INDEX, holding, revision

import orion_db
from orion_db.connections import maintenance_connection
from orion_db.production import mark

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

DROP_WEIGHT = "ALTER TABLE goods DROP COLUMN weight"


async def applied(shop: "Shop") -> list[str]:
    return [row["name"] for row in await shop.run("SELECT name FROM schema_migrations ORDER BY name")]


async def test_the_named_one_stays(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD, down=DROP_WEIGHT))
    stocked.write("0005_index", revision(INDEX, down="DROP INDEX ix_goods_name"))
    await orion_db.deploy(stocked.target)
    foretold = await orion_db.rollback(stocked.target, to="0003_parts", dry_run=True)
    assert foretold.steps == (
        "0005_index: concurrent index: DROP INDEX ix_goods_name",
        f"0004_weight: transaction: {DROP_WEIGHT}",
    )
    assert len(await applied(stocked)) == 5
    done = await orion_db.rollback(stocked.target, to="0003_parts")
    assert [name for name, _ in done.reverted] == ["0005_index", "0004_weight"]
    assert (await applied(stocked))[-1] == "0003_parts"
    assert (await orion_db.status(stocked.target)).drift == ()
    assert (await orion_db.rollback(stocked.target, to="0003")).reverted == ()
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.rollback(stocked.target, to="0004")
    assert raised.value.code == "not_applied"


async def test_an_index_is_dropped_beside_readers(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(INDEX, down="DROP INDEX ix_goods_name"))
    await orion_db.deploy(stocked.target)
    async with holding(stocked, "SELECT FROM goods"):
        rolling = asyncio.create_task(orion_db.rollback(stocked.target, count=1))
        await until(stocked, running("DROP INDEX CONCURRENTLY"))
        await asyncio.wait_for(stocked.run("UPDATE goods SET name = 'written' WHERE id = 2"), 1)
    assert len((await rolling).reverted) == 1


async def test_rows_and_values_that_would_be_lost_are_counted_first(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD, down=DROP_WEIGHT))
    stocked.write("0005_boxes", revision("CREATE TABLE boxes (id integer)", down="DROP TABLE boxes"))
    await orion_db.deploy(stocked.target)
    await stocked.run("UPDATE goods SET weight = 1 WHERE id < 8")
    await stocked.run("INSERT INTO boxes SELECT generate_series(1, 12)")
    with pytest.raises(orion_db.Problem, match=r"12 rows of boxes, 7 values of goods\.weight") as raised:
        await orion_db.rollback(stocked.target, to="0003")
    assert (raised.value.code, raised.value.exit_code) == ("rows_would_be_lost", orion_db.Exit.REFUSED)
    assert len(await applied(stocked)) == 5
    assert len((await orion_db.rollback(stocked.target, to="0003", dry_run=True)).lost) == 2
    await orion_db.rollback(stocked.target, to="0003", discard_rows=True)
    assert len(await applied(stocked)) == 3


async def test_in_production_the_name_of_the_database_is_asked_for(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD, down=DROP_WEIGHT))
    await orion_db.deploy(stocked.target)
    for production in (True, False):  # by the environment; by the database's own mark
        with pytest.raises(orion_db.Problem) as raised:
            await orion_db.rollback(stocked.target, count=1, production=production, confirmation="orion_shop")
        assert raised.value.code == "production_database"
        async with maintenance_connection(stocked.target, "test") as connection:
            await mark(connection, stocked.service, stocked.database)
    await orion_db.rollback(stocked.target, count=1, confirmation=stocked.database)
    assert len(await applied(stocked)) == 3
