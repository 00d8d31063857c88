"""SIGKILL in the middle of each kind of step, then `deploy` again: it finishes, and nothing is doubled."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from packages.db.tests.deploys import kill_when, running, start, until
from packages.db.tests.revisions import ADD, BACKFILL, INDEX, holding, is_whole, revision

import orion_db

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


async def test_in_a_transaction_of_several_steps(stocked: "Shop") -> None:
    insert = "INSERT INTO goods (id, name) VALUES (5000, 'only once')"
    more = "ALTER TABLE prices ADD COLUMN amount integer"
    stocked.write("0004_steps", revision(insert, ADD, INDEX, insert.replace("5000", "5001"), more))
    # A reader of prices stops the second transaction in its last statement, when its INSERT is done.
    async with holding(stocked, "SELECT FROM prices"):
        await kill_when(stocked, running("ALTER TABLE prices"))
        done = await stocked.run("SELECT done FROM schema_migration_progress")
        assert [row["done"] for row in done] == [2]
    await orion_db.deploy(stocked.target)
    assert len(await stocked.run("SELECT FROM goods WHERE id > 4999")) == 2
    await is_whole(stocked, "0004_steps")


async def test_in_a_concurrent_build(stocked: "Shop") -> None:
    stocked.write("0004_steps", revision(ADD.replace("goods", "prices"), INDEX, "INSERT INTO goods (id) VALUES (5000)"))
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1"):
        await kill_when(stocked, running("CREATE INDEX CONCURRENTLY"))
        assert await stocked.run("SELECT FROM pg_index WHERE NOT indisvalid")
        # The server notices within a second or two that its client is gone, though it waits for a lock all the time.
        await asyncio.wait_for(until(stocked, f"SELECT WHERE NOT EXISTS ({running('CREATE INDEX')})"), 5)
        assert not await stocked.run("""
            SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE locktype = 'advisory' AND datname = current_database()""")
    await orion_db.deploy(stocked.target)
    assert len(await stocked.run("SELECT FROM goods WHERE id = 5000")) == 1
    await is_whole(stocked, "0004_steps")


async def test_a_deploy_that_comes_at_once_waits_for_the_dying_session(stocked: "Shop") -> None:
    stocked.write("0004_steps", revision(INDEX, "INSERT INTO goods (id) VALUES (5000)"))
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1"):
        await kill_when(stocked, running("CREATE INDEX CONCURRENTLY"))
        again = asyncio.create_task(orion_db.deploy(stocked.target))
        await until(stocked, running("DROP INDEX CONCURRENTLY"))
    assert [name for name, _ in (await again).applied] == ["0004_steps"]
    await is_whole(stocked, "0004_steps")


@pytest.mark.parametrize("partition", ["parts_1", "parts_2"])
async def test_in_a_build_of_a_partitioned_table(stocked: "Shop", partition: str) -> None:
    stocked.write("0004_steps", revision("CREATE INDEX ix_parts ON parts (goods_id)"))
    async with holding(stocked, f"INSERT INTO {partition} VALUES ({partition[-1]})"):
        await kill_when(stocked, running(f"CREATE INDEX CONCURRENTLY ON public.{partition}"))
    await orion_db.deploy(stocked.target)
    assert len(await stocked.run("SELECT FROM pg_index WHERE indrelid::regclass::text LIKE 'parts%'")) == 4
    await is_whole(stocked, "0004_steps")


async def test_while_an_index_is_dropped(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(INDEX))
    await orion_db.deploy(stocked.target)
    stocked.write("0005_gone", revision("DROP INDEX ix_goods_name"))
    async with holding(stocked, "SELECT FROM goods"):
        await kill_when(stocked, running("DROP INDEX CONCURRENTLY"))
    await orion_db.deploy(stocked.target)
    assert not await stocked.run("SELECT FROM pg_class WHERE relname = 'ix_goods_name'")
    await is_whole(stocked, "0005_gone")


async def test_in_a_backfill(stocked: "Shop") -> None:
    stocked.write("0004_fill", revision(ADD, head=BACKFILL))
    await stocked.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id = 550 THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$"
    )
    await stocked.run("CREATE TRIGGER slow BEFORE UPDATE ON goods FOR EACH ROW EXECUTE FUNCTION slow()")
    await kill_when(
        stocked, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    await stocked.run("DROP FUNCTION slow() CASCADE")
    rows = (await stocked.run("SELECT done, rows FROM schema_migration_progress"))[0]
    filled = (await stocked.run("SELECT count(*) FROM goods WHERE weight IS NOT NULL"))[0]["count"]
    assert rows["done"] == 1
    assert 0 < rows["rows"] == filled < 1000
    told: list[str] = []
    await orion_db.deploy(stocked.target, progress=lambda step: told.append(step.what))
    assert any("1000 rows filled" in what for what in told)
    assert not await stocked.run("SELECT FROM goods WHERE weight IS DISTINCT FROM id")
    await is_whole(stocked, "0004_fill")


async def test_while_a_partition_is_detached(stocked: "Shop") -> None:
    """Cut off between its two transactions it is pending, and the statement itself would be refused from then on."""
    stocked.write("0004_detach", revision("ALTER TABLE parts DETACH PARTITION parts_2 CONCURRENTLY"))
    async with holding(stocked, "SELECT FROM parts"):
        await kill_when(stocked, running("ALTER TABLE parts DETACH"))
        assert await stocked.run("SELECT FROM pg_inherits WHERE inhdetachpending")
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0004_detach")
    stocked.write("0005_detach", revision("ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY"))
    await stocked.run("ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY")  # as one that was not noted any more
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0005_detach")


async def test_between_two_steps_and_before_the_record(stocked: "Shop") -> None:
    """A lock on the tool's own table stops a deploy after the index is built, before that is noted."""
    stocked.write("0004_steps", revision(INDEX, "INSERT INTO goods (id) VALUES (5000)"))
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1") as holder:
        process = await start(stocked)
        await until(stocked, running("CREATE INDEX CONCURRENTLY"))
        async with holding(stocked, "LOCK TABLE schema_migrations IN SHARE ROW EXCLUSIVE MODE"):
            await holder.execute("ROLLBACK")
            await until(stocked, running("LOCK TABLE public.schema_migrations"))
            assert await stocked.run("SELECT FROM pg_index WHERE indisvalid AND indexrelid = 'ix_goods_name'::regclass")
            process.kill()
            await process.wait()
        await holder.execute("BEGIN")
    before = (await stocked.run("SELECT 'ix_goods_name'::regclass::oid AS oid"))[0]["oid"]
    await orion_db.deploy(stocked.target)
    assert (await stocked.run("SELECT 'ix_goods_name'::regclass::oid AS oid"))[0]["oid"] == before
    await is_whole(stocked, "0004_steps")


