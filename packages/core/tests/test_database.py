"""Every connection acts as the least-privilege role, and gives the next user of it nothing of what was before."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

import orion_core.database
from orion_core.database import Database
from orion_core.service import service_role
from orion_core.statement import Statement, driver_of
from orion_core.testing import TestDatabase

ADD_CURSOR = text("INSERT INTO inbox_cursors (source, position) VALUES (:source, 1)")


@pytest.fixture
async def single(own_database: TestDatabase) -> AsyncGenerator[Database]:
    """A pool of one connection, so that who comes next gets the connection that was left."""
    pool = Database.connect(own_database.url, role=service_role("auth"), application="orion test", pool_size=1)
    yield pool
    await pool.close()


async def cursors(owner: asyncpg.Connection) -> set[str]:
    return {row["source"] for row in await owner.fetch("SELECT source FROM inbox_cursors")}


async def add_cursors(database: Database, *sources: str, after_commit: Callable[[], object] = list) -> None:
    async with database.transaction() as transaction:
        transaction.after_commit(after_commit)
        for source in sources:
            await transaction.connection.execute(ADD_CURSOR, {"source": source})


async def scalar(connection: AsyncConnection, statement: str) -> Any:
    return (await connection.execute(text(statement))).scalar_one()


# ------------------------------------------------------------------------------------------------------------- the role


async def test_connections_act_as_the_service_and_own_nothing(database: Database) -> None:
    async with database.autocommit() as connection:
        assert await scalar(connection, "SELECT current_user::text") == "orion_auth_service"
        assert await scalar(connection, "SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE outbox ADD COLUMN mine int",
        "DROP TABLE outbox",
        "TRUNCATE outbox",
        "CREATE INDEX mine ON outbox (type)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SET ROLE orion_auth_owner",
    ],
)
async def test_connections_cannot_change_the_schema(database: Database, statement: str) -> None:
    async with database.autocommit() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))


async def test_connections_are_known_by_name_and_bounded_in_time(database: Database) -> None:
    async with database.autocommit() as connection:
        assert await scalar(connection, "SHOW application_name") == "orion test"
        assert await scalar(connection, "SHOW timezone") == "UTC"
        assert await scalar(connection, "SHOW statement_timeout") == "30s"
        assert await scalar(connection, "SHOW idle_in_transaction_session_timeout") == "30s"


# ------------------------------------------------------------------------------------------------------- transactions


async def test_a_transaction_is_committed_whole_or_not_at_all(database: Database, owner: asyncpg.Connection) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(ADD_CURSOR, {"source": "a"})
        assert await cursors(owner) == set()
        await transaction.connection.execute(ADD_CURSOR, {"source": "b"})
    with pytest.raises(IntegrityError):
        await add_cursors(database, "c", "a")
    assert await cursors(owner) == {"a", "b"}


async def test_in_autocommit_each_statement_stands_by_itself(database: Database, owner: asyncpg.Connection) -> None:
    async with database.autocommit() as connection:
        await connection.execute(ADD_CURSOR, {"source": "a"})
        assert await cursors(owner) == {"a"}
        with pytest.raises(IntegrityError):
            await connection.execute(ADD_CURSOR, {"source": "a"})
        await connection.execute(ADD_CURSOR, {"source": "b"})
    assert await cursors(owner) == {"a", "b"}


async def test_what_follows_a_commit_happens_after_it_and_once(database: Database, owner: asyncpg.Connection) -> None:
    calls: list[str] = []

    def ring() -> None:
        calls.append("ring")

    async with database.transaction() as transaction:
        transaction.after_commit(ring)
        transaction.after_commit(ring)
        await transaction.connection.execute(ADD_CURSOR, {"source": "a"})
        assert calls == []
    assert calls == ["ring"] and await cursors(owner) == {"a"}


async def test_what_follows_a_commit_does_not_happen_without_one(database: Database, owner: asyncpg.Connection) -> None:
    calls: list[str] = []
    await owner.execute("ALTER TABLE inbox_cursors ADD CONSTRAINT late UNIQUE (position) DEFERRABLE INITIALLY DEFERRED")
    for sources in (["a", "a"], ["a", "b"]):  # found wrong by the second statement, and at the COMMIT
        with pytest.raises(IntegrityError):
            await add_cursors(database, *sources, after_commit=lambda: calls.append("ring"))
    assert calls == [] and await cursors(owner) == set()


# ------------------------------------------------------------------- what one user of a connection leaves to the next

Breaking = Callable[[Database], Awaitable[None]]


async def fail_between_statements(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL work_mem = '123kB'"))
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        raise KeyError


async def fail_in_a_statement(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL work_mem = '123kB'"))
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        await transaction.connection.execute(text("SELECT 1 / 0"))


async def be_cancelled_between_statements(database: Database) -> None:
    async with asyncio.timeout(0.1), database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL work_mem = '123kB'"))
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        await asyncio.sleep(60)


async def be_cancelled_in_a_statement(database: Database) -> None:
    async with asyncio.timeout(0.1), database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL work_mem = '123kB'"))
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        await transaction.connection.execute(text("SELECT pg_sleep(60)"))


async def be_cancelled_twice(database: Database) -> None:
    """The second cancellation hits while the first is being cleaned up."""
    task = asyncio.create_task(be_cancelled_in_a_statement(database))
    await asyncio.sleep(0.1)
    for _ in range(50):
        task.cancel()
        await asyncio.sleep(0)
    await task


async def fail_in_autocommit(database: Database) -> None:
    async with database.autocommit() as connection:
        await connection.execute(text("SELECT 1 / 0"))


async def be_cancelled_in_autocommit(database: Database) -> None:
    async with asyncio.timeout(0.1), database.autocommit() as connection:
        await connection.execute(text("SELECT pg_sleep(60)"))


async def run_out_of_time_at_the_server(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        await transaction.connection.execute(text("SELECT pg_sleep(60)"))


async def be_thrown_out_by_the_server(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(ADD_CURSOR, {"source": "broken"})
        await transaction.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


BREAKINGS = [
    fail_between_statements,
    fail_in_a_statement,
    be_cancelled_between_statements,
    be_cancelled_in_a_statement,
    be_cancelled_twice,
    fail_in_autocommit,
    be_cancelled_in_autocommit,
    run_out_of_time_at_the_server,
    be_thrown_out_by_the_server,
]


@pytest.mark.parametrize("breaking", BREAKINGS, ids=lambda breaking: breaking.__name__)
async def test_the_next_user_of_a_connection_finds_it_clean(
    breaking: Breaking, single: Database, owner: asyncpg.Connection
) -> None:
    async with single.transaction():
        pass
    with pytest.raises((KeyError, DBAPIError, TimeoutError, asyncio.CancelledError)):
        await breaking(single)
    async with single.autocommit() as connection:
        assert await scalar(connection, "SHOW work_mem") != "123kB"
        assert await scalar(connection, "SHOW statement_timeout") == "30s"
        first, second = [await scalar(connection, "SELECT txid_current()") for _ in range(2)]
        assert first != second, "there is no open transaction around the two"
        await connection.execute(ADD_CURSOR, {"source": "after"})
    async with single.transaction() as transaction:
        assert await scalar(transaction.connection, "SELECT current_user::text") == "orion_auth_service"
    assert await cursors(owner) == {"after"}
    assert await sessions(owner) == [("idle", None)], "no session is left in a transaction or in a statement"


async def sessions(owner: asyncpg.Connection) -> list[tuple[str, object]]:
    """The state of the pool's sessions; one that was just closed is given a moment to go."""
    query = """
        SELECT state, backend_xid FROM pg_stat_activity
        WHERE application_name = 'orion test' AND datname = current_database()
    """
    found: list[tuple[str, object]] = []
    for _ in range(600):
        found = [(row["state"], row["backend_xid"]) for row in await owner.fetch(query)]
        if found == [("idle", None)]:
            break
        await asyncio.sleep(0.05)
    return found


