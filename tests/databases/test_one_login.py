"""The seed document's single login, when it is no superuser: CREATEDB and CREATEROLE are enough, on every version."""

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url

import orion_db
from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.databases.conftest import Server


async def test_a_login_that_may_create_databases_and_roles_prepares_everything(server: "Server") -> None:
    suffix = secrets.token_hex(3)
    service = replace(installed_services()["auth"], name=f"fresh_{suffix}")
    clerk, database = f"clerk_{suffix}", f"fresh_{suffix}"
    own = make_url(server.admin_url).set(username=clerk, password="strong", database=database)
    url = own.render_as_string(hide_password=False)
    admin = await asyncpg.connect(server.admin_url)
    await admin.execute(f"CREATE ROLE {clerk} LOGIN CREATEDB CREATEROLE PASSWORD 'strong'")
    try:
        both = orion_db.Target(service, url=url, owner_url=url)
        made = await orion_db.prepare(both)
        assert made.database
        assert made.roles == [service.owner_role, service.service_role]
        least = own.set(username=f"least_{suffix}", password="weak").render_as_string(hide_password=False)
        made = await orion_db.prepare(orion_db.Target(service, url=least, owner_url=url))
        assert (made.database, made.roles) == (False, [f"least_{suffix}"])
        connection = await asyncpg.connect(least, server_settings={"role": service.service_role})
        assert await connection.fetchval("SELECT current_user") == service.service_role
        await connection.close()
        assert (await orion_db.prepare(both)) == orion_db.Preparation()
    finally:
        await server.drop(database)
        for role in (f"least_{suffix}", service.service_role, service.owner_role, clerk):
            await admin.execute(f'DROP OWNED BY "{role}"')
            await admin.execute(f'DROP ROLE "{role}"')
        await admin.close()
