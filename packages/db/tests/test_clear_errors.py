"""What cannot work says what, why and what to do; without a traceback, and never with a password."""

import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError

import orion_db
from orion_core.local.ports import free_port
from orion_db.errors import reason

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

PASSWORD = "correct-horse"


@pytest.fixture
async def login(shop: "Shop") -> AsyncGenerator[str]:
    """A login without any right."""
    name = f"clerk_{secrets.token_hex(4)}"
    await shop.run(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'", shop.admin_url)
    yield name
    await shop.drop()
    await shop.run(f"DROP OWNED BY {name}", shop.admin_url)
    await shop.run(f"DROP ROLE {name}", shop.admin_url)


def owned_by(shop: "Shop", url: str) -> orion_db.Target:
    return replace(shop.target, owner_url=url)


async def problem_of(target: orion_db.Target) -> orion_db.Problem:
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.deploy(target)
    problem = raised.value
    assert problem.what
    assert problem.why
    assert problem.todo
    secret = make_url(target.owner_url).password
    assert not secret or str(secret) not in str(problem)
    return problem


async def test_no_server(shop: "Shop") -> None:
    port = free_port()
    problem = await problem_of(owned_by(shop, f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{shop.database}"))
    assert (problem.code, problem.exit_code) == ("no_server", orion_db.Exit.UNREACHABLE)
    assert f"127.0.0.1:{port}" in problem.what
    assert "make up" in problem.todo


async def test_a_host_that_does_not_exist(shop: "Shop") -> None:
    problem = await problem_of(owned_by(shop, f"postgresql://postgres:{PASSWORD}@nowhere.invalid/{shop.database}"))
    assert problem.code == "no_server"


async def test_wrong_password(shop: "Shop", login: str) -> None:
    problem = await problem_of(owned_by(shop, shop.url(login, "a-wrong-guess", "postgres")))
    assert (problem.code, problem.exit_code) == ("wrong_password", orion_db.Exit.UNREACHABLE)
    assert "SHOP_DATABASE_OWNER_URL" in problem.what


async def test_the_database_is_missing(shop: "Shop") -> None:
    problem = await problem_of(shop.target)
    assert (problem.code, problem.exit_code) == ("database_missing", orion_db.Exit.UNREACHABLE)
    assert "orion db init shop" in problem.todo


async def test_a_server_that_lets_nobody_in_for_now(shop: "Shop", login: str) -> None:
    await shop.run(f"ALTER ROLE {login} CONNECTION LIMIT 0", shop.admin_url)
    problem = await problem_of(owned_by(shop, shop.url(login, PASSWORD, "postgres")))
    assert (problem.code, problem.exit_code) == ("server_refused", orion_db.Exit.UNREACHABLE)
    assert "max_connections" in problem.todo and "started" not in problem.todo


async def test_a_login_that_may_not_connect(shop: "Shop", login: str) -> None:
    await orion_db.prepare(shop.target)
    problem = await problem_of(owned_by(shop, shop.url(login, PASSWORD)))
    assert (problem.code, problem.exit_code) == ("connect_forbidden", orion_db.Exit.FORBIDDEN)


async def test_a_login_that_may_not_act_as_the_owner(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    problem = await problem_of(owned_by(shop, shop.target.url))
    assert (problem.code, problem.exit_code) == ("permission_missing", orion_db.Exit.FORBIDDEN)
    assert "GRANT orion_shop_owner TO shop_login" in problem.todo


async def test_a_login_that_may_not_create_databases(shop: "Shop", login: str) -> None:
    await orion_db.prepare(shop.target)
    await shop.drop()
    await shop.run(f"GRANT orion_shop_owner, orion_shop_service TO {login}", shop.admin_url)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.initialize(owned_by(shop, shop.url(login, PASSWORD)))
    assert raised.value.code == "may_not_create_databases"
    assert f"ALTER ROLE {login} CREATEDB" in raised.value.todo


async def test_a_login_that_may_not_create_roles(shop: "Shop", login: str) -> None:
    url = shop.url(login, PASSWORD)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.initialize(replace(shop.target, url=shop.url(f"new_{login}", "x"), owner_url=url))
    assert raised.value.code == "may_not_create_roles"
    assert f"ALTER ROLE {login} CREATEROLE" in raised.value.todo


async def test_without_createdb_status_says_why_it_knows_nothing_of_drift(shop: "Shop", login: str) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.run(f"GRANT orion_shop_owner TO {login}", shop.admin_url)
    found = await orion_db.status(owned_by(shop, shop.url(login, PASSWORD)))
    assert (found.drift, found.exit_code) == (None, orion_db.Exit.OK)
    assert "CREATEDB" in found.drift_unknown


async def test_a_database_of_somebody_else_is_not_taken_over(shop: "Shop") -> None:
    await shop.run(f"CREATE DATABASE {shop.database}", shop.admin_url)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.initialize(shop.target)
    assert (raised.value.code, raised.value.exit_code) == ("database_of_another", orion_db.Exit.REFUSED)


async def test_the_roles_are_missing(shop: "Shop") -> None:
    service = replace(shop.service, name="unknown")
    target = orion_db.Target(service, shop.url(database="postgres"), shop.url(database="postgres"))
    problem = await problem_of(target)
    assert problem.code == "role_missing"


async def test_a_migration_that_may_not_do_what_it_does(shop: "Shop") -> None:
    shop.write(
        "0003_role",
        '"""Too much."""\nfrom alembic import op\n\n\ndef upgrade() -> None:\n    op.execute("CREATE ROLE too_much")\n',
    )
    await orion_db.prepare(shop.target)
    problem = await problem_of(shop.target)
    assert (problem.code, problem.exit_code) == ("permission_missing", orion_db.Exit.FORBIDDEN)
    assert "CREATE ROLE too_much" in problem.why


def test_what_the_driver_says_is_told_without_statement_and_parameters() -> None:
    said = RuntimeError("adapted")
    said.__cause__ = asyncpg.InterfaceError("connection is closed")
    error = InterfaceError("SELECT $1", {"password": "hidden"}, said)
    assert reason(error) == "connection is closed"
