"""What is said, and refused, while a revision of several steps is half done."""

from typing import TYPE_CHECKING

import pytest
from packages.db.tests.revisions import ADD, revision

import orion_db
from orion_db.deployment.rollback import rollback
from orion_db.plan.plan import plan

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


@pytest.fixture
async def half_done(stocked: "Shop") -> "Shop":
    """The column is committed; the unique index met two rows of one name."""
    await stocked.run("UPDATE goods SET name = 'twice' WHERE id IN (1, 2)")
    unique = "CREATE UNIQUE INDEX uq_goods_name ON goods (name)"
    stocked.write("0004_two", revision(ADD, unique, down="ALTER TABLE goods DROP COLUMN weight"))
    with pytest.raises(orion_db.Problem, match="1 of 2 steps are committed"):
        await orion_db.deploy(stocked.target)
    return stocked


async def test_a_plan_tells_the_steps_that_are_left(half_done: "Shop") -> None:
    (planned,) = (await plan(half_done.target)).revisions
    assert (planned.done, [(statement.step, statement.kind) for statement in planned.statements]) == (
        1,
        [(2, "concurrent index")],
    )


async def test_nothing_is_taken_back_and_a_dry_run_says_so(half_done: "Shop") -> None:
    for dry_run in (True, False):
        with pytest.raises(orion_db.Problem, match="half done") as raised:
            await rollback(half_done.target, count=1, dry_run=dry_run)
        assert raised.value.code == "half_done"


async def test_whoever_has_lost_the_file_is_told_to_put_it_back(half_done: "Shop") -> None:
    (half_done.folder / "0004_two.py").unlink()
    for verb in (orion_db.deploy, plan):
        with pytest.raises(orion_db.Problem, match="its file is gone") as raised:
            await verb(half_done.target)
        assert f"Put 0004_two.py back into {half_done.folder}" in raised.value.todo


async def test_a_dry_run_of_a_rollback_that_was_cut_off_tells_the_rest(stocked: "Shop") -> None:
    down = (
        'DROP INDEX ix_goods_name")\n    op.execute("ALTER TABLE goods DROP COLUMN weight")\n'
        '    op.execute("ALTER TABLE no_table DROP COLUMN weight'
    )
    text = revision(ADD, "CREATE INDEX ix_goods_name ON goods (name)", down="DOWN").replace("'DOWN'", f'"{down}"')
    stocked.write("0004_two", text)
    await orion_db.deploy(stocked.target)
    with pytest.raises(orion_db.Problem, match="1 of 2 steps are committed"):
        await rollback(stocked.target, count=1)
    told = await rollback(stocked.target, count=1, dry_run=True)
    assert told.steps == ("0004_two: transaction: ALTER TABLE goods DROP COLUMN weight … and 1 more",)
