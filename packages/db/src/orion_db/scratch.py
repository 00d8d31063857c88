"""Scratch databases: made on the target's server to see what migrations and models build, and dropped again."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog, read_catalog
from orion_db.connections import maintenance_connection, owner_connection
from orion_db.deployment.apply import Migrator
from orion_db.history import KEPT, create_history
from orion_db.revisions import Revision
from orion_db.roles import create_database, drop_database
from orion_db.targets import Target

PREFIX = "orion_scratch_"
_LEFT_OVER_SECONDS = 3600


@asynccontextmanager
async def scratch_database(target: Target) -> AsyncGenerator[Target]:
    """An empty database with the service's owner and fence, for the time of the block.

    Scratch databases of the service that a crash has left behind for more than an hour are dropped on the way.
    Raises Problem `may_not_create_databases`.
    """
    name = f"{PREFIX}{target.service.name}_{int(time.time())}_{secrets.token_hex(4)}"
    async with maintenance_connection(target, "scratch database") as connection:
        await _drop_left_overs(connection, target)
        await create_database(connection, target.service, name, target.login)
    try:
        yield pointed_at(target, name)
    finally:
        async with maintenance_connection(target, "scratch database") as connection:
            await drop_database(connection, name, target.login)


async def migrate_scratch(scratch: Target, revisions: list[Revision]) -> None:
    """Apply the revisions to the scratch database; nobody else is there, so no lock is needed."""
    async with owner_connection(scratch, "scratch database") as connection:
        async with connection.begin():
            await create_history(connection, scratch.service)
        migrator = Migrator(scratch, connection)
        for revision in revisions:
            await migrator.apply(revision)


async def create_from_models(scratch: Target) -> None:
    """Build what the models say, in the scratch database."""
    async with owner_connection(scratch, "scratch database") as connection, connection.begin():
        await connection.run_sync(scratch.service.metadata.create_all)


async def catalog_of(target: Target) -> Catalog:
    """The catalog of a database, less the tables that this tool keeps for itself."""
    async with owner_connection(target, "catalog") as connection, connection.begin():
        return await catalog_in(connection)


async def catalog_in(connection: AsyncConnection) -> Catalog:
    """The same, as the connection's transaction sees it."""
    found = await read_catalog(connection)
    return {key: facts for key, facts in found.items() if KEPT.isdisjoint((key[1], facts.get("table")))}


async def catalog_of_migrations(target: Target, revisions: list[Revision]) -> Catalog:
    """What the revisions build from nothing."""
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, revisions)
        return await catalog_of(scratch)


async def catalogs_along(target: Target, revisions: list[Revision]) -> list[Catalog]:
    """What the revisions build, one by one: the catalog of nothing first, then that after each revision."""
    async with scratch_database(target) as scratch:
        await migrate_scratch(scratch, [])
        found = [await catalog_of(scratch)]
        for revision in revisions:
            await migrate_scratch(scratch, [revision])
            found.append(await catalog_of(scratch))
        return found


async def catalog_of_models(target: Target) -> Catalog:
    """What the models build from nothing."""
    async with scratch_database(target) as scratch:
        await create_from_models(scratch)
        return await catalog_of(scratch)


def pointed_at(target: Target, database: str) -> Target:
    """The target with another database on the same server."""
    owner_url, url = (
        make_url(address).set(database=database).render_as_string(hide_password=False)
        for address in (target.owner_url, target.url)
    )
    return replace(target, url=url, owner_url=owner_url)


async def _drop_left_overs(connection: AsyncConnection, target: Target) -> None:
    prefix = f"{PREFIX}{target.service.name}_"
    names = await connection.execute(
        text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"), {"prefix": prefix}
    )
    for name in names.scalars().all():
        made_at = name.removeprefix(prefix).partition("_")[0]
        if made_at.isdigit() and time.time() - int(made_at) > _LEFT_OVER_SECONDS:
            await drop_database(connection, name, target.login)
