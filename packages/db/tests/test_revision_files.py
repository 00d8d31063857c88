"""Revision files that are wrong, and one that asks the database what to do."""

from typing import TYPE_CHECKING

import pytest
from packages.db.tests.revisions import ADD, BACKFILL, revision

import orion_db
from orion_db.deployment.preview import preview
from orion_db.lint import lint

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

CALL = "op.execute('X')"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("undefined.name()", "Line 8: NameError"),
        ("op.execut('SELECT 1')", "Line 8: AttributeError"),
        ("op.execute(1 / 0)", "Line 8: ZeroDivisionError"),
    ],
)
async def test_an_error_in_the_code_of_a_file_names_its_line(stocked: "Shop", code: str, why: str) -> None:
    stocked.write("0004_wrong", revision("X").replace(CALL, code))
    with pytest.raises(orion_db.Problem, match=why) as raised:
        await orion_db.deploy(stocked.target)
    assert (raised.value.code, raised.value.todo) == ("revision_unusable", f"Correct {stocked.folder}/0004_wrong.py.")
    (found,) = (await lint(stocked.target, revisions=["0004_wrong"])).findings
    assert (found.rule, why in found.what) == ("fails", True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0004_wrong", "def upgrade(:\n"),
        ("0004_wrong", revision(ADD).replace('"pre"', '"Post"')),
        (f"0004_{'x' * 76}", revision(ADD)),
    ],
    ids=["no Python", "a misspelt phase", "a long name"],
)
async def test_a_file_that_cannot_be_used_is_refused_before_anything_is_applied(
    stocked: "Shop", name: str, text: str
) -> None:
    stocked.write(name, text)
    for verb in (orion_db.deploy, preview):
        with pytest.raises(orion_db.Problem) as raised:
            await verb(stocked.target, phase="pre")
        assert raised.value.code == "revision_unusable"
    assert not await stocked.run("SELECT FROM pg_attribute WHERE attname = 'weight'")


async def test_a_revision_that_asks_the_database_fills_rows_too(stocked: "Shop") -> None:
    asks = f"op.get_bind().exec_driver_sql('SELECT 1').scalar_one() and op.execute({ADD!r})"
    stocked.write("0004_weight", revision("X", head=BACKFILL).replace(CALL, asks))
    assert [str(step).split(":")[0] for step in (await preview(stocked.target)).revisions[0].steps] == [
        "transaction",
        "backfill",
    ]
    await orion_db.deploy(stocked.target)
    assert not await stocked.run("SELECT FROM goods WHERE weight IS NULL")
