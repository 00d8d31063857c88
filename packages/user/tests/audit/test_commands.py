"""`orion audit`: what it says, and how it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_user.audit import proofs
from orion_user.audit.actions import SYSTEM, Change, record
from orion_user.audit.checkpoints import extend
from orion_user.audit_commands import commands

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

KEY = Keyring.new_key("k1")


@pytest.fixture
async def trail(
    database: Database, test_database: TestDatabase, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[None]:
    """Three entries under a checkpoint, and what leads to them."""
    monkeypatch.setenv("USER_DATABASE_URL", test_database.url)
    for name in ("SEALING_KEYS", "EVENT_SEALING_KEYS", "SERVICE_KEY"):
        monkeypatch.delenv(f"USER_{name}", raising=False)
    async with database.transaction() as transaction:
        for n in range(3):
            await record(transaction, SYSTEM, Change("a.b", "x", str(n), new={"n": n}), clock())
    while (await proofs.verify_database(database, clock())).uncovered:
        await extend(database, Keyring.parse(KEY), clock())
    yield
    structlog.reset_defaults()


async def run(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, commands, list(words))


async def said(*words: str) -> dict[str, Any]:
    return json.loads((await run(*words, "--json")).output)


async def test_an_intact_trail_where_it_stands_and_in_a_file(trail: None, tmp_path: Path) -> None:
    result = await run("verify")
    assert result.exit_code == 0, result.output
    assert "3 entries, 1 checkpoints" in result.output
    assert "It is intact." in result.output
    head = await said("head")
    file = tmp_path / "trail.ndjson"
    assert (await run("export", str(file))).exit_code == 0
    assert (await run("export", str(file))).exit_code == 3, "no file is written over"
    result = await run("verify", str(file), "--expect", head["head"], "--key", head["key"])
    assert result.exit_code == 0, result.output


async def test_a_file_is_verified_where_there_is_nothing_else(
    trail: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "trail.ndjson"
    await run("export", str(file))
    monkeypatch.delenv("USER_DATABASE_URL")
    monkeypatch.chdir(tmp_path)
    assert (await run("verify", str(file))).exit_code == 0
    text = file.read_text().replace('"action":"a.b"', '"action":"a.c"', 1)
    file.write_text(text)
    result = await run("verify", str(file))
    assert result.exit_code == 1
    assert "edited: checkpoint 1" in result.output
    assert (await said("verify", str(file)))["intact"] is False
    file.write_text("".join(text.splitlines(keepends=True)[:-1]))
    assert "tail: The file does not end" in (await run("verify", str(file))).output
    assert (await run("verify", str(tmp_path / "none"))).exit_code == 3
    result = await run("verify")
    assert result.exit_code == 3, "no settings"
    assert "USER_DATABASE_URL" in result.output
    assert "SEALING_KEYS" not in result.output, "an auditor is not asked for a key"


async def test_what_was_kept_elsewhere_shows_a_tail_that_was_cut(trail: None) -> None:
    assert (await run("verify", "--expect", f"7:{'ab' * 32}")).exit_code == 1
    assert (await run("verify", "--expect", "7:ab")).exit_code == 3
    assert (await run("verify", "--key", "theirs")).exit_code == 1


async def test_another_key_signs_from_now_on(
    trail: None, database: Database, clock: MovableClock, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await run("rotate-key")
    assert (result.exit_code, "USER_SEALING_KEYS" in result.output) == (3, True)
    monkeypatch.setenv("USER_SEALING_KEYS", KEY)
    result = await run("rotate-key", "--operator", "olga")
    assert result.exit_code == 0, result.output
    while (await proofs.verify_database(database, clock())).uncovered:
        await extend(database, Keyring.parse(KEY), clock())
    findings = await proofs.verify_database(database, clock())
    assert findings.is_intact
    assert len(findings.keys) == 2
    assert findings.keys[1] in result.output
    assert await query("SELECT actor_name FROM audit_logs WHERE action = 'audit.rotate_key'") == [("olga",)]
