"""What only a server set up for it can have: replication slots, prepared transactions, statistics of statements."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from packages.db.tests.patients import Patient
from sqlalchemy import make_url

import orion_db
from orion_core.local.postgres import start
from orion_core.service import installed_services
from orion_db.backups import Vault
from orion_db.doctor.examine import doctor
from orion_db.doctor.outside import Outside

SETTINGS = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_prepared_transactions": "4",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "20",
    "autovacuum_freeze_max_age": "100000",  # the least there is
}


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """A server of its own; URL of its superuser."""
    folder = Path(tempfile.mkdtemp(prefix="orion-test-doctor-"))  # where the server's own account may enter
    first = start(folder / "postgres", durable=False)
    first.stop()
    configure(folder / "postgres")
    second = start(folder / "postgres")  # the settings of durable=False would win over these
    yield second.admin_url
    second.stop("immediate")
    shutil.rmtree(folder, ignore_errors=True)


def configure(folder: Path) -> None:
    """`postgresql.auto.conf`, wherever the data directory is below."""
    (file,) = folder.rglob("postgresql.auto.conf")
    with file.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())


@pytest.fixture
async def patient(server: str) -> Patient:
    return Patient(orion_db.Target(installed_services()["user"], server, server))


async def test_a_slot_that_nobody_reads_keeps_wal(patient: Patient) -> None:
    async with patient.session() as connection:
        await connection.execute("SELECT pg_create_physical_replication_slot('gone', true)")
        for _ in range(5):
            await connection.execute("SELECT pg_logical_emit_message(false, 'a', 'b')")
            await connection.execute("SELECT pg_switch_wal()")
    finding = await patient.find("inactive-slot", "gone")
    assert finding is not None
    assert "nothing limits" in finding.what
    await patient.follow(finding)
    assert await patient.find("inactive-slot", "gone") is None


async def test_a_prepared_transaction_holds_xmin_until_somebody_decides(patient: Patient) -> None:
    async with patient.session() as connection:
        await connection.execute("CREATE TABLE burned (id integer)")
        await connection.execute("BEGIN; INSERT INTO burned VALUES (0); PREPARE TRANSACTION 'it''s forgotten'")
        await connection.execute(
            "DO $$ BEGIN FOR n IN 1..155000 LOOP BEGIN INSERT INTO burned VALUES (n); "
            "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
        )
    later = datetime.now(UTC) + timedelta(minutes=10)
    forgotten = await patient.find("prepared-transaction", "it's forgotten", now=later)
    held = await patient.find("xmin-held", "prepared transaction it's forgotten")
    old = await patient.find("wraparound-database", "postgres")
    assert forgotten is not None
    assert held is not None
    assert old is not None
    assert old.fix == ("VACUUM (FREEZE)",)
    assert forgotten.fix[-1] == held.fix[-1] == "ROLLBACK PREPARED 'it''s forgotten'"
    await patient.follow(held)
    assert await patient.find("prepared-transaction", "it's forgotten", now=later) is None
    assert await patient.find("xmin-held", "prepared transaction it's forgotten") is None
    await patient.follow(old)
    assert await patient.find("wraparound-database", "postgres") is None


async def test_statements_are_asked_where_they_are_counted(
    patient: Patient, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = await patient.find("statements-unknown", "pg_stat_statements")
    assert unknown is not None
    await patient.follow(unknown)
    assert await patient.find("statements-unknown", "pg_stat_statements") is None
    async with patient.session() as connection:
        await connection.execute("CREATE DATABASE elsewhere")
    url = make_url(server).set(database="elsewhere").render_as_string(hide_password=False)
    elsewhere = Patient(orion_db.Target(installed_services()["user"], url, url))
    assert await elsewhere.find("statements-unknown", "pg_stat_statements") is None, "postgres tells of all databases"
    async with patient.session() as connection:
        for _ in range(101):
            await connection.execute("SELECT 1 AS often")
    for limit in ("SLOW_MS", "LEAST_TOTAL_MS", "DEAR_SHARE"):
        monkeypatch.setattr(f"orion_db.doctor.checks.statements.{limit}", 0)
    result = await doctor(patient.target, only=["slow-statement", "dear-statement"], record=False)
    assert not result.not_seen
    found = {finding.check for finding in result.findings if finding.what.endswith("SELECT $1 AS often")}
    assert found == {"slow-statement", "dear-statement"}


async def test_what_the_server_did_is_counted(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole reads, spills, checkpoints and the cache: little of each, against limits that are lower for the test."""
    for limit, value in {
        "indexes.BIG_TABLE_BYTES": 1 << 20,
        "traffic.SPILLED_A_DAY": 1 << 20,
        "traffic.LEAST_BLOCKS": 1,
        "traffic.GOOD_HITS": 2.0,
    }.items():
        monkeypatch.setattr(f"orion_db.doctor.checks.{limit}", value)
    async with patient.session() as connection:
        await connection.execute("SELECT pg_stat_reset(), pg_stat_reset_shared('checkpointer')")
        await connection.execute(
            "CREATE TABLE whole AS SELECT n, lpad(n::text, 100, 'x') FROM generate_series(1, 20000) n"
        )
        await connection.execute("DO $$ BEGIN FOR n IN 1..100 LOOP PERFORM count(*) FROM whole; END LOOP; END $$")
        await connection.execute("SET work_mem = '64kB'")
        await connection.execute("SELECT count(*) FROM (SELECT FROM whole ORDER BY lpad DESC OFFSET 1) AS sorted")
        for _ in range(20):
            await connection.execute("CHECKPOINT")
        await connection.execute("SELECT pg_stat_force_next_flush()")
    later = datetime.now(UTC) + timedelta(hours=2)
    for check, about in (("missing-index", "whole"), ("temporary-files", "postgres"), ("cache-hits", "tables")):
        assert await patient.find(check, about, now=later) is not None, check
    assert await patient.find("checkpoints", "max_wal_size") is not None


