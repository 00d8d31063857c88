"""Every table says how long its rows are kept, and months go as said: whole, old enough, and no sooner."""

import re
import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import text

import orion_db
from orion_core.database import Database
from orion_core.errors import Problem as ServiceProblem
from orion_core.events.feed import Feed
from orion_core.ids import uuid7_floor
from orion_core.retention.batches import Worker, transactions
from orion_core.retention.debt import count_due
from orion_core.retention.declarations import Follows, Forever, Months, Rows, retention_of
from orion_core.retention.policy import Due, in_words, read_policy
from orion_core.retention.prune import Pruned, expired, prune, stranded
from orion_core.service import installed_services
from orion_core.wakeup import Wakeup
from orion_db.doctor.examine import doctor
from orion_db.prune import prune as prune_as_owner

if TYPE_CHECKING:
    from tests.databases.conftest import Platform, Server

SERVICES = sorted(installed_services())
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "retention.md"

HASH = "sha256('')"
ROWS = {
    "outbox": "INSERT INTO outbox (id, type, subject, data, occurred_at) VALUES ($1, 'a', 'b', '{}', now())",
    "login_attempts": "INSERT INTO login_attempts (id, status, method) VALUES ($1, 'SUCCESS', 'PASSWORD')",
    "security_events": "INSERT INTO security_events (id, event_type, category, severity, title) "
    "VALUES ($1, 'a', 'SESSION', 'LOW', 'b')",
    "audit_logs": "INSERT INTO audit_logs (id, service, actor_type, action, resource_type, status, salt, commitment, "
    f"leaf_hash) VALUES ($1, 'a', 'SYSTEM', 'b', 'c', 'SUCCESS', {HASH}, {HASH}, {HASH})",
    "notifications": "INSERT INTO notifications (id, type, category, channel, content, recipient) "
    "VALUES ($1, 'a', 'SYSTEM', 'SMS', 'b', 'c')",
    "delivery_attempts": "INSERT INTO delivery_attempts (id, notification_id, attempt_number) VALUES ($1, $2, 1)",
}
"""One row with the id $1 for each table that is cut into months."""

