"""Revisions of several steps for the shop, and what must be true when one was applied."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

import orion_db

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

REVISION = '''
"""A change."""
from alembic import op

phase = "pre"
{head}

def upgrade() -> None:
{body}


def downgrade() -> None:
    op.execute({down!r})
'''


def revision(*statements: str, down: str = "SELECT 1", head: str = "") -> str:
    body = "\n".join(f"    op.execute({statement!r})" for statement in statements) or "    pass"
    return REVISION.format(head=head, body=body, down=down)


INDEX = "CREATE INDEX ix_goods_name ON goods (name)"
ADD = "ALTER TABLE goods ADD COLUMN weight integer"
PARTS = (
    "CREATE TABLE parts (number integer, goods_id integer) PARTITION BY RANGE (number)",
    *(f"CREATE TABLE parts_{n} PARTITION OF parts FOR VALUES FROM ({n}) TO ({n + 1})" for n in range(3)),
)

BACKFILL = '''
backfill = """
    UPDATE goods SET weight = id WHERE id IN (
      SELECT id FROM goods WHERE weight IS NULL LIMIT 100 FOR UPDATE SKIP LOCKED)"""
'''


@asynccontextmanager
async def holding(shop: "Shop", statement: str) -> AsyncGenerator[asyncpg.Connection]:
    """A session that has run the statement in a transaction, and goes on holding its locks."""
    session = await asyncpg.connect(shop.url(), server_settings={"application_name": "a long report"})
    try:
        async with session.transaction():
            await session.execute(statement)
            yield session
    finally:
        await session.close()


async def is_whole(shop: "Shop", name: str) -> None:
    """The revision is applied once, nothing is left over, and all is as the migrations make it."""
    assert len(await shop.run(f"SELECT FROM schema_migrations WHERE name = '{name}'")) == 1
    assert not await shop.run("SELECT FROM schema_migration_progress")
    assert not await shop.run("SELECT FROM pg_index WHERE NOT indisvalid")
    found = await orion_db.status(shop.target)
    assert (found.exit_code, found.drift) == (orion_db.Exit.OK, ()), found.in_words()