async def test_while_a_revision_is_taken_back(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(ADD, INDEX, down="DROP INDEX ix_goods_name"))
    await orion_db.deploy(stocked.target)
    async with holding(stocked, "SELECT FROM goods"):
        await kill_when(stocked, running("DROP INDEX CONCURRENTLY"), 'orion_db.rollback(target, to="0003")')
    with pytest.raises(orion_db.Problem, match="half done") as raised:
        await orion_db.deploy(stocked.target)
    assert "orion db rollback shop --steps 1" in raised.value.todo
    await orion_db.rollback(stocked.target, count=1)
    assert not await stocked.run("SELECT FROM schema_migrations WHERE name = '0004_index'")
    assert not await stocked.run("SELECT FROM schema_migration_progress")


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.slow)])
async def test_deploys_at_once_with_a_concurrent_step(stocked: "Shop", count: int) -> None:
    """One applies, the others wait and end well; nobody is in the way of CREATE INDEX CONCURRENTLY."""
    stocked.write("0004_steps", revision(INDEX, ADD, "CREATE INDEX ix_parts ON parts (goods_id)"))
    deploys = [await start(stocked) for _ in range(count)]
    outcomes = [await asyncio.wait_for(deploy.communicate(), 60) for deploy in deploys]
    assert [deploy.returncode for deploy in deploys] == [0] * count, outcomes
    assert sorted(int(out) for out, _ in outcomes) == [0] * (count - 1) + [1]
    await is_whole(stocked, "0004_steps")