async def test_connections_that_run_out_are_told_before_the_last(patient: Patient) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(15):
            await stack.enter_async_context(patient.session())
        finding = await patient.find("connections", "max_connections")
    assert finding is not None
    assert " of 17 connections are taken" in finding.what


async def test_a_database_that_nobody_has_backed_up(patient: Patient, tmp_path: Path) -> None:
    result = await doctor(patient.target, only=["backup"], record=False, outside=Outside(Vault(tmp_path)))
    (finding,) = result.findings
    assert finding.fix == ("-- orion db backup user",)


async def test_bloat_is_measured_where_that_can_be_done(patient: Patient) -> None:
    async with patient.session() as connection:
        await connection.execute("CREATE EXTENSION pgstattuple")
        await connection.execute("CREATE TABLE loose (id int PRIMARY KEY, words text) WITH (autovacuum_enabled = off)")
        await connection.execute("INSERT INTO loose SELECT n, lpad(n::text, 150, 'x') FROM generate_series(1, 60000) n")
        await connection.execute("CREATE INDEX loose_words ON loose (words)")
        await connection.execute("DELETE FROM loose WHERE id % 20 <> 0")
        await connection.execute("VACUUM (ANALYZE) loose")
    for check, about in (("index-bloat", "loose_words"), ("table-bloat", "loose")):
        finding = await patient.find(check, about)
        assert finding is not None
        assert "measured" in finding.what
        await patient.follow(finding)
        assert await patient.find(check, about) is None


async def test_a_collation_that_the_system_has_changed(patient: Patient) -> None:
    async with patient.session() as connection:
        try:
            await connection.execute("CREATE COLLATION sick (provider = icu, locale = 'de-DE')")
        except asyncpg.PostgresError:
            pytest.skip("This build of PostgreSQL has no ICU.")
        await connection.execute("CREATE TABLE sorted (words text COLLATE sick PRIMARY KEY)")
        await connection.execute("UPDATE pg_collation SET collversion = '0.1' WHERE collname = 'sick'")
    finding = await patient.find("collation-version", "collation sick")
    assert finding is not None
    await patient.follow(finding)
    assert await patient.find("collation-version", "collation sick") is None
