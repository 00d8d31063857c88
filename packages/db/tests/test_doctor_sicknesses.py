"""Sicknesses planted one at a time: the doctor finds each, its fix cures it, and a healthy database stays no drift."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from packages.db.tests.patients import Patient, patient_in

from orion_core.testing.databases import Databases
from orion_db.doctor.examine import doctor
from orion_db.doctor.finding import Finding
from orion_db.doctor.report import Treatment
from orion_db.maintain.fix import fix


@pytest.fixture(scope="module")
async def patient(databases: Databases) -> AsyncGenerator[Patient]:
    async with databases.clone("user") as database:
        yield patient_in(database)


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
async def planted(databases: Databases) -> AsyncGenerator[Patient]:
    """A patient of its own, since what is planted stays until a test has looked at it: that may run elsewhere."""
    async with databases.clone("user") as database:
        yield patient_in(database)


@pytest.fixture(scope="module")
async def course(planted: Patient) -> Course:
    for sick in SICKNESSES.values():
        await planted.run(*sick.plant)
    before = await _findings(planted)
    treated = await fix(planted.target, only=list({sick.check for sick in SICKNESSES.values()}))
    for sick in SICKNESSES.values():
        if not sick.by_itself and (sick.check, sick.about) in before:
            await planted.follow(before[sick.check, sick.about])
    treatments = {(treatment.check, treatment.object): treatment for treatment in treated.treatments}
    return Course(before, treatments, await _findings(planted))


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


async def test_what_was_treated_is_no_drift(planted: Patient, course: Course) -> None:
    assert course.treatments
    await planted.run(
        """DO $$ DECLARE name text; BEGIN
          FOR name IN SELECT relname FROM pg_class
            WHERE relname ~ '^sick_' AND relkind IN ('r', 'p') AND NOT relispartition
          LOOP EXECUTE format('DROP TABLE %I CASCADE', name); END LOOP;
        END $$"""
    )
    assert await planted.is_as_migrated()


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
