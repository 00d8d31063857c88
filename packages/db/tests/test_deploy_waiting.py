"""A deploy that meets locks: nobody queues behind it for long, and who is in the way is named."""

import asyncio
import time
from typing import TYPE_CHECKING

import asyncpg
import pytest
from packages.db.tests.deploys import running, until
from packages.db.tests.revisions import ADD, INDEX, holding, is_whole, revision

import orion_db
from orion_db.deployment.attempts import Patience
from orion_db.deployment.checks import Check
from orion_db.deployment.preview import preview

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

LONGEST_SECONDS = 2.6
"""`lock_timeout` is two seconds; the rest is what the server and this machine need to notice."""


async def longest_read(shop: "Shop", ended: asyncio.Event) -> float:
    """The longest that a reader of goods and prices has waited until the event."""
    longest = 0.0
    reader = await asyncpg.connect(shop.url())
    while not ended.is_set():
        started = time.monotonic()
        await reader.fetch("SELECT FROM goods LIMIT 1")
        await reader.fetch("SELECT FROM prices LIMIT 1")
        longest = max(longest, time.monotonic() - started)
        await asyncio.sleep(0.01)
    await reader.close()
    return longest


async def test_a_long_transaction_does_not_stop_readers_behind_the_deploy(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD))
    ended, tried_twice, told = asyncio.Event(), asyncio.Event(), list[str]()

    def listen(step: orion_db.Step) -> None:
        told.append(step.what)
        if "; again in 1 s" in step.what:
            tried_twice.set()

    reading = asyncio.create_task(longest_read(stocked, ended))
    async with holding(stocked, "SELECT FROM goods"):
        deploying = asyncio.create_task(orion_db.deploy(stocked.target, progress=listen))
        await asyncio.wait_for(tried_twice.wait(), 20)
        assert any("a long report" in what for what in told)
    await deploying
    ended.set()
    assert 1.5 < await reading < LONGEST_SECONDS
    await is_whole(stocked, "0004_weight")


async def test_the_waits_of_one_transaction_are_bounded_in_sum(stocked: "Shop") -> None:
    """It holds goods, gets prices after a wait, and waits for parts: readers of goods wait for all of that."""
    more = (ADD.replace("goods", table) for table in ("goods", "prices", "parts"))
    stocked.write("0004_weights", revision(*more))
    ended = asyncio.Event()
    async with holding(stocked, "SELECT FROM parts"):
        async with holding(stocked, "SELECT FROM prices"):
            reading = asyncio.create_task(longest_read(stocked, ended))
            deploying = asyncio.create_task(orion_db.deploy(stocked.target, patience=Patience(attempts=1)))
            await until(stocked, running("ALTER TABLE prices"))
            await asyncio.sleep(1.5)
        with pytest.raises(orion_db.Problem, match="a long report") as raised:
            await deploying
        ended.set()
    assert raised.value.code == "blocked"
    assert "Nothing of it was applied" in raised.value.what
    assert await reading < LONGEST_SECONDS


async def test_a_concurrent_build_that_gives_up_leaves_nothing_and_says_what_is_committed(stocked: "Shop") -> None:
    stocked.write("0004_steps", revision(ADD.replace("goods", "prices"), INDEX))
    short = Patience(attempts=2, first_pause_seconds=0.1, concurrent_lock_timeout_ms=300)
    async with holding(stocked, "UPDATE goods SET name = 'held' WHERE id = 1"):
        with pytest.raises(orion_db.Problem, match="a long report") as raised:
            await orion_db.deploy(stocked.target, patience=short)
        assert raised.value.code == "blocked"
        assert "1 of 2 steps are committed; step 2 was not done (concurrent index: CREATE INDEX" in raised.value.what
        stands = "The INVALID index public.ix_goods_name stands" in raised.value.what
        assert stands is bool(await stocked.run("SELECT FROM pg_class WHERE relname = 'ix_goods_name'"))
        found = await orion_db.status(stocked.target, drift=False)
        assert found.half_done is not None
        assert "1 of 2 steps" in found.half_done
    await orion_db.deploy(stocked.target)
    await is_whole(stocked, "0004_steps")


