"""The files that `migrate` writes: as the formatter would leave them, with their phase, linted, and refused in time."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packages.db.tests.test_authoring import Mood
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, String, Table, Uuid, func, text

import orion_db
from orion_core.tables import native_enum
from orion_db.authoring.code import executed, laid_out
from orion_db.authoring.migrate import migrate
from orion_db.authoring.renaming import Answers

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

ROOT = Path(__file__).parents[3]
LONG = "a place of whose name nobody remembers the beginning when he has come to its end " * 2


HOUSE: list[str] = []
"""The first migration: the same for all tests, and written once."""


def ruff(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode else ""


@pytest.fixture
async def visited(shop: "Shop", house: Callable[[], MetaData]) -> "Shop":
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    if not HOUSE:
        HOUSE.append((await migrate(shop.target, name="house", create_only=True)).written[0].text)
    shop.write("0001_house", HOUSE[0])
    await orion_db.deploy(shop.target)
    return shop


def with_everything(metadata: MetaData) -> MetaData:
    visits = metadata.tables["visits"]
    visits.append_column(Column("mood", native_enum(Mood), nullable=False, server_default="GOOD"))
    visits.append_column(Column("said", String(400), server_default=text(f"'{LONG}\"it''s'")))
    visits.append_constraint(CheckConstraint(f"place <> '{LONG}' AND place !~ '\\\\d:x'", name="place"))
    visits.comment = 'Who was "where", and why it\'s told'
    Index("ix_visits_place", visits.c.place, visits.c.said, postgresql_where=text(f"place <> '{LONG}'"))
    Table(
        "notes",
        metadata,
        Column("id", Uuid, primary_key=True, server_default=func.uuidv7()),
        Column("visit_id", Uuid, ForeignKey("visits.id", ondelete="CASCADE"), nullable=False, index=True),
        Column("text", String(400), CheckConstraint("text <> ''", name="text"), server_default=text("''")),
        info={"grants": "SELECT, INSERT"},
    )
    return metadata


async def test_files_are_as_ruff_leaves_them_and_a_dry_run_tells_them(
    visited: "Shop", house: Callable[[], MetaData]
) -> None:
    visited.metadata = with_everything(house())
    would = await migrate(visited.target, name='say "moods"', dry_run=True)
    assert len(list(visited.folder.glob("*.py"))) == 1
    assert would.deployment is None
    done = await migrate(visited.target, name='say "moods"', create_only=True)
    assert [entry.text for entry in would.written] == [entry.text for entry in done.written]
    assert [entry.file.name for entry in done.written] == ["0002_say_moods.py", "0003_say_moods_validate.py"]
    folder = visited.folder
    settings = ["--config", ROOT / "pyproject.toml"]
    assert ruff("format", "--diff", *settings, folder) == ""
    assert ruff("check", *settings, "--ignore", "N999,D103,D104,E501,S608,INP001", folder) == ""
    await _a_new_foreign_key_is_validated_apart(visited, with_everything(house()))


async def _a_new_foreign_key_is_validated_apart(visited: "Shop", metadata: MetaData) -> None:
    await orion_db.deploy(visited.target)
    visited.metadata = metadata
    notes = metadata.tables["notes"]
    notes.append_column(Column("answers_id", Uuid, ForeignKey("notes.id", ondelete="SET NULL"), index=True))
    result = await migrate(visited.target, name="answers")
    assert result.linting is not None
    assert [str(found) for found in result.linting.errors] == []
    first, second = result.written
    assert "ON DELETE SET NULL NOT VALID" in first.text
    assert "VALIDATE CONSTRAINT fk_notes_answers_id" in second.text
    assert (first.breaks, first.phase, second.phase) == ((), "pre", "pre")
    assert result.deployment is not None


def test_code_is_laid_out_whatever_stands_in_it(tmp_path: Path) -> None:
    statements = [
        "SELECT 'a:b', :c, '\\d'",
        'SELECT "it\'s"',
        "SELECT '''",
        "SELECT 1\n  AS \\x",
        f"SELECT '{LONG}'",
        'x"',
    ]
    code = "\n".join(map(executed, statements))
    file = tmp_path / "laid_out.py"
    file.write_text(f'"""Laid out."""\n\nfrom alembic import op\n\n\ndef upgrade() -> None:\n{laid_out(code, 4)}\n')
    assert ruff("format", "--diff", "--config", ROOT / "pyproject.toml", file) == ""
    assert compile(code, "", "exec").co_consts[:-1] == compile(laid_out(code, 0), "", "exec").co_consts[:-1]


async def test_findings_hold_back_what_was_written_and_what_goes_is_for_after_the_new_code(
    visited: "Shop", house: Callable[[], MetaData]
) -> None:
    visited.metadata = house()
    Table("notes", visited.metadata, Column("id", Integer, primary_key=True))
    result = await migrate(visited.target, name="notes")
    assert result.linting is not None
    assert result.exit_code is orion_db.Exit.FOUND
    assert result.deployment is None
    assert result.written[0].file.exists()
    assert any("not applied" in line for line in result.in_words())
    json.dumps(result.as_json())

    visited.metadata = house()
    (gone,) = (await migrate(visited.target, name="no notes", create_only=True)).written
    assert gone.phase == "post"
    assert "table notes is gone: statements of running code that name it fail" in gone.breaks
    assert "Breaks running code: " in gone.text and 'phase = "post"' in gone.text


async def test_nothing_is_written_on_an_edited_history(visited: "Shop", house: Callable[[], MetaData]) -> None:
    file = visited.folder / "0001_house.py"
    file.write_text(file.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    visited.metadata = with_everything(house())
    with pytest.raises(orion_db.Problem) as raised:
        await migrate(visited.target, name="moods", create_only=True, answers=Answers())
    assert raised.value.code == "edited_migration"
    with pytest.raises(orion_db.Problem, match="cannot be the name"):
        await migrate(visited.target, name="…", answers=Answers())
    assert len(list(visited.folder.glob("*.py"))) == 1


def test_a_person_at_a_terminal_is_asked() -> None:
    """Through a pseudo-terminal: the answer is read from it, and a pipe is not asked."""
    program = (
        "from orion_cli.db.run import Run; from orion_cli.db.authoring import _asking;"
        "from orion_db.authoring.renames import Rename; run = Run('migrate', False);"
        "print(run.can_ask and _asking(run)('shop', Rename('column', 'goods.name', 'goods.title')))"
    )
    main, other = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stdin=other, stdout=subprocess.PIPE, stderr=other) as asked:
        os.write(main, b"y\n")
        assert asked.communicate(timeout=30)[0].strip() == b"True"
    question = os.read(main, 4096).decode()
    assert "the column goods.name is gone and goods.title is new. Renamed, keeping its data?" in question
    os.close(main)
    os.close(other)
    piped = subprocess.run([sys.executable, "-c", program], input=b"y\n", capture_output=True, check=True, timeout=30)
    assert piped.stdout.strip() == b"False"
