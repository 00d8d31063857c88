"""Backups: whole or not there, proved by restoring them, and damage of any kind is found."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from pydantic import TypeAdapter

import orion_db
from orion_core.sealing import Keyring
from orion_db.backups import Backup, Vault, backup, fresh, latest, read_backups, require_restorable, restore, verify
from orion_db.backups.files import in_use
from orion_db.backups.manifest import File, write_manifest
from orion_db.backups.prune import list_backups, prune_backups
from orion_db.backups.rules import Retention
from orion_db.backups.vault import Verification, check, find, read_vault
from orion_db.backups.verify import Verified

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

THIRD = '''
"""Things."""
from alembic import op

phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TABLE things (id integer CONSTRAINT pk_things PRIMARY KEY)")


def downgrade() -> None:
    op.execute("DROP TABLE things")
'''


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "backups")


@pytest.fixture
async def filled(shop: "Shop", monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator["Shop"]:
    """The shop with five hundred rows, in production; what is restored for it is told from other tests' by its name."""
    monkeypatch.setattr(fresh, "PREFIX", f"{shop.database}_restore_")
    await orion_db.initialize(shop.target)
    await shop.run("INSERT INTO goods SELECT i, 'good ' || i, 'RED' FROM generate_series(10, 500) AS i")
    await shop.run(f"COMMENT ON DATABASE {shop.database} IS 'The shop''s; orion.environment = ''production'''")
    yield shop
    for name in await databases(shop):
        await shop.run(f'DROP DATABASE "{name}" WITH (FORCE)', shop.admin_url)


async def databases(shop: "Shop") -> list[str]:
    """What lies beside the shop's database because of it."""
    pattern = shop.database.replace("_", "\\_") + "\\_%"
    rows = await shop.run(f"SELECT datname FROM pg_database WHERE datname LIKE '{pattern}'", shop.admin_url)
    return [row[0] for row in rows]


SURROUNDINGS = """
SELECT datconnlimit, shobj_description(oid, 'pg_database'), datacl::text[],
  array(SELECT setrole::regrole::text || ' ' || setting FROM pg_db_role_setting, unnest(setconfig) AS setting
    WHERE setdatabase = pg_database.oid ORDER BY 1)
FROM pg_database WHERE datname = '{}'
"""


async def test_a_restored_database_has_every_row_and_all_that_no_dump_carries(filled: "Shop", vault: Vault) -> None:
    for change in ("CONNECTION LIMIT 50", "SET work_mem = '7MB'", 'SET search_path = public, "$user"'):
        await filled.run(f"ALTER DATABASE {filled.database} {change}")
    await filled.run(f"ALTER ROLE orion_shop_service IN DATABASE {filled.database} SET timezone = 'Europe/Berlin'")
    await filled.run(f"GRANT TEMPORARY ON DATABASE {filled.database} TO orion_shop_service")
    taken = await backup(filled.target, vault, jobs=2)
    assert (taken.rows, taken.encrypted) == (493 + 2, False)
    copy = f"{filled.database}_copy"
    done = await restore(filled.target, vault, into=copy)
    assert (done.database, done.replaced, done.pending, done.left_out) == (copy, None, (), ())
    rows = "SELECT * FROM goods ORDER BY id"
    assert await filled.run(rows) == await filled.run(rows, filled.url(database=copy))
    first, second = [
        [tuple(row) for row in await filled.run(SURROUNDINGS.format(name))] for name in (filled.database, copy)
    ]
    assert first == second
    assert await databases(filled) == [copy]
    known = "SELECT DISTINCT tablename FROM pg_stats WHERE tablename = 'goods'"
    assert len(await filled.run(known, filled.url(database=copy))) == 1, "it is analyzed"


async def test_verification_proves_and_is_kept(filled: "Shop", vault: Vault) -> None:
    now = datetime.now(UTC)
    with pytest.raises(orion_db.Problem) as raised:
        await require_restorable(filled.target, vault, now, timedelta(days=1))
    assert raised.value.code == "no_restorable_backup"
    taken = await backup(filled.target, vault)
    with pytest.raises(orion_db.Problem, match="never verified"):
        await require_restorable(filled.target, vault, now, timedelta(days=1))
    verified = await verify(filled.target, vault)
    assert json.dumps([taken.as_json(), verified.as_json()])
    assert "restorable: 495 rows" in verified.in_words()[0]
    found = only(verified)
    assert (found.ok, found.drift, found.amcheck, found.rows) == (True, (), "", taken.rows)
    assert found.indexes_checked >= 3
    assert found.tables_read >= 1
    proved = await require_restorable(filled.target, vault, now, timedelta(days=1))
    assert proved.name == taken.name
    for later in (timedelta(days=2), timedelta(days=-2)):  # or a clock that went back
        with pytest.raises(orion_db.Problem, match="is older"):
            await require_restorable(filled.target, vault, now + later, timedelta(days=1))
    next(taken.path.glob("dump/*.dat*")).unlink()
    with pytest.raises(orion_db.Problem, match="lacks files"):
        await require_restorable(filled.target, vault, now, timedelta(days=1))
    assert await databases(filled) == []


