"""A service's login reaches its own database and nothing else, and changes rows and nothing else."""

from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import make_url
from tests.databases.conftest import fetch

from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

SERVICES = sorted(installed_services())
FORBIDDEN = (
    "CREATE TABLE mine (id integer)",
    "CREATE TEMPORARY TABLE mine (id integer)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE outbox ADD COLUMN mine integer",
    "DROP TABLE outbox",
    "TRUNCATE outbox",
    "CREATE INDEX mine ON outbox (type)",
    "ALTER TABLE inbox DISABLE TRIGGER ALL",
    "INSERT INTO schema_migrations (name, checksum, duration_ms) VALUES ('x', 'x', 0)",
    "CREATE ROLE mine",
)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_cannot_connect_to_the_others(platform: "Platform", service: str) -> None:
    own = make_url(platform.targets[service].url)
    assert await fetch(own.render_as_string(hide_password=False), "SELECT count(*) FROM outbox")
    for name, other in platform.targets.items():
        if name != service:
            url = own.set(database=other.database).render_as_string(hide_password=False)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await fetch(url, "SELECT 1")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_changes_no_schema(platform: "Platform", service: str) -> None:
    for statement in (*FORBIDDEN, f"SET ROLE orion_{service}_owner"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fetch(platform.targets[service].url, statement)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_owns_nothing_and_is_nobody_else(platform: "Platform", service: str) -> None:
    login, role = f"databases_test_{service}", f"orion_{service}_service"
    for name in (login, role):
        owned = f"SELECT 1 FROM pg_shdepend WHERE refobjid = '{name}'::regrole AND deptype = 'o'"
        assert await platform.read(service, owned) == []
    memberships = f"SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{login}'::regrole"
    assert await platform.column(service, memberships) == [role]
    strong = f"""SELECT rolname FROM pg_roles WHERE rolname IN ('{login}', '{role}', 'orion_{service}_owner')
      AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"""
    assert await platform.column(service, strong) == []
    assert await platform.column(service, f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{role}'") == [False]


@pytest.mark.parametrize(
    ("service", "table"),
    [("user", "audit_logs"), ("auth", "login_attempts"), ("auth", "security_events")],
)
async def test_what_only_grows_cannot_be_rewritten(platform: "Platform", service: str, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET ip_address = NULL"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fetch(platform.targets[service].url, statement)