async def test_a_hundred_cancelled_tasks_leave_the_pool_whole(database: Database, owner: asyncpg.Connection) -> None:
    async def work(number: int) -> None:
        async with database.transaction() as transaction:
            await transaction.connection.execute(ADD_CURSOR, {"source": f"{number}"})
            await transaction.connection.execute(text("SELECT pg_sleep(0.01)"))
            raise KeyError

    tasks = [asyncio.create_task(work(number)) for number in range(100)]
    for number, task in enumerate(tasks):
        await asyncio.sleep(0.002)
        if number % 3:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await cursors(owner) == set()
    async with database.autocommit() as one, database.autocommit() as other:
        assert await scalar(one, "SELECT 1") == await scalar(other, "SELECT 1") == 1


async def test_connections_that_the_server_closed_meanwhile_are_replaced_unnoticed(
    database: Database, owner: asyncpg.Connection
) -> None:
    async with database.autocommit() as connection:
        pid, driver = await scalar(connection, "SELECT pg_backend_pid()"), await driver_of(connection)
    await owner.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = 'orion_test_auth' AND datname = current_database()
    """)
    while not driver.is_closed():  # noqa: ASYNC110 - it hears of it a moment after the session is gone
        await asyncio.sleep(0.01)
    async with database.autocommit() as connection:
        assert await scalar(connection, "SELECT pg_backend_pid()") != pid


PID = Statement(text("SELECT pg_backend_pid() AS pid"))


async def pid_of(database: Database) -> int:
    async with database.autocommit() as connection:
        return (await PID.one(connection, {})).pid


async def test_a_connection_that_was_left_as_it_was_is_the_next_ones(database: Database) -> None:
    pid = await pid_of(database)
    assert await pid_of(database) == pid
    async with database.autocommit() as connection:
        assert (await PID.one(connection, {})).pid == pid
        assert await pid_of(database) != pid, "it is in use"
    async with database.transaction() as transaction:
        assert (await PID.one(transaction.connection, {})).pid == pid


async def test_a_connection_that_is_lost_while_it_is_used_is_replaced(
    single: Database, owner: asyncpg.Connection
) -> None:
    pid = await pid_of(single)
    async with single.autocommit() as connection:
        await owner.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(DBAPIError):
            await Statement(text("SELECT pg_sleep(5)")).all(connection, {})
    assert await pid_of(single) != pid


async def test_those_that_use_sqlalchemy_and_those_that_do_not_share_a_pool(own_database: TestDatabase) -> None:
    role = service_role("auth")
    pool = Database.connect(own_database.url, role=role, application="orion test", pool_size=3)

    async def ask(number: int) -> int:
        async with pool.autocommit() as connection:
            if number % 2:
                return await scalar(connection, "SELECT pg_backend_pid()")
            return (await PID.one(connection, {})).pid

    assert len(set(await asyncio.gather(*(ask(number) for number in range(200))))) <= 3
    await pool.close()


async def test_what_is_only_written_is_one_statement(database: Database, owner: asyncpg.Connection) -> None:
    insert = Statement(text("INSERT INTO inbox_cursors (source, position) VALUES (:source, 1)"))
    forget = Statement(text("DELETE FROM inbox_cursors WHERE source = :source"))
    moments = "SELECT count(DISTINCT xmin::text) FROM inbox_cursors"
    calls = list[str]()

    async def write(*sources: str) -> None:
        async with database.writes() as writes:
            writes.after_commit(lambda: calls.append("ring"))
            for source in sources:
                writes.later(insert, {"source": source})
            if "nobody" in sources:
                raise KeyError

    async with database.writes() as writes:
        writes.later(insert, {"source": "a"})
        writes.later(forget, {"source": "nobody"})
        writes.after_commit(lambda: calls.append("ring"))
        assert await cursors(owner) == set() and calls == []
    assert await cursors(owner) == {"a"} and calls == ["ring"]
    await write("b", "c")  # the same statement twice cannot be one; then it is one transaction
    assert await cursors(owner) == {"a", "b", "c"} and await owner.fetchval(moments) == 2
    for given, refusal in (("d", "a"), IntegrityError), (("d", "e", "a"), IntegrityError), (("d", "nobody"), KeyError):
        with pytest.raises(refusal):
            await write(*given)
    assert await cursors(owner) == {"a", "b", "c"} and calls == ["ring"] * 2


async def test_an_error_does_not_carry_the_values_of_its_statement(database: Database) -> None:
    with pytest.raises(DBAPIError) as error:
        async with database.autocommit() as connection:
            await connection.execute(text("SELECT 1 / 0 WHERE :password <> ''"), {"password": "hunter2"})
    assert "hunter2" not in str(error.value)


async def test_a_full_pool_is_waited_for_only_so_long(single: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orion_core.database, "POOL_SECONDS", 0.1)
    async with single.autocommit() as connection:
        await scalar(connection, "SELECT 1")
        with pytest.raises(PoolTimeoutError):
            async with single.autocommit():
                pass
