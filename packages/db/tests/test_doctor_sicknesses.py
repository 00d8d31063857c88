"""Sicknesses planted one at a time: the doctor finds each, its fix cures it, and a healthy database stays no drift."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

import orion_db
from orion_core.service import installed_services
from orion_core.testing.databases import Databases
from orion_db.doctor.examine import doctor
from orion_db.doctor.finding import Finding
from orion_db.doctor.report import Treatment
from orion_db.errors import Exit
from orion_db.maintain.fix import fix


@dataclass
class Patient:
    """A migrated database of the service user, which all tests of this file share: each plants tables of its own."""

    target: orion_db.Target

    async def run(self, *statements: str, as_owner: bool = True) -> list[asyncpg.Record]:
        """Statements one by one, by default as the owner role; rows of the last one."""
        async with self.session() as connection:
            if as_owner:
                await connection.execute(f"SET ROLE {self.target.service.owner_role}")
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.target.owner_url)
        try:
            yield connection
        finally:
            connection.terminate()

    async def find(self, check: str, about: str, *, now: datetime | None = None) -> Finding | None:
        """The finding of that check about that object."""
        result = await doctor(self.target, only=[check], now=now)
        assert not [entry for entry in result.not_seen if entry.check == check], result.not_seen
        return next((finding for finding in result.findings if finding.object == about), None)

    async def follow(self, finding: Finding) -> None:
        """Run the fix just as it is printed, in one session."""
        async with self.session() as connection:
            for statement in finding.fix:
                if not statement.startswith("--"):  # psql passes over it, the driver stumbles
                    await connection.execute(statement)

    async def is_as_migrated(self) -> bool:
        return (await orion_db.status(self.target)).exit_code is Exit.OK


@pytest.fixture(scope="module")
async def patient(databases: Databases) -> AsyncGenerator[Patient]:
    async with databases.clone("user") as database:
        yield Patient(orion_db.Target(installed_services()["user"], database.url, database.owner_url))


@dataclass(frozen=True)
class Sickness:
    """What is planted, what must be found, and how it is cured."""

    check: str
    about: str
    plant: tuple[str, ...]
    by_itself: bool = True
    """Whether `--fix` does it; otherwise the fix is run as it is printed."""
    later: timedelta = timedelta()
    """How much later the doctor looks."""


OFF = "WITH (autovacuum_enabled = off)"
MANY = "INSERT INTO {0} SELECT n, lpad(n::text, 150, 'x') FROM generate_series(1, 60000) AS n"

SICKNESSES = {
    "a foreign key without an index": Sickness(
        "foreign-key-without-index",
        "sick_children.sick_children_parent_id_fkey",
        (
            "CREATE TABLE sick_parents (id integer PRIMARY KEY)",
            "CREATE TABLE sick_children (id integer PRIMARY KEY, parent_id integer REFERENCES sick_parents)",
        ),
    ),
    "a foreign key whose index of the migrations is gone": Sickness(
        "foreign-key-without-index",
        "organizations.fk_organizations_owner_id",
        ("DROP INDEX ix_organizations_owner_id",),
    ),
    "an index there twice, once from the migrations": Sickness(
        "duplicate-index", "a_sick_twin", ("CREATE INDEX a_sick_twin ON users (created_at, id)",)
    ),
    "an index that a longer one contains": Sickness(
        "redundant-index",
        "sick_short",
        (
            "CREATE TABLE sick_redundant (id integer PRIMARY KEY, a integer, b integer)",
            "CREATE INDEX sick_short ON sick_redundant (a)",
            "CREATE INDEX sick_long ON sick_redundant (a, b)",
        ),
        by_itself=False,
    ),
    "an unused index": Sickness(
        "unused-index",
        "sick_unused_words",
        (
            f"CREATE TABLE sick_unused (id integer PRIMARY KEY, words text) {OFF}",
            "INSERT INTO sick_unused SELECT n, lpad(n::text, 60, 'x') FROM generate_series(1, 20000) AS n",
            "CREATE INDEX sick_unused_words ON sick_unused (words)",
        ),
        by_itself=False,
        later=timedelta(days=30),
    ),
    "a bloated index": Sickness(
        "index-bloat",
        "sick_bloated_index_words",
        (
            f"CREATE TABLE sick_bloated_index (id integer PRIMARY KEY, words text) {OFF}",
            MANY.format("sick_bloated_index"),
            "CREATE INDEX sick_bloated_index_words ON sick_bloated_index (words)",
            "DELETE FROM sick_bloated_index WHERE id % 20 <> 0",
            "VACUUM (ANALYZE) sick_bloated_index",
        ),
    ),
    "a bloated table": Sickness(
        "table-bloat",
        "sick_bloated_table",
        (
            f"CREATE TABLE sick_bloated_table (id integer PRIMARY KEY, words text) {OFF}",
            MANY.format("sick_bloated_table"),
            "DELETE FROM sick_bloated_table WHERE id % 20 <> 0",
            "VACUUM (ANALYZE) sick_bloated_table",
        ),
        by_itself=False,
    ),
    "dead rows where autovacuum is off": Sickness(
        "vacuum-overdue",
        "sick_dead",
        (
            f"CREATE TABLE sick_dead (id integer PRIMARY KEY) {OFF}",
            "INSERT INTO sick_dead SELECT generate_series(1, 5000)",
            "DELETE FROM sick_dead WHERE id > 500",
        ),
    ),
    "stale statistics": Sickness(
        "analyze-overdue",
        "sick_stale",
        (
            f"CREATE TABLE sick_stale (id integer PRIMARY KEY) {OFF}",
            "ANALYZE sick_stale",
            "INSERT INTO sick_stale SELECT generate_series(1, 5000)",
        ),
    ),
    "no statistics": Sickness(
        "statistics-missing",
        "sick_unknown",
        (
            f"CREATE TABLE sick_unknown (id integer PRIMARY KEY) {OFF}",
            "INSERT INTO sick_unknown SELECT generate_series(1, 5000)",
        ),
    ),
    "no statistics of a partitioned table": Sickness(
        "partitioned-statistics",
        "sick_parted",
        (
            "CREATE TABLE sick_parted (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE sick_parted_all PARTITION OF sick_parted FOR VALUES FROM (0) TO (100000)",
            "INSERT INTO sick_parted SELECT generate_series(1, 5000)",
        ),
    ),
    "autovacuum off": Sickness(
        "autovacuum-disabled",
        "sick_off",
        (f"CREATE TABLE sick_off (id integer PRIMARY KEY) {OFF}",),
        by_itself=False,
    ),
    "a sequence near its end": Sickness(
        "sequence-exhaustion",
        "sick_serial_id_seq",
        ("CREATE TABLE sick_serial (id serial PRIMARY KEY)", "SELECT setval('sick_serial_id_seq', 2000000000)"),
        by_itself=False,
    ),
    "a narrow key": Sickness(
        "narrow-key", "sick_narrow.id", ("CREATE TABLE sick_narrow (id serial PRIMARY KEY)",), by_itself=False
    ),
    "a table without a primary key": Sickness(
        "no-primary-key", "sick_keyless", ("CREATE TABLE sick_keyless (a integer)",), by_itself=False
    ),
    "an unlogged table": Sickness(
        "unlogged-table",
        "sick_unlogged",
        ("CREATE UNLOGGED TABLE sick_unlogged (id integer PRIMARY KEY)",),
        by_itself=False,
    ),
    "a grant to everybody": Sickness(
        "public-grants",
        "sick_public",
        ("CREATE TABLE sick_public (id integer PRIMARY KEY)", "GRANT SELECT ON sick_public TO PUBLIC"),
        by_itself=False,
    ),
    "a right that the service lacks": Sickness(
        "service-rights", "roles", ("REVOKE INSERT, UPDATE ON roles FROM orion_user_service",)
    ),
    "a right that the service has too much": Sickness(
        "service-rights", "permissions", ("GRANT TRUNCATE ON permissions TO orion_user_service",)
    ),
    "a month without a partition": Sickness(
        "partitions-ahead",
        "outbox",
        (
            """DO $$
            DECLARE last text := (SELECT max(relname) FROM pg_class WHERE relname ~ '^outbox_y' AND relkind = 'r');
            BEGIN
              EXECUTE format('ALTER TABLE outbox DETACH PARTITION %I', last);
              EXECUTE format('DROP TABLE %I', last);
            END $$""",
        ),
    ),
}


@dataclass(frozen=True)
class Course:
    """All of them planted at once, examined, treated and examined again: an examination is dear, so three do."""

    before: dict[tuple[str, str], Finding]
    treatments: dict[tuple[str, str], Treatment]
    after: dict[tuple[str, str], Finding]


@pytest.fixture(scope="module")
async def course(patient: Patient) -> Course:
    for sick in SICKNESSES.values():
        await patient.run(*sick.plant)
    before = await _findings(patient)
    treated = await fix(patient.target, only=list({sick.check for sick in SICKNESSES.values()}))
    for sick in SICKNESSES.values():
        if not sick.by_itself and (sick.check, sick.about) in before:
            await patient.follow(before[sick.check, sick.about])
    treatments = {(treatment.check, treatment.object): treatment for treatment in treated.treatments}
    return Course(before, treatments, await _findings(patient))


async def _findings(patient: Patient) -> dict[tuple[str, str], Finding]:
    found: dict[tuple[str, str], Finding] = {}
    for later in {sick.later for sick in SICKNESSES.values()}:
        checks = list({sick.check for sick in SICKNESSES.values() if sick.later == later})
        result = await doctor(patient.target, only=checks, now=datetime.now(UTC) + later)
        assert not result.not_seen
        found |= {(finding.check, finding.object): finding for finding in result.findings}
    return found


@pytest.mark.parametrize("name", SICKNESSES)
async def test_each_is_found_and_cured(course: Course, name: str) -> None:
    sick = SICKNESSES[name]
    finding = course.before[sick.check, sick.about]
    assert finding.safe is sick.by_itself
    assert finding.why
    if sick.by_itself:
        treatment = course.treatments[sick.check, sick.about]
        assert treatment.cured, treatment.reason
    assert (sick.check, sick.about) not in course.after


async def test_what_was_treated_is_no_drift(patient: Patient, course: Course) -> None:
    assert course.treatments
    await patient.run(
        """DO $$ DECLARE name text; BEGIN
          FOR name IN SELECT relname FROM pg_class
            WHERE relname ~ '^sick_' AND relkind IN ('r', 'p') AND NOT relispartition
          LOOP EXECUTE format('DROP TABLE %I CASCADE', name); END LOOP;
        END $$"""
    )
    assert await patient.is_as_migrated()


async def test_an_invalid_index_is_dropped_and_one_of_the_migrations_is_built_again(patient: Patient) -> None:
    await patient.run("CREATE TABLE sick_doubles AS SELECT 1 AS a FROM generate_series(1, 2)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await patient.run("CREATE UNIQUE INDEX CONCURRENTLY sick_unique ON sick_doubles (a)")
    await patient.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_users_deleted_at'::regclass", as_owner=False
    )
    treated = await fix(patient.target, only=["invalid-index"])
    assert {(treatment.object, treatment.cured) for treatment in treated.treatments} == {
        ("sick_unique", True),
        ("ix_users_deleted_at", True),
    }
    assert treated.findings == ()
    await patient.run("DROP TABLE sick_doubles")
    assert await patient.is_as_migrated()


async def test_an_index_of_the_migrations_is_never_dropped_by_itself(patient: Patient) -> None:
    """Both of these are of the migrations' doing as far as the doctor knows: it tells, and touches nothing."""
    await patient.run("CREATE INDEX z_sick ON users (status, created_at, id, email)")
    finding = await patient.find("redundant-index", "ix_users_status_created_at_id")
    assert finding is not None
    assert not finding.safe
    assert "migration" in finding.fix[0]
    before = await patient.run("SELECT indexname FROM pg_indexes ORDER BY 1")
    await fix(patient.target, only=["redundant-index"])
    assert await patient.run("SELECT indexname FROM pg_indexes ORDER BY 1") == before
    await patient.run("DROP INDEX z_sick")


