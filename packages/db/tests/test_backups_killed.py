"""What is left of a backup that was killed is never taken for one, and is swept away when nobody works on it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_db.backups import Vault, backup, latest
from orion_db.backups.files import sweep
from orion_db.backups.programs import connection_arguments, find_program

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

PG_DUMP = """#!/bin/sh
[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.1" && exit
tr '\\0' '\\n' < /proc/$$/cmdline > {folder}/arguments
echo "$PGPASSWORD" > {folder}/password
for word in "$@"; do case $word in --file=*) mkdir "${{word#--file=}}" ;; esac; done
echo $$ > {folder}/pid
{then}
"""

TAKE = """
import asyncio, sys
from pathlib import Path
from orion_core.service import Service
from orion_db.backups import Vault, backup
from orion_db.targets import Target
from sqlalchemy import MetaData
service = Service("shop", "Shop", "orion_shop", "SHOP_DATABASE_URL", 1, MetaData(), Path("."), None, Path("."), "", "")
asyncio.run(backup(Target(service, sys.argv[1], sys.argv[1]), Vault(Path(sys.argv[2]), None, Path(sys.argv[3]))))
"""


def pretender(folder: Path, then: str) -> Path:
    """A pg_dump that notes how it was called."""
    folder.mkdir()
    (folder / "pg_dump").write_text(PG_DUMP.format(folder=folder, then=then))
    (folder / "pg_dump").chmod(0o755)
    return folder


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return path.read_text()
        time.sleep(0.02)
    raise TimeoutError(path)


def start_and_kill(words: list[str], pid_file: Path) -> int:
    """Kill what takes a backup, as soon as its pg_dump runs; the pid of that."""
    with subprocess.Popen(words) as process:
        orphan = int(wait_for(pid_file))
        process.send_signal(signal.SIGKILL)
    return orphan


async def test_a_killed_backup_is_no_backup(shop: "Shop", tmp_path: Path) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    programs, vault = pretender(tmp_path / "bin", "exec sleep 60"), Vault(tmp_path / "backups")
    words = [sys.executable, "-c", TAKE, shop.url(), str(vault.folder), str(programs)]
    orphan = start_and_kill(words, programs / "pid")
    left = list(vault.of(shop.database).glob(".partial-*"))
    assert (len(left), latest(shop.target, vault)) == (1, None)
    assert sweep(vault.of(shop.database)) == []  # pg_dump still writes into it
    os.kill(orphan, signal.SIGKILL)
    taken = None
    deadline = time.monotonic() + 10
    while left[0].exists() and time.monotonic() < deadline:
        taken = await backup(shop.target, vault)  # the next one sweeps
    assert taken is not None
    assert not left[0].exists()
    assert latest(shop.target, vault) is not None


async def test_a_backup_that_fails_says_why_and_leaves_nothing(shop: "Shop", tmp_path: Path) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    programs = pretender(tmp_path / "bin", "echo 'pg_dump: error: the disk is full' >&2; exit 1")
    vault = Vault(tmp_path / "backups", None, programs)
    with pytest.raises(orion_db.Problem) as raised:
        await backup(shop.target, vault)
    assert raised.value.code == "backup_failed"
    assert "the disk is full" in raised.value.why
    assert list(vault.of(shop.database).iterdir()) == []
    password = (programs / "password").read_text().strip()
    assert password in shop.admin_url
    assert password not in (programs / "arguments").read_text()


@pytest.mark.parametrize(
    ("url", "argument", "password"),
    [
        ("postgresql://me:p%40ss@db:5433/shop", "postgresql://me@db:5433/copy%2F1", "p@ss"),
        (
            "postgres://me:x@[::1]/shop?schema=public&sslmode=require",
            "postgresql://me@[::1]/copy%2F1?sslmode=require",
            "x",
        ),
        ("postgresql+asyncpg://me@/shop?host=/run/pg", "postgresql://me@/copy%2F1?host=%2Frun%2Fpg", None),
        ("postgresql://a:b@one:1,two:2/shop?password=c", "postgresql://a@one:1,two:2/copy%2F1", "b"),
    ],
)
async def test_programs_get_the_url_without_its_password(
    url: str, argument: str, password: str | None, shop: "Shop"
) -> None:
    where, environment = connection_arguments(replace(shop.target, owner_url=url), "copy/1")
    assert (where, environment.get("PGPASSWORD")) == (argument, password)


async def test_a_folder_that_cannot_be_written_to_is_a_problem(shop: "Shop", tmp_path: Path) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(orion_db.Problem) as raised:
        await backup(shop.target, Vault(tmp_path / "file"))
    assert raised.value.code == "folder_unusable"


def test_a_pg_dump_that_is_too_old_is_refused(tmp_path: Path) -> None:
    programs = pretender(tmp_path / "bin", "")
    assert find_program("pg_dump", 18, "shop", programs).major == 99
    with pytest.raises(orion_db.Problem) as raised:
        find_program("pg_dump", 100, "shop", programs)
    assert raised.value.code == "program_missing"
    assert "postgresql-client-100" in raised.value.todo
