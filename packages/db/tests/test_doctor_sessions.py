"""What sessions do to each other, and what is in the tables of the house: found, named, and cured as it is printed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from packages.db.tests.patients import Patient, patient_in

import orion_db
from orion_core.testing.databases import Databases
from orion_db.maintain.fix import fix


@pytest.fixture(scope="module")
async def patient(databases: Databases) -> AsyncGenerator[Patient]:
    async with databases.clone("user") as database:
        yield patient_in(database)


async def test_a_sleeping_transaction_is_named_and_ended(patient: Patient) -> None:
    async with patient.session() as sleeper:
        pid = sleeper.get_server_pid()
        await sleeper.execute("SET application_name = 'forgetful'; BEGIN; SELECT 1")
        finding = await patient.find("idle-in-transaction", f"pid {pid}", now=datetime.now(UTC) + timedelta(minutes=5))
        assert finding is not None
        assert "forgetful" in finding.what
        assert not finding.safe  # nobody's session is ended without being asked
        await patient.follow(finding)
        await asyncio.sleep(0.1)
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert await patient.find("idle-in-transaction", f"pid {pid}", now=later) is None


async def test_a_long_statement_is_named_and_cancelled(patient: Patient) -> None:
    later = datetime.now(UTC) + timedelta(minutes=10)
    async with patient.session() as busy:
        running = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0.2)
        finding = await patient.find("long-transaction", f"pid {busy.get_server_pid()}", now=later)
        assert finding is not None
        await patient.follow(finding)
        with pytest.raises(asyncpg.QueryCanceledError):
            await running
        assert await patient.find("long-transaction", f"pid {busy.get_server_pid()}", now=later) is None


async def test_a_queue_of_locks_is_told_from_its_head(patient: Patient) -> None:
    await patient.run("CREATE TABLE sick_queue (id integer PRIMARY KEY)")
    async with AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(patient.session()) for _ in range(3)]
        await first.execute("BEGIN; LOCK TABLE sick_queue IN ACCESS SHARE MODE")
        waiting = [asyncio.create_task(second.execute("BEGIN; LOCK TABLE sick_queue IN ACCESS EXCLUSIVE MODE"))]
        await sessions_wait(patient, 1)
        waiting.append(asyncio.create_task(third.execute("SELECT FROM sick_queue")))
        await sessions_wait(patient, 2)
        head, later = f"pid {first.get_server_pid()}", datetime.now(UTC) + timedelta(minutes=1)
        finding = await patient.find("lock-waits", head, now=later)
        assert finding is not None
        assert finding.numbers["waiting"] == 2
        assert f"{third.get_server_pid()} behind {second.get_server_pid()}" in finding.what
        await patient.follow(finding)
        await asyncio.wait_for(waiting[0], 5)
        await second.execute("COMMIT")
        await asyncio.wait_for(waiting[1], 5)
        assert await patient.find("lock-waits", head, now=later) is None
    await patient.run("DROP TABLE sick_queue")


async def sessions_wait(patient: Patient, count: int) -> None:
    for _ in range(100):
        rows = await patient.run("SELECT FROM pg_locks WHERE NOT granted AND relation = 'sick_queue'::regclass")
        if len(rows) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not {count} sessions wait")


async def test_who_holds_xmin_is_named_and_old_tables_are_frozen(patient: Patient) -> None:
    # Autovacuum would analyse the table in a transaction of its own, which is an old one by the time we freeze.
    settings = "autovacuum_enabled = false, autovacuum_freeze_max_age = 100000"
    await patient.run(f"CREATE TABLE sick_old (id integer PRIMARY KEY) WITH ({settings})")
    async with patient.session() as holder:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        await patient.run(
            "DO $$ BEGIN FOR n IN 1..155000 LOOP BEGIN INSERT INTO sick_old VALUES (n); "
            "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
        )
        held = await patient.find("xmin-held", f"session {holder.get_server_pid()}")
        assert held is not None
        assert "155" in held.what
        await patient.follow(held)
        await asyncio.sleep(0.1)
        assert await patient.find("xmin-held", f"session {holder.get_server_pid()}") is None
    old = await patient.find("wraparound-table", "sick_old")
    assert old is not None
    (treatment,) = [
        treatment
        for treatment in (await fix(patient.target, only=["wraparound-table"])).treatments
        if treatment.object == "sick_old"
    ]
    assert treatment.cured
    await patient.run("DROP TABLE sick_old")


async def test_events_that_nobody_numbers_and_rows_beyond_their_time(patient: Patient) -> None:
    await patient.run("INSERT INTO outbox (type, subject, data, occurred_at) VALUES ('a', 'b', '{}', now())")
    assert await patient.find("outbox-backlog", "outbox") is None
    assert await patient.find("outbox-backlog", "outbox", now=datetime.now(UTC) + timedelta(hours=1)) is not None
    await patient.run(
        "INSERT INTO idempotency_keys (key_hash, fingerprint, response_status, response_body, expires_at) "
        "VALUES (sha256('a'), sha256('b'), 200, '', now() - interval '90 days')"
    )
    finding = await patient.find("retention-debt", "idempotency_keys")
    assert finding is not None
    assert finding.numbers == {"rows": 1}


async def test_a_service_that_signs_in_as_a_superuser(patient: Patient) -> None:
    await patient.run("CREATE ROLE sick_login LOGIN SUPERUSER CREATEROLE IN ROLE orion_user_service", as_owner=False)
    try:
        target = orion_db.Target(patient.target.service, "postgresql://sick_login@host/x", patient.target.owner_url)
        sick = Patient(target)
        finding = await sick.find("login-rights", "sick_login")
        assert finding is not None
        await patient.follow(finding)
        assert await sick.find("login-rights", "sick_login") is None
    finally:
        await patient.run("DROP ROLE sick_login", as_owner=False)