async def test_rows_in_a_default_partition_get_their_month(patient: Patient) -> None:
    (month,) = (
        await patient.run("SELECT min(relname) FROM pg_class WHERE relname ~ '^audit_logs_y' AND relkind = 'r'")
    )[0]
    await patient.run(f"ALTER TABLE audit_logs DETACH PARTITION {month}", f"DROP TABLE {month}")
    for number in range(3):
        await patient.run(
            "INSERT INTO audit_logs (service, actor_type, action, resource_type, status, salt, commitment, leaf_hash) "
            f"SELECT 'a', 'SYSTEM', 'b{number}', 'c', 'SUCCESS', h, h, h FROM sha256('') AS h"
        )
    rows = await patient.run("SELECT a::text FROM audit_logs AS a ORDER BY id")
    finding = await patient.find("rows-in-default-partition", "audit_logs_default")
    assert finding is not None
    await patient.follow(finding)
    assert await patient.find("rows-in-default-partition", "audit_logs_default") is None
    assert await patient.run("SELECT a::text FROM audit_logs AS a ORDER BY id") == rows
    assert await patient.run(f"SELECT a::text FROM {month} AS a ORDER BY id") == rows
    assert await patient.is_as_migrated()


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
    await patient.run("CREATE TABLE sick_old (id integer PRIMARY KEY) WITH (autovacuum_freeze_max_age = 100000)")
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
