"""Two branches, one number: what is applied nowhere moves, and the new order is proved before a file is touched."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_db.authoring.branches import order_in_main
from orion_db.authoring.order import Move, moves
from orion_db.authoring.rebase import rebase

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

BRANCH = '''
"""{purpose}."""

from alembic import op

revision = "{name}"
down_revision = "{previous}"
phase = "pre"


def upgrade() -> None:
    op.execute("{up}")


def downgrade() -> None:
    op.execute("{down}")
'''


def write(shop: "Shop", name: str, previous: str, up: str, down: str) -> None:
    shop.write(name, BRANCH.format(purpose=name, name=name, previous=previous, up=up, down=down))


def files(shop: "Shop") -> list[str]:
    return sorted(file.stem for file in shop.folder.iterdir() if file.is_file())


def test_what_is_applied_keeps_its_number_and_the_other_chain_follows_in_order() -> None:
    names = ["0001_a", "0002_b", "0003_mine", "0003_theirs", "0004_mine_too"]
    expected = (Move("0003_mine", "0004_mine"), Move("0004_mine_too", "0005_mine_too"))
    assert moves("shop", names, {"0001_a", "0002_b", "0003_theirs"}, None, ()) == expected
    assert moves("shop", names, set(), {"0001_a": 0, "0002_b": 1, "0003_theirs": 2}, ()) == expected


def test_three_of_one_number_and_a_gap_are_put_in_a_row() -> None:
    names = ["0001_a", "0003_x", "0003_y", "0003_z", "0007_w"]
    in_main = {"0001_a": 0, "0003_y": 3}
    assert moves("shop", names, {"0001_a"}, in_main, ()) == (
        Move("0003_x", "0004_x"),
        Move("0003_z", "0005_z"),
        Move("0007_w", "0006_w"),
    )


def test_of_two_in_main_the_later_one_moves_and_a_gap_alone_is_left() -> None:
    in_main = {"0001_a": 0, "0002_x": 5, "0002_y": 3}
    assert moves("shop", [*in_main], set(), in_main, ()) == (Move("0002_x", "0003_x"),)
    assert moves("shop", ["0001_a", "0009_b"], {"0001_a"}, None, ()) == ()


def test_what_was_passed_over_moves_behind_unless_main_has_it() -> None:
    names, applied = ["0001_a", "0002_late", "0003_c"], {"0001_a", "0003_c"}
    assert moves("shop", names, applied, {"0001_a": 0, "0003_c": 1}, ()) == (Move("0002_late", "0004_late"),)
    with pytest.raises(orion_db.Problem, match="cannot be told") as raised:
        moves("shop", names, applied, {"0001_a": 0, "0002_late": 2, "0003_c": 1}, ())
    assert "--move 0002_late" in raised.value.todo


def test_without_any_evidence_a_person_decides() -> None:
    names = ["0001_a", "0002_x", "0002_y"]
    with pytest.raises(orion_db.Problem) as raised:
        moves("shop", names, set(), None, ())
    assert raised.value.code == "rebase_undecided"
    assert "`orion db rebase shop --move 0002_x` or `orion db rebase shop --move 0002_y`" in raised.value.todo
    assert moves("shop", names, set(), None, ["0002_x"]) == (Move("0002_x", "0003_x"),)
    with pytest.raises(orion_db.Problem) as raised:
        moves("shop", names, {"0001_a", "0002_x"}, None, ["0002_x"])
    assert raised.value.code == "rebase_applied"


def test_git_tells_what_came_to_the_main_branch_and_when(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    assert order_in_main(folder) is None

    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def commit(name: str) -> None:
        (folder / f"{name}.py").write_text(name, encoding="utf-8")
        git("add", ".")
        git("commit", "-qm", name)

    git("init", "-qb", "main")
    commit("0001_a")
    git("checkout", "-qb", "branch")
    commit("0002_mine")
    git("checkout", "-q", "main")
    commit("0002_theirs")
    git("checkout", "-q", "branch")
    assert order_in_main(folder) == {"0001_a": 0, "0002_theirs": 1}
    git("checkout", "-q", "main")
    git("merge", "-q", "--no-edit", "branch")
    assert order_in_main(folder) == {"0001_a": 0, "0002_theirs": 1, "0002_mine": 2}


async def test_two_heads_are_found_and_rebased(shop: "Shop") -> None:
    write(shop, "0003_weights", "0002_prices", "ALTER TABLE goods ADD weight integer", "ALTER TABLE goods DROP weight")
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    write(shop, "0003_brands", "0002_prices", "CREATE TABLE brands (id integer)", "DROP TABLE brands")
    write(shop, "0004_makers", "0003_brands", "ALTER TABLE brands ADD maker text", "ALTER TABLE brands DROP maker")
    with pytest.raises(orion_db.Problem, match="orion db rebase") as raised:
        await orion_db.deploy(shop.target)
    assert raised.value.code == "two_heads"
    before = files(shop)
    would = await rebase(shop.target, dry_run=True)
    assert files(shop) == before
    done = await rebase(shop.target)
    assert would.moves == done.moves == (Move("0003_brands", "0004_brands"), Move("0004_makers", "0005_makers"))
    assert files(shop) == ["0001_goods", "0002_prices", "0003_weights", "0004_brands", "0005_makers"]
    makers = (shop.folder / "0005_makers.py").read_text(encoding="utf-8")
    assert 'revision = "0005_makers"\ndown_revision = "0004_brands"' in makers
    assert 'down_revision = "0003_weights"' in (shop.folder / "0004_brands.py").read_text(encoding="utf-8")
    assert [name for name, *_ in (await orion_db.deploy(shop.target)).applied] == ["0004_brands", "0005_makers"]
    assert (await rebase(shop.target)).moves == ()


async def test_an_order_that_does_not_run_renames_nothing(shop: "Shop") -> None:
    write(
        shop,
        "0003_titles",
        "0002_prices",
        "ALTER TABLE goods RENAME name TO title",
        "ALTER TABLE goods RENAME title TO name",
    )
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    write(shop, "0003_names", "0002_prices", "ALTER TABLE goods ALTER name SET NOT NULL", "SELECT 1")
    before = files(shop)
    with pytest.raises(orion_db.Problem, match="do not run in the new order") as raised:
        await rebase(shop.target)
    assert raised.value.code == "rebase_unproved"
    assert files(shop) == before
