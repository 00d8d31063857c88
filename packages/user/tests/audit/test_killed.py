"""SIGKILL in the midst of changes: each that was committed has its entry, none that was not has one; all is proved."""

import asyncio
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import structlog
from typer.testing import CliRunner

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_core.testing import TestDatabase
from orion_user.audit import proofs
from orion_user.audit.checkpoints import extend
from orion_user.audit_commands import commands

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

ROOT = Path(__file__).resolve().parents[4]
KILLS, USERS = 3, 8
KEYS = Keyring.new_key("k1")
GONE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orion user' AND datname = current_database()"


async def killed_while_changing(url: str, users: dict[UUID, int], chance: random.Random) -> list[list[str]]:
    """What a process acknowledged before it was killed, at some moment."""
    named = [f"{user_id}={number}" for user_id, number in users.items()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "packages.user.tests.audit.changing", url, KEYS, *named),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode().split() for _ in range(chance.randrange(30, 80))]
    await asyncio.sleep(chance.uniform(0, 0.05))
    process.kill()
    lines += [line.decode().split() for line in (await process.stdout.read()).splitlines()]
    await process.wait()
    assert [] not in lines, "it ended by itself"
    return [line for line in lines if line[0] in {"user", "role"}]


async def until_rolled_back(query: "Query") -> None:
    """Until PostgreSQL has noticed that the process is gone, and what it had not committed is undone."""
    for _ in range(200):
        if await query(GONE) == [(0,)]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("connections of the killed process are still there")


@pytest.mark.slow
async def test_every_committed_change_has_its_entry_and_no_other(
    auth: "AuthFeed", test_database: TestDatabase, database: Database, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    users = {await auth.register(f"{n}@example.com"): 1 for n in range(USERS)}
    changed: dict[UUID, set[int]] = defaultdict(set)
    roles: set[str] = set()
    heads: list[str] = []
    for _ in range(KILLS):
        for line in await killed_while_changing(test_database.url, users, chance):
            if line[0] == "role":
                roles.add(line[1])
            else:
                changed[UUID(line[1])].add(int(line[2]))
        await until_rolled_back(query)
        for user_id, bio in await query("SELECT id, coalesce(bio, '0') FROM users"):
            users[user_id] = int(bio) + 1
        found = await proofs.verify_database(database, system_clock(), expected=[proofs.parse_head(h) for h in heads])
        assert found.is_intact, found.faults
        heads += [found.head] if found.head else []
    assert len(changed) == USERS, "nothing was tried"

    for user_id, next_number in users.items():
        entries = await query(
            "SELECT old_values->>'bio', new_values->>'bio' FROM audit_logs"
            " WHERE user_id = :id AND action = 'user.update' ORDER BY transaction_id",
            id=user_id,
        )
        numbers = [int(new) for _, new in entries]
        assert numbers == list(range(1, next_number)), "an entry is missing, or there is one of no change"
        assert [int(old or 0) for old, _ in entries] == [number - 1 for number in numbers]
        assert changed[user_id] <= set(numbers), "an acknowledged change is lost"
        assert len(numbers) - len(changed[user_id]) <= KILLS, "one for each kill may have been committed unheard"

    made = {name for (name,) in await query("SELECT name FROM roles WHERE type = 'CUSTOM'")}
    told = [name for (name,) in await query("SELECT new_values->>'name' FROM audit_logs WHERE action = 'role.create'")]
    assert sorted(told) == sorted(made)
    assert roles <= made
    await verified_by_command(test_database.url, database, heads, monkeypatch)


async def verified_by_command(url: str, database: Database, heads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`orion audit verify` finds nothing, and every head that was kept after a kill."""
    while await extend(database, Keyring.parse(KEYS), system_clock()):
        pass
    for name, value in {
        "DATABASE_URL": url,
        "SEALING_KEYS": KEYS,
        "EVENT_SEALING_KEYS": KEYS,
        "SERVICE_KEY": "key",
    }.items():
        monkeypatch.setenv(f"USER_{name}", value)
    words: list[Any] = ["verify", *(word for head in heads for word in ("--expect", head))]
    result = await asyncio.to_thread(CliRunner().invoke, commands, words)
    structlog.reset_defaults()
    assert result.exit_code == 0, result.output
    assert "It is intact." in result.output
