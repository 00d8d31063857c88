"""What is recorded by hand is proven first, from the catalog."""

from typing import TYPE_CHECKING

import pytest
from packages.db.tests.deploys import kill_when, running
from packages.db.tests.revisions import ADD, BACKFILL, INDEX, holding, is_whole, revision

import orion_db
from orion_db.deployment.resolve import resolve

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


async def refused(
    shop: "Shop", code: str, *, applied: str | None = None, rolled_back: str | None = None
) -> orion_db.Problem:
    before = await shop.run("SELECT name, checksum FROM schema_migrations ORDER BY name")
    with pytest.raises(orion_db.Problem) as raised:
        await resolve(shop.target, applied=applied, rolled_back=rolled_back)
    assert raised.value.code == code
    assert await shop.run("SELECT name, checksum FROM schema_migrations ORDER BY name") == before
    return raised.value


async def test_applied_is_recorded_when_all_of_it_is_there(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD, INDEX))
    missing = await refused(stocked, "not_proven", applied="0004_weight")
    assert "missing column goods.weight" in missing.why
    assert "missing index" in missing.why
    await stocked.run(ADD)
    half = await refused(stocked, "not_proven", applied="0004_weight")
    assert "weight" not in half.why
    await stocked.run("CREATE INDEX ix_goods_name ON goods (color)")
    await stocked.run("ALTER INDEX ix_goods_name OWNER TO orion_shop_owner")
    assert "changed index" in (await refused(stocked, "not_proven", applied="0004_weight")).why
    await stocked.run("DROP INDEX ix_goods_name")
    await stocked.run(INDEX)
    foretold = await resolve(stocked.target, applied="0004_weight", dry_run=True)
    assert foretold.outcome == "recorded"
    assert not await stocked.run("SELECT FROM schema_migrations WHERE name = '0004_weight'")
    done = await resolve(stocked.target, applied="0004")
    assert "column goods.weight" in done.proven
    await is_whole(stocked, "0004_weight")
    assert (await resolve(stocked.target, applied="0004")).outcome == "nothing to do"


async def test_an_invalid_index_proves_nothing(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(INDEX))
    await stocked.run(INDEX)
    await stocked.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_goods_name'::regclass")
    assert "valid" in (await refused(stocked, "not_proven", applied="0004")).why


async def test_gone_is_recorded_when_nothing_of_it_is_left(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD, INDEX))
    await orion_db.deploy(stocked.target)
    left = await refused(stocked, "not_proven", rolled_back="0004_weight")
    assert "extra column goods.weight" in left.why
    await stocked.run("ALTER TABLE goods DROP COLUMN weight")
    assert "extra index" in (await refused(stocked, "not_proven", rolled_back="0004_weight")).why
    await stocked.run("DROP INDEX ix_goods_name")
    assert (await resolve(stocked.target, rolled_back="0004_weight")).outcome == "forgotten"
    assert (await orion_db.status(stocked.target)).pending == ("0004_weight",)


async def test_what_others_stand_on_is_not_gone_and_what_comes_later_is_not_applied(stocked: "Shop") -> None:
    await refused(stocked, "not_in_order", rolled_back="0002_prices")
    stocked.write("0004_weight", revision(ADD))
    stocked.write("0005_height", revision(ADD.replace("weight", "height")))
    await refused(stocked, "not_in_order", applied="0005_height")
    await refused(stocked, "unknown_revision", applied="0009_nothing")


async def test_rows_cannot_be_proven_but_a_backfill_can(stocked: "Shop") -> None:
    stocked.write("0004_rows", revision("UPDATE goods SET name = 'other'"))
    await refused(stocked, "unprovable", applied="0004_rows")
    stocked.write("0004_rows", revision(ADD, head=BACKFILL))
    await stocked.run(ADD)
    assert "100 in the next batch" in (await refused(stocked, "not_proven", applied="0004_rows")).why
    assert not await stocked.run("SELECT FROM goods WHERE weight IS NOT NULL")
    await stocked.run("UPDATE goods SET weight = id")
    assert (await resolve(stocked.target, applied="0004_rows")).outcome == "recorded"


async def test_an_edited_migration_is_recorded_when_the_schema_is_as_it_says(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD))
    await orion_db.deploy(stocked.target)
    stocked.write("0004_weight", revision(ADD.replace("integer", "bigint")))
    with pytest.raises(orion_db.Problem, match="edited"):
        await orion_db.deploy(stocked.target)
    assert "changed column goods.weight" in (await refused(stocked, "not_proven", applied="0004")).why
    await stocked.run("ALTER TABLE goods ALTER COLUMN weight TYPE bigint")
    assert (await resolve(stocked.target, applied="0004")).outcome == "checksum recorded"
    await is_whole(stocked, "0004_weight")


async def test_a_half_done_revision_is_resolved_either_way(stocked: "Shop") -> None:
    stocked.write("0004_steps", revision(INDEX, ADD))
    async with holding(stocked, "SELECT FROM goods"):
        await kill_when(stocked, running("ALTER TABLE goods"))
    assert "extra index" in (await refused(stocked, "not_proven", rolled_back="0004")).why
    await stocked.run("DROP INDEX ix_goods_name")
    assert (await resolve(stocked.target, rolled_back="0004")).outcome == "forgotten"
    assert not await stocked.run("SELECT FROM schema_migration_progress")
    async with holding(stocked, "SELECT FROM goods"):
        await kill_when(stocked, running("ALTER TABLE goods"))
    await stocked.run(ADD)
    assert (await resolve(stocked.target, applied="0004")).outcome == "recorded"
    await is_whole(stocked, "0004_steps")