async def test_a_deploy_that_asks_for_a_backup_applies_nothing_before_one_is_proved(
    filled: "Shop", vault: Vault
) -> None:
    filled.write("0003_third", THIRD)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.deploy(filled.target, backups=vault)
    assert raised.value.code == "no_restorable_backup"
    assert (await orion_db.status(filled.target, drift=False)).pending == ("0003_third",)
    await backup(filled.target, vault)
    await verify(filled.target, vault)
    done = await orion_db.deploy(filled.target, backups=vault)
    assert [name for name, _ in done.applied] == ["0003_third"]
    assert (await orion_db.deploy(filled.target, backups=Vault(vault.folder / "empty"))).applied == ()


async def test_drift_is_told_and_makes_no_backup_useless(filled: "Shop", vault: Vault) -> None:
    await filled.run("CREATE INDEX by_hand ON goods (name)")
    await backup(filled.target, vault)
    found = await verify(filled.target, vault)
    assert found.exit_code == orion_db.Exit.DRIFTED
    assert "by_hand" in str(only(found).drift)


async def test_any_changed_byte_is_found_and_the_file_is_named(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    whole = found_one(filled, vault)
    for path in sorted(path for path in whole.path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert path.name in await why_not(filled, vault)
        path.write_bytes(content[:-1])
        assert path.name in await why_not(filled, vault)
        path.unlink()
        assert path.name in await why_not(filled, vault)
        path.write_bytes(content)
    (whole.dump / "9999.dat.gz").write_bytes(b"")
    assert "9999.dat.gz does not belong" in await why_not(filled, vault)
    (whole.dump / "9999.dat.gz").unlink()
    assert (await verify(filled.target, vault)).exit_code == orion_db.Exit.OK


def found_one(shop: "Shop", vault: Vault) -> Backup:
    found = latest(shop.target, vault)
    assert found is not None
    return found


def only(verified: Verified) -> Verification:
    """What came of the one backup."""
    (found,) = verified.backups.values()
    return found


async def why_not(shop: "Shop", vault: Vault) -> str:
    """Why the backup is no good: by `verify`, and `restore` refuses it as well."""
    found = await verify(shop.target, vault)
    assert found.exit_code == orion_db.Exit.FOUND
    with pytest.raises(orion_db.Problem) as raised:
        await restore(shop.target, vault, into=f"{shop.database}_never")
    assert raised.value.code == "backup_damaged"
    return only(found).why_not


async def test_rows_written_meanwhile_are_wholly_in_it_or_not_at_all(filled: "Shop", vault: Vault) -> None:
    stop = asyncio.Event()

    async def write(first: int) -> None:
        connection = await asyncpg.connect(filled.url())
        number = first
        while not stop.is_set():
            async with connection.transaction():
                await connection.execute("INSERT INTO goods VALUES ($1, 'x')", number)
                await connection.execute("INSERT INTO prices VALUES ($1)", number)
            number += 1
        await connection.close()

    writers = [asyncio.create_task(write(first)) for first in (1_000_000, 2_000_000)]
    await asyncio.sleep(0.2)
    await backup(filled.target, vault, jobs=2)
    stop.set()
    await asyncio.gather(*writers)
    counted = {table.name: table.rows for table in found_one(filled, vault).described().tables}
    assert counted["public.goods"] - counted["public.prices"] == 493
    assert counted["public.prices"] < (await filled.run("SELECT count(*) FROM prices"))[0][0]
    assert only(await verify(filled.target, vault)).ok


async def test_a_restore_takes_the_place_of_a_database_in_use(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    await filled.run("DELETE FROM goods")
    stop, answers = asyncio.Event(), list[int]()

    async def use() -> None:
        while not stop.is_set():
            try:
                connection = await asyncpg.connect(filled.url())
                while not stop.is_set():
                    answers.append(await connection.fetchval("SELECT count(*) FROM goods"))
            except Exception:  # whatever the driver says when its session is ended
                await asyncio.sleep(0.01)

    clients = [asyncio.create_task(use()) for _ in range(4)]
    with pytest.raises(orion_db.Problem) as raised:
        await restore(filled.target, vault, replace=True)
    assert raised.value.code == "not_confirmed"
    done = await restore(filled.target, vault, replace=True, confirmation=filled.database)
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*clients)
    assert set(answers) == {0, 493}
    assert answers[-1] == 493
    assert done.replaced in await databases(filled)
    assert await filled.run("SELECT * FROM goods", filled.url(database=str(done.replaced))) == []


async def test_a_restore_that_fails_leaves_everything_as_it_was(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    whole = found_one(filled, vault)
    manifest = whole.described()
    tables = tuple(replace(table, hash="1") if table.rows > 400 else table for table in manifest.tables)
    (whole.path / "manifest.json").write_bytes(write_manifest(replace(manifest, tables=tables), None))
    with pytest.raises(orion_db.Problem) as raised:
        await restore(filled.target, vault, replace=True, confirmation=filled.database)
    assert raised.value.code == "restored_differs"
    assert "public.goods" in raised.value.why
    assert await databases(filled) == []
    assert (await filled.run("SELECT count(*) FROM goods"))[0][0] == 493


async def test_what_a_killed_restore_has_left_is_dropped_unless_it_is_in_use(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    names = [f"{fresh.PREFIX}shop_{number}_left" for number in (1000, 2000)]
    for name in names:
        await filled.run(f"CREATE DATABASE {name} OWNER orion_shop_owner", filled.admin_url)
    busy = await asyncpg.connect(filled.url(database=names[1]))
    await restore(filled.target, vault, into=f"{filled.database}_copy")
    assert sorted(await databases(filled)) == sorted([names[1], f"{filled.database}_copy"])
    await busy.close()


async def test_data_is_overwritten_only_when_it_is_said(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    with pytest.raises(orion_db.Problem) as raised:
        await restore(filled.target, vault)
    assert raised.value.code == "database_not_empty"
    with pytest.raises(orion_db.Problem) as raised:
        await restore(filled.target, vault, into="postgres", replace=True)
    assert raised.value.code == "database_of_another"
    told = await restore(filled.target, vault, replace=True, confirmation=filled.database, dry_run=True)
    assert told.dry_run
    assert await databases(filled) == []


async def test_a_dry_run_writes_nothing(filled: "Shop", vault: Vault) -> None:
    told = await backup(filled.target, vault, dry_run=True)
    assert (told.tables >= 3, told.path.exists(), vault.folder.exists()) == (True, False, False)
    assert "pg_dump" in told.pg_dump


async def test_encrypted_backups_want_their_key(filled: "Shop", vault: Vault) -> None:
    keys = Keyring.parse(Keyring.new_key("2026a"))
    sealed = replace(vault, keys=keys)
    taken = await backup(filled.target, sealed)
    assert not any(b"good 1" in path.read_bytes() or b"PGDMP" in path.read_bytes() for path in taken.path.rglob("*.*"))
    assert only(await verify(filled.target, sealed)).ok
    assert found_one(filled, sealed).verified
    kept = taken.path / "verified.json"
    signed = kept.read_bytes()
    for forged in (signed.replace(b'"hmac": "', b'"hmac": "00'), signed.replace(b'"drift": []', b'"drift": null')):
        kept.write_bytes(forged)
        assert forged != signed
        assert not found_one(filled, sealed).verified
    rotated = Keyring(Keyring.parse(Keyring.new_key("2026b")).keys | keys.keys)
    assert only(await verify(filled.target, replace(vault, keys=rotated))).ok
    for ring, code in (
        (None, "backup_key_missing"),
        (Keyring.parse(Keyring.new_key("2026b")), "backup_key_unknown"),
        (Keyring.parse(Keyring.new_key("2026a")), "backup_key_wrong"),
    ):
        with pytest.raises(orion_db.Problem) as raised:
            await verify(filled.target, replace(vault, keys=ring))
        assert raised.value.code == code
    manifest = find(filled.target, sealed).described()
    (taken.path / "manifest.json").write_bytes(write_manifest(replace(manifest, key_id=None), None))
    with pytest.raises(orion_db.Problem) as raised:
        await restore(filled.target, sealed, into=f"{filled.database}_never")
    assert raised.value.code == "backup_not_signed"


async def test_backups_of_one_database_are_told_apart(filled: "Shop", vault: Vault) -> None:
    names = [(await backup(filled.target, vault)).name for _ in range(2)]
    assert [found.name for found in read_backups(vault, filled.database)] == names
    assert find(filled.target, vault, names[0]).name == names[0]
    for wrong in ("2", "nothing"):
        with pytest.raises(orion_db.Problem) as raised:
            find(filled.target, vault, wrong)
        assert raised.value.code == "unknown_backup"


async def test_pruning_spares_what_is_read_and_what_it_cannot_read(filled: "Shop", vault: Vault) -> None:
    await backup(filled.target, vault)
    newest = found_one(filled, vault)
    for day in range(1, 6):
        forged = newest.path.with_name(f"2025010{day}T000000Z-{day}")
        shutil.copytree(newest.path, forged)
        manifest = replace(newest.described(), name=forged.name, started_at=datetime(2025, 1, day, tzinfo=UTC))
        (forged / "manifest.json").write_bytes(write_manifest(manifest, None))
    names = [found.name for found in read_backups(vault, filled.database)]
    (vault.of(filled.database) / names[0] / "manifest.json").write_text("{}")
    retention = Retention(last=1, daily=2, weekly=0, monthly=0)
    told = prune_backups(filled.target, vault, retention, dry_run=True)
    assert told.deleted == tuple(names[1:4])
    assert len(read_backups(vault, filled.database)) == 6
    with in_use(vault.of(filled.database) / names[1]):
        done = prune_backups(filled.target, vault, retention)
    assert (done.deleted, done.in_use) == (tuple(names[2:4]), (names[1],))
    assert [found.name for found in read_backups(vault, filled.database)] == [*names[:2], *names[4:]]
    assert "damaged" in done.kept[names[0]]
    assert "damaged" in list_backups(filled.target, vault).backups[-1].state


async def test_a_backup_that_is_pruned_in_this_moment_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(orion_db.Problem, match="is gone"), in_use(tmp_path / "20250101T000000Z-1"):
        pass


@pytest.mark.parametrize("name", ["../manifest.json", "/etc/passwd", "a/../../b", ""])
def test_no_file_of_a_manifest_lies_outside(name: str) -> None:
    with pytest.raises(ValueError, match="leads out of the backup"):
        TypeAdapter(File).validate_python({"name": name, "size": 0, "sha256": ""})


async def test_what_the_owner_of_a_database_planted_does_not_run_as_the_superuser_who_verifies_it(
    filled: "Shop", vault: Vault
) -> None:
    """Of two functions of a name PostgreSQL takes the one whose arguments fit, not the one that comes first."""
    await filled.run(
        "CREATE FUNCTION bt_index_check(oid, boolean) RETURNS void LANGUAGE plpgsql AS "
        "$$BEGIN RAISE data_corrupted USING MESSAGE = 'I ran'; END$$"
    )
    await filled.run(f"ALTER FUNCTION bt_index_check(oid, boolean) OWNER TO {filled.target.service.owner_role}")
    await backup(filled.target, vault)
    assert only(await verify(filled.target, vault)).why_not == ""


def test_keys_that_cannot_be_read_stop_everything(tmp_path: Path) -> None:
    for environment in ({"ORION_BACKUP_KEYS": "short"}, {"ORION_BACKUP_KEYS_FILE": str(tmp_path / "none")}):
        with pytest.raises(orion_db.Problem) as raised:
            read_vault(environment, tmp_path)
        assert raised.value.code == "backup_keys_unreadable"
    (tmp_path / "keys").write_text(Keyring.example() + "\n")
    read = read_vault({"ORION_BACKUP_KEYS_FILE": str(tmp_path / "keys")}, tmp_path)
    assert read.keys is not None
    assert read.folder == tmp_path / ".orion" / "backups"


@pytest.mark.slow
async def test_a_million_rows_come_back_and_one_flipped_bit_is_found(filled: "Shop", vault: Vault) -> None:
    await filled.run("INSERT INTO goods SELECT i, md5(i::text), 'GREEN' FROM generate_series(1000, 1000999) AS i")
    sealed = replace(vault, keys=Keyring.parse(Keyring.new_key("2026a")))
    shares: list[float] = []
    await backup(filled.target, sealed, progress=lambda step: shares.append(step.share or 0))
    assert any(0 < share < 1 for share in shares)
    whole = found_one(filled, sealed)
    found = only(await verify(filled.target, sealed))
    assert (found.ok, found.rows) == (True, 1_000_495)
    largest = max(whole.dump.iterdir(), key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(largest.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 4]))
    with pytest.raises(orion_db.Problem, match=f"{largest.name} was changed"):
        check(filled.target, sealed, whole)
