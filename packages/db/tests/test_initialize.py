"""From nothing to a database, and to a new one: roles, fences, seeds, production."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest

import orion_db
from orion_db.initialize import forecast
from orion_db.locks import LOCK_KEY
from orion_db.passwords import scram_verifier
from orion_db.roles import quoted

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


@pytest.fixture
async def clerk(shop: "Shop") -> AsyncGenerator[str]:
    """A login that may create databases and roles, and is no superuser: the one strong login of the seed document."""
    name = f"clerk_{secrets.token_hex(4)}"
    await shop.run(f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD 'strong'", shop.admin_url)
    await shop.run(f"GRANT orion_shop_owner, orion_shop_service TO {name} WITH ADMIN OPTION", shop.admin_url)
    yield name
    await shop.drop()
    await shop.run(f"DROP OWNED BY {name}", shop.admin_url)
    await shop.run(f"DROP ROLE {name}", shop.admin_url)


async def test_the_second_time_nothing_changes(shop: "Shop") -> None:
    first = await orion_db.initialize(shop.target)
    assert first.database_made
    assert [name for name, _ in first.deployment.applied] == ["0001_goods", "0002_prices"]
    assert first.seeding is not None
    assert first.seeding.inserted == {"goods": 2}
    before = await orion_db.catalog_of(shop.target)
    rows = await shop.run("SELECT xmin, * FROM goods")
    second = await orion_db.initialize(shop.target)
    assert not second.database_made
    assert (second.roles_made, second.memberships_made, second.deployment.applied) == ((), (), ())
    assert second.seeding is not None
    assert (second.seeding.inserted, second.seeding.left_alone) == ({"goods": 0}, {"goods": 2})
    assert await orion_db.catalog_of(shop.target) == before
    assert await shop.run("SELECT xmin, * FROM goods") == rows


async def test_two_at_once_end_well(shop: "Shop") -> None:
    done = await asyncio.gather(*(orion_db.initialize(shop.target) for _ in range(4)))
    assert sum(one.database_made for one in done) == 1
    assert sum(len(one.deployment.applied) for one in done) == 2
    assert sum(one.seeding.inserted["goods"] for one in done if one.seeding) == 2


async def test_who_is_initializing_is_named_and_waited_for(shop: "Shop") -> None:
    holder = await asyncpg.connect(shop.admin_url, server_settings={"application_name": "an init of tonight"})
    said: list[str] = []
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(orion_db.Problem, match="an init of tonight") as raised:
        await orion_db.prepare(shop.target, wait_seconds=0.3, progress=lambda step: said.append(step.what))
    assert (raised.value.code, raised.value.exit_code) == ("locked", orion_db.Exit.LOCKED)
    assert any("an init of tonight" in words for words in said)
    preparing = asyncio.create_task(orion_db.prepare(shop.target))
    await asyncio.sleep(0.4)
    assert not preparing.done()
    await holder.close()
    assert (await preparing).database


async def test_one_login_that_is_no_superuser_is_enough(shop: "Shop", clerk: str) -> None:
    url = shop.url(clerk, "strong")
    target = orion_db.Target(shop.service, url=url, owner_url=url)
    await orion_db.initialize(target)
    found = await orion_db.status(target)
    assert (found.drift, found.exit_code) == ((), orion_db.Exit.OK)


async def test_the_service_is_fenced_in(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    other = replace(shop.service, database="other")
    database = f"{shop.database}_other"
    admin = await asyncpg.connect(shop.admin_url)
    await admin.execute("CREATE ROLE orion_other_owner")
    await admin.execute("CREATE ROLE orion_other_service")
    await admin.execute(f"CREATE DATABASE {database} OWNER orion_other_owner")
    other = replace(other, name="other")
    elsewhere = orion_db.Target(other, shop.url(database=database), shop.url(database=database))
    try:
        async with orion_db_admin(elsewhere) as connection:
            await orion_db.fence_database(connection, other, database)
        url = shop.target.url
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shop.run("SELECT 1", shop.url("shop_login", "its-secret", database))
        for statement in (
            "CREATE TABLE mine (id integer)",
            "ALTER TABLE goods ADD COLUMN mine integer",
            "DROP TABLE prices",
            "CREATE SCHEMA mine",
            "TRUNCATE goods",
            "DELETE FROM goods",
            "SELECT * FROM prices",
            "UPDATE schema_migrations SET applied_at = now()",
            "SET ROLE orion_shop_owner",
            "CREATE TEMPORARY TABLE mine (id integer)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await shop.run(statement, url)
        assert len(await shop.run("SELECT * FROM goods", url)) == 2
        assert await shop.run("SELECT * FROM schema_migrations", url)
        assert not await shop.run(
            "SELECT FROM pg_shdepend WHERE refobjid = 'orion_shop_service'::regrole AND deptype = 'o'"
        )
    finally:
        await admin.execute(f"DROP DATABASE {database}")
        await admin.execute("DROP ROLE orion_other_owner, orion_other_service")
        await admin.close()


def orion_db_admin(target: orion_db.Target):
    from orion_db.connections import maintenance_connection

    return maintenance_connection(target, "test")


async def test_the_password_of_the_url_is_the_logins(shop: "Shop") -> None:
    login = f"käufer_{secrets.token_hex(3)}"
    password = "pä$$wörd / with spaces"
    target = replace(shop.target, url=shop.url(login, password))
    try:
        await orion_db.initialize(target)
        assert await shop.run("SELECT current_user", shop.url(login, password))
        with pytest.raises(orion_db.Problem) as raised:
            await orion_db.initialize(replace(target, url=shop.url(login, "another")))
        assert raised.value.code == "wrong_password"
        assert "SHOP_DATABASE_URL" in raised.value.what
    finally:
        await shop.drop()
        await shop.run(f'DROP ROLE "{login}"', shop.admin_url)


def test_verifier_is_the_one_of_rfc_7677() -> None:
    verifier = scram_verifier("pencil", bytes.fromhex("5b6d99689d123594e01bba3dd6f7dd0e".replace(" ", "")))
    assert verifier.startswith("SCRAM-SHA-256$4096:")
    assert verifier == scram_verifier("pencil", bytes.fromhex("5b6d99689d123594e01bba3dd6f7dd0e"))
    assert "pencil" not in verifier


async def test_seeds_in_production_are_reference_data_unless_named(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, production=True)
    assert [row["name"] for row in await shop.run("SELECT name FROM goods")] == ["apple"]
    # The mark in the database holds also for whoever comes without ORION_ENV.
    assert (await orion_db.seed(shop.target)).profile == "reference"
    assert (await orion_db.seed(shop.target, profile="development")).inserted == {"goods": 1}


async def test_seeds_leave_alone_what_was_edited(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    await shop.run("UPDATE goods SET name = 'pear' WHERE id = 1")
    await orion_db.seed(shop.target)
    assert [row["name"] for row in await shop.run("SELECT name FROM goods WHERE id = 1")] == ["pear"]


async def test_seeds_wait_for_the_schema(shop: "Shop") -> None:
    await orion_db.prepare(shop.target)
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.seed(shop.target)
    assert raised.value.code == "pending_migrations"


async def test_what_is_foretold_is_made_and_nothing_before(shop: "Shop") -> None:
    foretold = await forecast(shop.target)
    assert (foretold.database_missing, foretold.exit_code) == (True, 1)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await shop.run("SELECT 1")
    await orion_db.initialize(shop.target)
    await shop.run("DELETE FROM goods WHERE id = 1")
    foretold = await forecast(shop.target)
    assert foretold.seeding is not None
    assert (foretold.seeding.inserted, foretold.exit_code) == ({"goods": 1}, 1)
    assert await shop.run("SELECT FROM goods WHERE id = 1") == []
    await orion_db.seed(shop.target)
    assert (await forecast(shop.target)).exit_code == 0


async def test_names_and_settings_of_all_kinds_are_taken_as_they_are(shop: "Shop") -> None:
    shop.database = f"""Ü "q" 100%s x'y {shop.database}"""
    await orion_db.initialize(shop.target)
    name = quoted(shop.database)
    for setting in ("search_path = nowhere", "quote_all_identifiers = on", "standard_conforming_strings = off"):
        await shop.run(f"ALTER DATABASE {name} SET {setting}")
    again = await orion_db.initialize(shop.target)
    assert again.seeding is not None
    assert (again.database_made, again.seeding.left_alone) == (False, {"goods": 2})
