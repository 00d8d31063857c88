"""Applying revisions: in order, once, by one at a time, and never over what is not known."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

import orion_db
from orion_db.deployment.attempts import Patience
from orion_db.locks import LOCK_KEY

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

THIRD = '''
"""More goods."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("{statement}")


def downgrade() -> None:
    op.execute("ALTER TABLE goods DROP COLUMN weight")
'''

ADD_WEIGHT = THIRD.format(statement="ALTER TABLE goods ADD COLUMN weight integer")


async def applied(shop: "Shop") -> list[str]:
    return [row["name"] for row in await shop.run("SELECT name FROM schema_migrations ORDER BY applied_at")]


async def test_everything_is_applied_in_order_and_recorded(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    done = await orion_db.deploy(shop.target)
    assert [name for name, _ in done.applied] == ["0001_goods", "0002_prices"]
    rows = await shop.run("SELECT * FROM schema_migrations ORDER BY name")
    assert [(row["name"], row["applied_by"]) for row in rows] == [
        ("0001_goods", "postgres"),
        ("0002_prices", "postgres"),
    ]
    assert all(len(row["checksum"]) == 64 and row["duration_ms"] >= 0 for row in rows)
    owners = await shop.run("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tableowner"] for row in owners] == ["orion_shop_owner"]
    assert (await orion_db.deploy(shop.target)).applied == ()


async def test_up_to_a_point_and_back_to_one(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target, up_to="0001_goods")
    assert (await orion_db.status(shop.target)).exit_code == orion_db.Exit.FOUND
    await orion_db.deploy(shop.target)
    taken_back = await orion_db.rollback(shop.target, to="0001_goods")
    assert [name for name, _ in taken_back.reverted] == ["0002_prices"]
    assert await applied(shop) == ["0001_goods"]


async def test_line_ends_do_not_make_another_file(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    file = shop.folder / "0001_goods.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    await orion_db.deploy(shop.target)


def edit(folder: Path) -> None:
    with (folder / "0001_goods.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")


def remove_last(folder: Path) -> None:
    (folder / "0002_prices.py").unlink()


def remove_first(folder: Path) -> None:
    (folder / "0001_goods.py").unlink()


def write_a_second_first(folder: Path) -> None:
    (folder / "0001_apples.py").write_text(ADD_WEIGHT, encoding="utf-8")


def name_badly(folder: Path) -> None:
    (folder / "0003.py").write_text(ADD_WEIGHT, encoding="utf-8")


def write_nonsense(folder: Path) -> None:
    (folder / "0003_nonsense.py").write_text("this is not Python", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(edit, "edited_migration", id="edited"),
        pytest.param(remove_last, "schema_newer_than_code", id="newer"),
        pytest.param(remove_first, "revision_missing", id="missing"),
        pytest.param(write_a_second_first, "two_heads", id="two heads"),
        pytest.param(name_badly, "revision_unusable", id="bad name"),
        pytest.param(write_nonsense, "revision_unusable", id="not Python"),
    ],
)
async def test_what_is_not_known_is_refused(shop: "Shop", change: Callable[[Path], None], code: str) -> None:
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    change(shop.folder)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.deploy(shop.target)
    assert (raised.value.code, raised.value.exit_code) == (code, orion_db.Exit.REFUSED)
    assert raised.value.what
    assert raised.value.todo


async def test_a_migration_from_another_branch_is_not_slipped_in(shop: "Shop") -> None:
    shop.write("0003_later", ADD_WEIGHT)
    await orion_db.prepare(shop.target)
    second = shop.folder / "0002_prices.py"
    content = second.read_text(encoding="utf-8")
    second.unlink()
    await orion_db.deploy(shop.target)
    shop.write("0002_prices", content)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.deploy(shop.target)
    assert raised.value.code == "out_of_order"
    found = await orion_db.status(shop.target)
    assert (found.passed_over, found.exit_code) == (("0002_prices",), orion_db.Exit.DRIFTED)


async def test_a_failing_migration_leaves_nothing_and_keeps_the_earlier(shop: "Shop") -> None:
    failing = ADD_WEIGHT.replace('integer")', 'integer")\n    op.execute("SELECT 1 / 0")')
    shop.write("0003_failing", failing)
    await orion_db.prepare(shop.target)
    with pytest.raises(orion_db.Problem, match="division by zero") as raised:
        await orion_db.deploy(shop.target)
    assert raised.value.code == "migration_failed"
    assert await applied(shop) == ["0001_goods", "0002_prices"]
    assert not await shop.run("SELECT FROM information_schema.columns WHERE column_name = 'weight'")
    shop.write("0003_failing", ADD_WEIGHT)
    assert [name for name, _ in (await orion_db.deploy(shop.target)).applied] == ["0003_failing"]


async def test_who_holds_the_lock_is_named(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    holder = await asyncpg.connect(shop.url(), server_settings={"application_name": "a deploy of tonight"})
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(orion_db.Problem, match="a deploy of tonight") as raised:
        await orion_db.deploy(shop.target, wait_seconds=0.3)
    assert (raised.value.code, raised.value.exit_code) == ("locked", orion_db.Exit.LOCKED)
    assert str(holder.get_server_pid()) in raised.value.why
    deploying = asyncio.create_task(orion_db.deploy(shop.target))
    await asyncio.sleep(0.4)
    assert not deploying.done()
    await holder.close()
    assert len((await deploying).applied) == 2


async def test_a_locked_table_is_waited_for_in_short_attempts_and_its_holder_is_named(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    shop.write("0003_weight", ADD_WEIGHT)
    said: list[str] = []
    waiting = asyncio.Event()

    def listen(step: orion_db.Step) -> None:
        if step.state == "waiting":
            said.append(step.what)
            waiting.set()

    holder = await asyncpg.connect(shop.url(), server_settings={"application_name": "a long report"})
    async with holder.transaction():
        await holder.execute("SELECT * FROM goods")
        with pytest.raises(orion_db.Problem, match="a long report") as raised:
            await orion_db.deploy(shop.target, patience=Patience(attempts=1))
        assert raised.value.code == "blocked"
        deploying = asyncio.create_task(orion_db.deploy(shop.target, progress=listen))
        await asyncio.wait_for(waiting.wait(), 10)
        assert "a long report" in said[0]
        # Between the attempts, others are not queued behind us.
        await asyncio.wait_for(shop.run("SELECT * FROM goods"), 5)
    await holder.close()
    assert [name for name, _ in (await deploying).applied] == ["0003_weight"]


@pytest.mark.slow
async def test_ten_deploys_at_once_apply_everything_once(shop: "Shop", tmp_path: Path) -> None:
    for number in range(3, 9):
        shop.write(f"{number:04d}_more", ADD_WEIGHT.replace("weight", f"weight_{number}"))
    await orion_db.prepare(shop.target)
    deploys = [await start_deploy(shop, tmp_path) for _ in range(10)]
    outcomes = [await deploy.communicate() for deploy in deploys]
    assert [deploy.returncode for deploy in deploys] == [0] * 10, outcomes
    assert sum(int(out) for out, _ in outcomes) == 8
    assert len(await applied(shop)) == 8
    assert (await orion_db.status(shop.target)).exit_code == orion_db.Exit.OK


async def test_a_killed_deploy_leaves_no_lock_and_nothing_half_done(shop: "Shop", tmp_path: Path) -> None:
    slow = ADD_WEIGHT.replace('integer")', 'integer")\n    op.execute("SELECT pg_sleep(60)")')
    shop.write("0003_slow", slow)
    await orion_db.prepare(shop.target)
    deploy = await start_deploy(shop, tmp_path)
    await until_it_sleeps(shop)
    deploy.send_signal(signal.SIGKILL)
    await deploy.wait()
    shop.write("0003_slow", ADD_WEIGHT)
    again = await asyncio.wait_for(orion_db.deploy(shop.target), 15)
    assert [name for name, _ in again.applied] == ["0003_slow"]
    assert await applied(shop) == ["0001_goods", "0002_prices", "0003_slow"]


async def until_it_sleeps(shop: "Shop") -> None:
    asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    for _ in range(400):
        if await shop.run(asleep):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the deploy never came to its pg_sleep")


async def start_deploy(shop: "Shop", tmp_path: Path) -> asyncio.subprocess.Process:
    """A deploy of the shop in a process of its own, which prints how many revisions it has applied."""
    program = textwrap.dedent(f"""
        import asyncio, pathlib, orion_db
        from sqlalchemy import MetaData
        from orion_core.service import Service
        folder = pathlib.Path({str(shop.folder)!r})
        service = Service(name="shop", title="", database="orion_shop", url_variable="SHOP_DATABASE_URL", port=7199,
            metadata=MetaData(), migrations=folder, seed=None, package=folder, application="", settings="")
        target = orion_db.Target(service, {shop.url()!r}, {shop.url()!r})
        print(len(asyncio.run(orion_db.deploy(target)).applied))
    """)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