PARENTS = [("auth", "login_attempts"), ("auth", "security_events"), ("user", "audit_logs"), ("notifications", "outbox")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_says_how_long_its_rows_are_kept(service: str) -> None:
    for table in installed_services()[service].metadata.sorted_tables:
        rule = retention_of(table)
        assert rule.why, table.name
        partitioned = bool(table.dialect_options["postgresql"]["partition_by"])
        assert isinstance(rule, Months) == partitioned, table.name
        if isinstance(rule, Rows):
            assert rule.column in table.columns and rule.keep >= rule.at_least, table.name
        if isinstance(rule, Months):
            assert rule.keep >= rule.at_least > timedelta(), table.name
        if isinstance(rule, Follows):
            cascades = {key.column.table.name for key in table.foreign_keys if key.ondelete == "CASCADE"}
            assert rule.table in cascades, table.name


def test_the_document_says_what_the_tables_say() -> None:
    written = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `")
    ]
    declared = [
        (f"`{table.name}`", *_cells(table.name, retention_of(table)))
        for service in installed_services().values()
        for table in sorted(service.metadata.tables.values(), key=lambda table: table.name)
    ]
    assert written == declared


def _cells(table: str, rule: Rows | Months | Follows | Forever) -> tuple[str, str, str]:
    match rule:
        case Rows():
            condition = "" if rule.where == "true" else f", where {rule.where.replace(':before', 'that moment')}"
            kept = f"{in_words(rule.keep)} after `{rule.column}`{condition}"
            return kept, in_words(rule.at_least), rule.why
        case Months():
            return f"{in_words(rule.keep)}, by whole months", in_words(rule.at_least), rule.why
        case Follows():
            return f"as long as its row of `{rule.table}`", "", rule.why
        case Forever():
            return "for ever", "", rule.why


@pytest.mark.parametrize("service", SERVICES)
async def test_every_batch_follows_an_index(platform: "Platform", service: str) -> None:
    """As the batches plan: neither a scan of the whole table nor a sort is left when an index is there for it."""
    target, now = platform.targets[service], datetime.now(UTC)
    database = Database.connect(target.url, role=target.service.service_role, application="a test", pool_size=1)
    for due in read_policy(target.service.metadata):
        if not isinstance(due.rule, Rows):
            continue
        batches = expired(due, due.before(now))
        values = {**batches.values, "from": batches.start, "size": 100}
        async with Worker(transactions(database), wait_seconds=5).alone() as connection:
            lines = (await connection.execute(text(f"EXPLAIN {batches.statement}"), values)).scalars().all()
        plan = "\n".join(lines)
        selecting = plan[: plan.index("Tid Scan")]
        assert re.search(rf"Index (Only )?Scan using \w+ on {due.table}\b", selecting), plan
        assert re.search(rf"Index Cond: .*{due.rule.column} < ", selecting), plan
        assert not re.search("Seq Scan|Bitmap|Sort", selecting), plan
    await database.close()


class Old:
    """A service's database that has been running for years."""

    def __init__(self, target: orion_db.Target, owner: asyncpg.Connection, database: Database) -> None:
        self.target, self.owner, self.database = target, owner, database
        self.now = datetime.now(UTC)

    def due(self, table: str) -> Due:
        return next(due for due in read_policy(self.target.service.metadata) if due.table == table)

    async def make_month(self, parent: str, moment: datetime) -> str:
        first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        name = f"{parent}_y{first:%Y}m{first:%m}"
        await self.owner.execute(f"SET ROLE {self.target.service.owner_role}")
        await self.owner.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {parent}"
            f" FOR VALUES FROM ('{uuid7_floor(first)}') TO ('{uuid7_floor(following)}')"
        )
        await self.owner.execute("RESET ROLE")
        return name

    async def insert(self, parent: str, moment: datetime, *values: object) -> object:
        id = uuid7_floor(moment)
        await self.owner.execute(ROWS[parent], id, *values)
        return id

    async def months(self, parent: str) -> set[str]:
        """Names of the partitions of the past."""
        rows = await self.owner.fetch(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass($1)", parent
        )
        past = f"{parent}_y{self.now:%Y}m{self.now:%m}"
        return {row[0] for row in rows if f"{parent}_y" < row[0] < past}

    async def prune(self, parent: str, now: datetime | None = None) -> Pruned:
        """As the service does."""
        worker = Worker(transactions(self.database), wait_seconds=5)
        return (await prune((self.due(parent),), now or self.now, worker)).tables[0]

    async def count(self, table: str) -> int:
        return await self.owner.fetchval(f"SELECT count(*) FROM {table}")

    async def forget(self) -> None:
        """Leave nothing for the next test."""
        await self.owner.execute("SET session_replication_role = replica")
        for parent in {"notification_queue", *ROWS} & self.target.service.metadata.tables.keys():
            await self.owner.execute(f"DELETE FROM {parent}")
            for name in await self.months(parent):
                await self.owner.execute(f"ALTER TABLE {parent} DETACH PARTITION {name}")
                await self.owner.execute(f"DROP TABLE {name}")
        await self.owner.execute("RESET session_replication_role")


@pytest.fixture(scope="module")
async def years_old(server: "Server") -> AsyncGenerator[dict[str, orion_db.Target]]:
    """The services' databases for the tests of this module, which come one after the other."""
    suffix = secrets.token_hex(4)
    targets = {name: server.target(service, f"old_{name}_{suffix}") for name, service in installed_services().items()}
    for target in targets.values():
        await orion_db.initialize(target, seeds=False)
    yield targets
    for target in targets.values():
        await server.drop(target.database)


@pytest.fixture
async def old(years_old: dict[str, orion_db.Target], request: pytest.FixtureRequest) -> AsyncGenerator[Old]:
    """`@pytest.mark.parametrize("old", ["auth"], indirect=True)`."""
    target = years_old[request.param]
    owner = await asyncpg.connect(target.owner_url)
    database = Database.connect(target.url, role=target.service.service_role, application="a service", pool_size=2)
    old = Old(target, owner, database)
    yield old
    await database.close()
    await old.forget()
    await owner.close()


def of_service(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("old", [name], indirect=True)


@pytest.mark.parametrize(("old", "parent"), PARENTS, indirect=["old"])
async def test_months_go_when_all_of_them_is_old_enough(old: Old, parent: str) -> None:
    keep = old.due(parent).keep
    boundary = (old.now - keep).replace(day=1)
    kept = await old.make_month(parent, boundary)
    gone = [await old.make_month(parent, boundary - timedelta(days=days)) for days in (5, 40)]
    for moment in (boundary, boundary - timedelta(days=5), boundary - timedelta(days=40)):
        await old.insert(parent, moment)
    async with old.database.autocommit() as connection:
        assert (await count_due(connection, old.due(parent), old.now)).rows == 2
    pruned = await old.prune(parent)
    assert (pruned.partitions, pruned.rows, pruned.put_off) == (tuple(gone[::-1]), 0, None)
    assert await old.months(parent) == {kept}
    assert await old.count(parent) == 1
    assert (await old.prune(parent)).partitions == ()
    status = await orion_db.status(old.target)
    assert (status.exit_code, status.drift) == (orion_db.Exit.OK, ())


@of_service("user")
async def test_the_service_drops_nothing_that_is_younger_than_the_minimum(old: Old) -> None:
    """Whatever it asks for: it owns nothing, and what says the minimum is not its own."""
    await old.make_month("audit_logs", old.now - timedelta(days=300))
    await old.make_month("audit_logs", old.now - timedelta(days=3000))
    before = await old.months("audit_logs")
    service = await asyncpg.connect(old.target.url)
    refused = (
        ("SELECT drop_oldest_partition('audit_logs', now())", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition('audit_logs', 'infinity')", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition('audit_logs', NULL)", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition(NULL, '2000-01-01')", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition('audit_logs', now() - interval '364 days')", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition('users', '2000-01-01')", asyncpg.InvalidParameterValueError),
        ("SELECT drop_oldest_partition('pg_class', '2000-01-01')", asyncpg.InvalidParameterValueError),
        ("CREATE OR REPLACE FUNCTION retention_minimum(regclass) RETURNS interval LANGUAGE sql AS $$SELECT '0'$$",
         asyncpg.InsufficientPrivilegeError),
        ("DROP TABLE audit_logs_default", asyncpg.InsufficientPrivilegeError),
        ("ALTER TABLE audit_logs DETACH PARTITION audit_logs_default", asyncpg.InsufficientPrivilegeError),
    )  # fmt: skip
    for statement, error in refused:
        with pytest.raises(error):
            await service.execute(statement)
    await service.execute("SET search_path = pg_temp, public")
    assert await service.fetchval("SELECT drop_oldest_partition('audit_logs', '2000-01-01')") is None
    assert await old.months("audit_logs") == before
    assert await service.fetchval("SELECT drop_oldest_partition('audit_logs', now() - interval '400 days')")
    assert len(await old.months("audit_logs")) == 1
    await service.close()


@of_service("notifications")
async def test_a_month_of_messages_stays_until_nothing_refers_to_it(old: Old) -> None:
    made, later = old.now - timedelta(days=300), old.now - timedelta(days=270)
    for parent in ("notifications", "delivery_attempts"):
        for moment in (made, later):
            await old.make_month(parent, moment)
    message = await old.insert("notifications", made)
    await old.insert("delivery_attempts", later, message)
    young = await old.insert("notifications", later)
    await old.owner.execute("INSERT INTO notification_queue VALUES ($1, 'LOW', 0, now())", young)
    pruned = await old.prune("notifications")
    assert (pruned.partitions, pruned.put_off) == ((), None), "an attempt and a queued message refer to the months"
    assert len((await old.prune("delivery_attempts")).partitions) == 2
    assert (await old.prune("notifications")).partitions == (f"notifications_y{made:%Y}m{made:%m}",)
    assert await old.count("notification_queue") == 1, "what has not left stays, with its month"
    await old.owner.execute("DELETE FROM notification_queue")
    assert (await old.prune("notifications")).partitions == (f"notifications_y{later:%Y}m{later:%m}",)
    assert (await orion_db.status(old.target)).drift == ()


@of_service("auth")
async def test_rows_without_a_month_go_by_themselves_if_they_may(old: Old) -> None:
    """They stand in the default partition. The service may delete from its outbox, and its history only add to."""
    ancient, young = old.now - timedelta(days=1000), old.now - timedelta(days=10)
    for parent in ("outbox", "login_attempts"):
        await old.insert(parent, ancient)
        await old.insert(parent, young)
    assert (await old.prune("outbox")).rows == 1
    assert (await old.prune("login_attempts")).rows == 0
    done = await prune_as_owner(old.target, table="login_attempts")
    assert [(table.due, table.rows, table.put_off) for table in done.tables] == [(1, 1, None)]
    assert (await old.count("outbox"), await old.count("login_attempts")) == (1, 1)


@of_service("user")
async def test_an_audit_trail_without_a_month_goes_once_it_has_one(old: Old) -> None:
    await old.insert("audit_logs", old.now - timedelta(days=4000))
    assert (await old.prune("audit_logs")).rows == 0
    done = await prune_as_owner(old.target, table="audit_logs")
    assert done.exit_code == orion_db.Exit.FOUND and "append-only" in done.in_words()[1]
    assert await old.count("audit_logs") == 1
    examined = await doctor(old.target, only=["rows-in-default-partition"])
    for statement in examined.findings[0].fix:
        if not statement.startswith("--"):
            await old.owner.execute(statement)
    assert len((await old.prune("audit_logs")).partitions) == 1
    assert await old.count("audit_logs") == 0


@of_service("notifications")
async def test_a_message_that_has_not_left_is_not_deleted_from_the_default_partition(old: Old) -> None:
    ancient = old.now - timedelta(days=1000)
    queued, sent = [await old.insert("notifications", ancient + timedelta(days=day)) for day in range(2)]
    await old.owner.execute("INSERT INTO notification_queue VALUES ($1, 'LOW', 0, now())", queued)
    done = await prune_as_owner(old.target, table="notifications")
    assert done.tables[0].rows == 1
    assert [row[0] for row in await old.owner.fetch("SELECT id FROM notifications")] == [queued] != [sent]


@of_service("auth")
async def test_a_month_whose_table_is_in_use_is_put_off(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orion_core.retention.prune.ATTEMPTS", 1)
    name = await old.make_month("outbox", old.now - timedelta(days=100))
    async with old.owner.transaction():
        await old.owner.execute("SELECT FROM outbox")
        pruned = await old.prune("outbox")
        assert (pruned.partitions, pruned.put_off) == ((), "a lock was not to be had")
    assert (await old.prune("outbox")).partitions == (name,)


@of_service("auth")
@pytest.mark.parametrize("stranded_there", [False, True], ids=["in a month", "in the default partition"])
async def test_a_reader_further_behind_than_the_outbox_was_pruned_is_told(old: Old, stranded_there: bool) -> None:
    """Whether somebody had read the events, and given them positions, or nobody had."""
    feed = Feed(old.database, Wakeup(old.target.url, "outbox"), "auth")
    ancient = old.now - timedelta(days=100)
    if not stranded_there:
        await old.make_month("outbox", ancient)
    for hours in (2, 1):
        await old.insert("outbox", ancient - timedelta(hours=hours))
    first, last = (event.position for event in (await feed.read(0)).events)
    await old.prune("outbox")
    with pytest.raises(ServiceProblem) as refusal:
        await feed.read(first)
    assert (refusal.value.status, refusal.value.code) == (410, "position_pruned")
    assert (await feed.read(last)).events == [], "this reader has missed nothing"

    if not stranded_there:
        await old.make_month("outbox", ancient)
    await old.insert("outbox", ancient)
    await old.prune("outbox")
    with pytest.raises(ServiceProblem):
        await feed.read(last)
    await old.insert("outbox", old.now)
    (kept,) = (await feed.read(0)).events
    assert (await feed.read(kept.position)).events == []


@of_service("auth")
async def test_the_stranded_of_a_partitioned_table_are_found_without_reading_its_months(old: Old) -> None:
    due = old.due("outbox")
    batches = stranded(due, due.before(old.now))
    values = {**batches.values, "from": batches.start, "size": 100}
    async with Worker(transactions(old.database), wait_seconds=5).alone() as connection:
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {batches.statement}"), values)).scalars())
    assert "outbox_default" in plan and "outbox_y" not in plan, plan
