"""Revisions of several steps: nothing is locked for long, and what was cut off is finished."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from packages.db.tests.deploys import running, until
from packages.db.tests.revisions import ADD, BACKFILL, INDEX, holding, is_whole, revision

import orion_db
from orion_db.deployment.attempts import Patience
from orion_db.deployment.steps import steps
from orion_db.revisions import read_revisions

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


def cut(shop: "Shop", existing: set[str]) -> list[tuple[str, int]]:
    last = read_revisions(shop.folder)[-1]
    return [(step.kind, len(step.statements)) for step in steps(last, existing)]


async def test_only_indexes_of_tables_that_exist_stand_alone(shop: "Shop") -> None:
    own = ("CREATE TABLE boxes (id integer)", "CREATE INDEX ix_boxes ON boxes (id)")
    shop.write(
        "0003_mixed", revision("SET LOCAL check_function_bodies = off", ADD, *own, INDEX, "DROP INDEX a, b", ADD)
    )
    assert cut(shop, set()) == [("transaction", 7)]
    alone = ("concurrent index", 1)
    # The setting of the first transaction is said again in the second.
    assert cut(shop, {"goods"}) == [("transaction", 4), alone, alone, alone, ("transaction", 2)]
    # After a crash, what the revision made itself is there too, and changes nothing.
    assert cut(shop, {"goods", "boxes"}) == cut(shop, {"goods"})


async def test_what_cannot_be_in_a_transaction_is_not(shop: "Shop") -> None:
    block = """
    with op.get_context().autocommit_block():
        op.execute("VACUUM goods")
    op.execute("SELECT 1")"""
    content = revision("ALTER TYPE color ADD VALUE 'BLUE'")
    shop.write("0003_block", content.replace("'BLUE'\")", f"'BLUE'\"){block}"))
    assert cut(shop, {"goods"}) == [("transaction", 1), ("out of transaction", 1), ("transaction", 1)]


async def test_an_index_without_a_name_cannot_be_found_again(shop: "Shop") -> None:
    shop.write("0003_unnamed", revision("CREATE INDEX ON goods (name)"))
    with pytest.raises(orion_db.Problem, match="no name"):
        cut(shop, {"goods"})


async def test_an_index_is_built_beside_writers(stocked: "Shop") -> None:
    """An open writer would make a plain CREATE INDEX wait, and everybody behind it; here others write meanwhile."""
    stocked.write("0004_index", revision(INDEX, ADD))
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1"):
        deploying = asyncio.create_task(orion_db.deploy(stocked.target))
        await until(stocked, running("CREATE INDEX CONCURRENTLY"))
        await asyncio.wait_for(stocked.run("UPDATE goods SET name = 'written' WHERE id = 2"), 1)
    assert [name for name, _ in (await deploying).applied] == ["0004_index"]
    await is_whole(stocked, "0004_index")
    row = (await stocked.run("SELECT * FROM schema_migrations ORDER BY name DESC LIMIT 1"))[0]
    assert (row["steps"], bool(row["applied_from"])) == (2, True)


async def test_who_blocks_a_concurrent_build_is_told_while_it_waits(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(INDEX))
    told: list[orion_db.Step] = []
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1"):
        deploying = asyncio.create_task(orion_db.deploy(stocked.target, progress=told.append))
        for _ in range(200):
            if any("a long report" in step.what for step in told):
                break
            await asyncio.sleep(0.05)
    await deploying
    waiting = [step for step in told if "step 1 of 1: blocked by" in step.what and "a long report" in step.what]
    assert waiting[0].share == 0  # of pg_stat_progress_create_index: none of the sessions waited for has ended


async def test_an_invalid_left_over_is_repaired_and_a_valid_one_counts(stocked: "Shop") -> None:
    await stocked.run(INDEX)
    await stocked.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_goods_name'::regclass")
    before = (await stocked.run("SELECT 'ix_goods_name'::regclass::oid AS oid"))[0]["oid"]
    stocked.write("0004_index", revision(INDEX))
    await stocked.run("ALTER INDEX ix_goods_name OWNER TO orion_shop_owner")
    await orion_db.deploy(stocked.target)
    after = (await stocked.run("SELECT 'ix_goods_name'::regclass::oid AS oid"))[0]["oid"]
    assert before != after
    await is_whole(stocked, "0004_index")
    stocked.write("0005_same", revision("CREATE INDEX IX_GOODS_NAME ON public.goods USING btree ( name )"))
    await orion_db.deploy(stocked.target)
    assert (await stocked.run("SELECT 'ix_goods_name'::regclass::oid AS oid"))[0]["oid"] == after


async def test_an_index_of_that_name_that_is_another_is_not_taken_for_it(stocked: "Shop") -> None:
    await stocked.run("CREATE INDEX ix_goods_name ON goods (color)")
    stocked.write("0004_index", revision(INDEX))
    with pytest.raises(orion_db.Problem, match=r"USING btree \(color\)") as raised:
        await orion_db.deploy(stocked.target)
    assert raised.value.code == "index_differs"


async def test_a_failed_unique_build_leaves_nothing_invalid_and_says_so(stocked: "Shop") -> None:
    await stocked.run("UPDATE goods SET name = 'twice' WHERE id < 3")
    stocked.write("0004_unique", revision(ADD, "CREATE UNIQUE INDEX uq_goods_name ON goods (name)"))
    with pytest.raises(orion_db.Problem, match="is duplicated") as raised:
        await orion_db.deploy(stocked.target)
    assert "1 of 2 steps are committed; step 2 was not done" in raised.value.what
    assert "No INVALID index stands" in raised.value.what
    assert "orion db deploy shop" in raised.value.todo
    assert not await stocked.run("SELECT FROM pg_class WHERE relname = 'uq_goods_name'")
    await stocked.run("UPDATE goods SET name = 'once' WHERE id = 1")
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0004_unique")


async def test_what_comes_after_the_done_steps_may_be_corrected_and_what_is_done_may_not(stocked: "Shop") -> None:
    wrong = "ALTER TABLE goods ADD COLUMN height integre"
    stocked.write("0004_wrong", revision(ADD, INDEX, wrong))
    with pytest.raises(orion_db.Problem, match="integre"):
        await orion_db.deploy(stocked.target)
    stocked.write("0004_wrong", revision(ADD.replace("weight", "mass"), INDEX, wrong.replace("integre", "integer")))
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.deploy(stocked.target)
    assert raised.value.code == "edited_half_done"
    stocked.write("0004_wrong", revision(ADD, INDEX, wrong.replace("integre", "integer")))
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0004_wrong")


async def test_partitions_get_their_indexes_one_by_one(stocked: "Shop") -> None:
    stocked.write("0004_parts", revision("CREATE INDEX ix_parts ON parts (goods_id)"))
    async with holding(stocked, "INSERT INTO parts_1 VALUES (1)"):
        deploying = asyncio.create_task(orion_db.deploy(stocked.target))
        await until(stocked, running("CREATE INDEX CONCURRENTLY ON public.parts_1"))
        await asyncio.wait_for(stocked.run("INSERT INTO parts VALUES (1), (2)"), 1)
        await stocked.run("CREATE TABLE parts_9 (LIKE parts)")
        attach = stocked.run("ALTER TABLE parts ATTACH PARTITION parts_9 FOR VALUES FROM (9) TO (10)")
        await asyncio.wait_for(attach, 2)
    await deploying
    await stocked.run("DROP TABLE parts_9")
    await is_whole(stocked, "0004_parts")
    stocked.write("0005_gone", revision("DROP INDEX ix_parts"))
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0005_gone")


async def test_a_backfill_waits_for_rows_that_others_hold(stocked: "Shop") -> None:
    """SKIP LOCKED finds nothing while somebody holds the last rows; that is not the end."""
    stocked.write("0004_weight", revision(ADD))
    await orion_db.deploy(stocked.target)
    stocked.write("0005_fill", revision(head=BACKFILL))
    told: list[str] = []
    async with holding(stocked, "SELECT FROM goods WHERE id <= 50 FOR UPDATE"):
        deploying = asyncio.create_task(
            orion_db.deploy(stocked.target, progress=lambda step: told.append(step.what), patience=Patience(20, 0.1))
        )
        await until(stocked, "SELECT FROM schema_migration_progress WHERE rows = 950")
        assert not deploying.done()
    await deploying
    assert not await stocked.run("SELECT FROM goods WHERE weight IS NULL")
    assert any("1000 rows filled" in what for what in told)
    await is_whole(stocked, "0005_fill")


async def test_a_backfill_that_finds_what_it_has_filled_is_stopped(stocked: "Shop") -> None:
    endless = BACKFILL.replace("weight IS NULL", "name IS NOT NULL")
    stocked.write("0004_fill", revision(ADD, head=endless))
    with pytest.raises(orion_db.Problem, match="again and again") as raised:
        await asyncio.wait_for(orion_db.deploy(stocked.target), 30)
    assert raised.value.why.startswith("It has changed 2100 rows, and the table has 1000")
    stocked.write("0004_fill", revision(ADD, head=BACKFILL.replace("NULL", "DISTINCT FROM 7").replace("= id", "= 7")))
    await orion_db.deploy(stocked.target)  # rows that were changed before are not held against it
    assert not await stocked.run("SELECT FROM goods WHERE weight <> 7")
    await is_whole(stocked, "0004_fill")


async def test_a_long_statement_is_told_to_be_running(stocked: "Shop", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orion_db.deployment.watch._LONG_SECONDS", 0.3)
    stocked.write("0004_slow", revision("SELECT pg_sleep(0.7)"))
    told: list[str] = []
    await orion_db.deploy(stocked.target, progress=lambda step: told.append(step.what))
    assert "0004_slow: running for 1 s" in told