async def test_an_older_record_of_migrations_is_brought_up_to_date(stocked: "Shop") -> None:
    await stocked.run("ALTER TABLE schema_migrations DROP COLUMN applied_from, DROP COLUMN steps")
    await stocked.run("DROP TABLE schema_migration_progress")
    assert (await orion_db.status(stocked.target)).exit_code == orion_db.Exit.OK
    stocked.write("0004_steps", revision(INDEX, ADD))
    await orion_db.deploy(stocked.target)
    rows = await stocked.run("SELECT steps, applied_from IS NOT NULL AS host FROM schema_migrations ORDER BY name")
    assert [tuple(row) for row in rows] == [(None, False)] * 3 + [(2, True)]
    await is_whole(stocked, "0004_steps")


async def test_before_the_new_code_and_after_it(stocked: "Shop") -> None:
    stocked.write("0004_weight", revision(ADD))
    stocked.write("0005_gone", revision("ALTER TABLE goods DROP COLUMN name").replace('"pre"', '"post"'))
    stocked.write("0006_height", revision(ADD.replace("weight", "height")))
    done = await orion_db.deploy(stocked.target, phase="pre")
    assert ([name for name, _ in done.applied], done.later) == (["0004_weight"], ("0005_gone", "0006_height"))
    done = await orion_db.deploy(stocked.target, up_to="0005")
    assert ([name for name, _ in done.applied], done.later) == (["0005_gone"], ("0006_height",))
    assert len((await orion_db.deploy(stocked.target, phase="post")).applied) == 1


async def test_a_dry_run_lists_the_steps_and_does_none(stocked: "Shop") -> None:
    stocked.write("0004_boxes", revision("CREATE TABLE boxes (id integer)", ADD))
    stocked.write("0005_index", revision("CREATE INDEX ix_boxes ON boxes (id)"))
    found = await preview(stocked.target)
    assert found.exit_code == orion_db.Exit.FOUND
    assert found.in_words() == [
        "2 migrations would be applied",
        "0004_boxes (pre)",
        "  1. transaction: CREATE TABLE boxes (id integer) … and 1 more",
        "0005_index (pre)",
        "  1. concurrent index: CREATE INDEX ix_boxes ON boxes (id)",
    ]
    assert not await stocked.run("SELECT FROM pg_class WHERE relname = 'boxes'")


async def test_drift_and_findings_of_lint_are_refused_when_asked(stocked: "Shop") -> None:
    stocked.write("0004_index", revision(INDEX, "ALTER TABLE prices ADD COLUMN amount integer"))
    async with holding(stocked, "SELECT FROM prices"):  # half done: its index is no drift
        with pytest.raises(orion_db.Problem):
            await orion_db.deploy(stocked.target, patience=Patience(attempts=1), checks=[Check.DRIFT])
        await stocked.run("CREATE TABLE strange (id integer)")
        with pytest.raises(orion_db.Problem, match="extra table strange") as raised:
            await orion_db.deploy(stocked.target, checks=[Check.DRIFT])
        assert raised.value.code == "drifted"
        assert "ix_goods_name" not in raised.value.why
    await stocked.run("DROP TABLE strange")
    assert len((await orion_db.deploy(stocked.target, checks=[Check.DRIFT])).applied) == 1
    stocked.write("0005_never_null", revision("ALTER TABLE goods ALTER COLUMN name SET NOT NULL"))
    with pytest.raises(orion_db.Problem, match="0005_never_null") as raised:
        await orion_db.deploy(stocked.target, checks=[Check.LINT])
    assert (raised.value.code, len(await stocked.run("SELECT FROM schema_migrations"))) == ("lint_findings", 4)
