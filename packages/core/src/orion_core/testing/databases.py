"""Databases for tests: templates of each service, made once a run, cloned in some 30 ms for each test that asks.

One is as migrations leave it, the other has the reference rows too.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points

import asyncpg
from sqlalchemy import make_url

from orion_core.database import Database
from orion_core.service import Service, installed_services

TEMPLATE_LOCK = 0x6F72696F6E02
LOGIN_PASSWORD = "test"


@dataclass(frozen=True)
class TestDatabase:
    """A database that only one test uses."""

    __test__ = False

    url: str
    """As the service connects: a login that may do no more than the service's role."""
    owner_url: str
    """As migrations and a test's own look into the tables connect."""


class Databases:
    """Makes and drops databases on the test server at `admin_url`."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._ready: set[str] = set()
        self._services = installed_services()

    @asynccontextmanager
    async def clone(self, service_name: str, *, seeded: bool = False) -> AsyncGenerator[TestDatabase]:
        """A fresh database of the service, migrated, with its reference rows or without; dropped at the end."""
        service = self._services[service_name]
        name = f"test_{service.name}_{secrets.token_hex(6)}"
        template = _template(service, seeded=seeded)
        async with self._admin() as connection:
            if template not in self._ready:
                await self._ensure_templates(connection, service, template, seeded=seeded)
                self._ready.add(template)
            # The files are copied as they are: to log every page takes longer, and nobody replays the log.
            create = f"CREATE DATABASE {name} TEMPLATE {template} OWNER {service.owner_role} STRATEGY file_copy"
            await connection.execute(create)
            await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {service.service_role}")
        try:
            yield TestDatabase(url=self._login_url(service, name), owner_url=self._url(name))
        finally:
            async with self._admin() as connection:
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _ensure_templates(
        self, connection: asyncpg.Connection, service: Service, template: str, *, seeded: bool
    ) -> None:
        """Build the template, and the one it is made from, unless another worker of this run has; they take turns."""
        await connection.execute("SELECT pg_advisory_lock($1)", TEMPLATE_LOCK)
        try:
            migrated = _template(service, seeded=False)
            if not await _is_there(connection, migrated):
                await connection.execute(f"DROP DATABASE IF EXISTS {migrated} WITH (FORCE)")
                await _build_template(service, self._login_url(service, migrated), self._url(migrated))
                await connection.execute(f"ALTER DATABASE {migrated} IS_TEMPLATE true")
            if seeded and not await _is_there(connection, template):
                await connection.execute(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")
                await connection.execute(f"CREATE DATABASE {template} TEMPLATE {migrated} OWNER {service.owner_role}")
                await _seed(service, self._url(template))
                await connection.execute(f"ALTER DATABASE {template} IS_TEMPLATE true")
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", TEMPLATE_LOCK)

    @asynccontextmanager
    async def _admin(self) -> AsyncGenerator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._admin_url)
        try:
            yield connection
        finally:
            await connection.close()

    def _url(self, database: str) -> str:
        return make_url(self._admin_url).set(database=database).render_as_string(hide_password=False)

    def _login_url(self, service: Service, database: str) -> str:
        login = make_url(self._admin_url).set(
            database=database, username=f"orion_test_{service.name}", password=LOGIN_PASSWORD
        )
        return login.render_as_string(hide_password=False)


async def _build_template(service: Service, url: str, owner_url: str) -> None:
    """Found by entry point: orion_db, which migrates, stands above core."""
    (build,) = entry_points(group="orion.testing", name="build_template")
    await build.load()(service, url, owner_url)


async def _seed(service: Service, owner_url: str) -> None:
    database = Database.connect(owner_url, role=service.owner_role, application="test seed")
    async with database.transaction() as transaction:
        await service.seed(transaction.connection, "reference")
    await database.close()


async def _is_there(connection: asyncpg.Connection, template: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)"
    return bool(await connection.fetchval(query, template))


def _template(service: Service, *, seeded: bool) -> str:
    return f"orion_template_{service.name}{'_seeded' if seeded else ''}"
