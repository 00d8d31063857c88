"""Where a pool connects, as URLs say it, and what is said when nobody is there."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database, DatabaseUnreachableError, asyncpg_arguments
from orion_core.service import service_role
from orion_core.testing import TestDatabase


async def scalar(connection: AsyncConnection, statement: str) -> Any:
    return (await connection.execute(text(statement))).scalar_one()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@127.0.0.1:1/db",
        "postgresql://u:p@no-such-host.invalid/db",
        "postgresql:///db?host=/no/such/folder",
    ],
)
async def test_a_server_that_is_away_is_told_as_such(url: str) -> None:
    database = Database.connect(url, role=None, application="orion test")
    with pytest.raises(DatabaseUnreachableError):
        async with database.transaction():
            pass
    with pytest.raises(DatabaseUnreachableError):
        async with database.autocommit():
            pass
    await database.close()


@pytest.mark.parametrize("password", ["p@ss/w:rd#1?&=%", "пароль 密码", "a%40b", "'; DROP TABLE x; --", "+ +"])
async def test_a_password_may_hold_any_character(
    password: str, own_database: TestDatabase, owner: asyncpg.Connection
) -> None:
    login = f"orion_test_{hash(password) & 0xFFFFFFFF}"
    quoted = await owner.fetchval("SELECT quote_literal($1)", password)
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD {quoted} IN ROLE orion_auth_service")
    url = make_url(own_database.url).set(username=login, password=password).render_as_string(hide_password=False)
    database = Database.connect(url, role=service_role("auth"), application="orion test")
    try:
        async with database.autocommit() as connection:
            assert await scalar(connection, "SELECT session_user::text") == login
    finally:
        await database.close()
        await owner.execute(f"DROP ROLE {login}")


async def test_a_socket_is_reached_as_libpq_and_prisma_write_it(own_database: TestDatabase) -> None:
    url = make_url(own_database.owner_url)
    async with Database.connect(own_database.owner_url, role=None, application="orion test").autocommit() as connection:
        folders = await scalar(connection, "SHOW unix_socket_directories")
    folder = folders.split(",")[0].strip()
    if not folder or not Path(folder).is_dir():
        pytest.skip("the server listens on no socket that we can see")
    for form in (url.set(query={"host": folder}), url.set(host=None, query={"host": folder})):
        database = Database.connect(form.render_as_string(hide_password=False), role=None, application="orion test")
        async with database.autocommit() as connection:
            assert await scalar(connection, "SELECT inet_client_addr() IS NULL")
        await database.close()


def test_parameters_that_are_not_asyncpgs_are_taken_or_left() -> None:
    tls, prisma = "sslmode=verify-full&sslrootcert=/a b/ca.pem", "schema=public&connection_limit=5&pgbouncer=true"
    location, options = asyncpg_arguments(f"postgresql://u:p@h:5/db?{tls}&{prisma}")
    assert location.render_as_string(hide_password=False) == "postgresql+asyncpg://u:p@h:5/db"
    assert options == {"ssl": "verify-full", "dsn": "postgresql://?sslrootcert=%2Fa+b%2Fca.pem"}


@pytest.mark.parametrize("url", ["", "postgresql", "mysql://u:hunter2@h/db", "postgresql://u:hunter2@h:x/db"])
def test_what_is_no_url_of_postgresql_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://") as refusal:
        asyncpg_arguments(url)
    assert "hunter2" not in str(refusal.value) and refusal.value.__cause__ is None
