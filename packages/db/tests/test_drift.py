"""What somebody has changed by hand is found and named, one thing at a time; on a clean database nothing is."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import MetaData

import orion_db
from orion_db.catalog.partitions import expected_bound
from orion_db.migrate import migrate

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

PLANTED = {
    "column added": ("ALTER TABLE inbox ADD COLUMN note text", "extra column inbox.note"),
    "column dropped": ("ALTER TABLE inbox DROP COLUMN type", "missing column inbox.type"),
    "type": ("ALTER TABLE inbox ALTER COLUMN type TYPE varchar(121)", "changed column inbox.type (type"),
    "default": ("ALTER TABLE inbox ALTER COLUMN created_at DROP DEFAULT", "changed column inbox.created_at (default"),
    "nullability": ("ALTER TABLE inbox ALTER COLUMN type DROP NOT NULL", "changed column inbox.type (not null"),
    "column comment": ("COMMENT ON COLUMN inbox.type IS 'x'", "changed column inbox.type (comment"),
    "table added": ("CREATE TABLE other (id integer)", "extra table other"),
    "table dropped": ("DROP TABLE inbox_cursors", "missing table inbox_cursors"),
    "persistence": ("ALTER TABLE inbox SET UNLOGGED", "changed table inbox (persistence"),
    "table option": ("ALTER TABLE inbox SET (fillfactor = 70)", "changed table inbox (options"),
    "owner": ("ALTER TABLE inbox OWNER TO postgres", "changed table inbox (grants"),
    "grant": ("GRANT DELETE ON inbox TO PUBLIC", "changed table inbox (grants"),
    "grant taken": ("REVOKE INSERT ON visits FROM orion_shop_service", "changed table visits (grants"),
    "row security": ("ALTER TABLE inbox ENABLE ROW LEVEL SECURITY", "changed table inbox (row security"),
    "index added": ("CREATE INDEX extra ON inbox (type)", "extra index extra"),
    "index dropped": ("DROP INDEX ix_idempotency_keys_expires_at", "missing index ix_idempotency_keys_expires_at"),
    "partial predicate": (
        "DROP INDEX ix_outbox_position;; CREATE INDEX ix_outbox_position ON outbox (position) WHERE position > 0",
        "changed index ix_outbox_position (definition",
    ),
    "check": ("ALTER TABLE inbox ADD CONSTRAINT odd CHECK (position > 0)", "extra constraint inbox.odd"),
    "check not valid": (
        "ALTER TABLE inbox ADD CONSTRAINT odd CHECK (position > 0) NOT VALID",
        "extra constraint inbox.odd",
    ),
    "trigger dropped": ("DROP TRIGGER set_updated_at ON inbox", "missing trigger inbox.set_updated_at"),
    "trigger disabled": (
        "ALTER TABLE inbox DISABLE TRIGGER set_updated_at",
        "changed trigger inbox.set_updated_at (ena",
    ),
    "function": (
        "CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "changed function set_updated_at() (definition",
    ),
    "function grant": (
        "GRANT EXECUTE ON FUNCTION ensure_partitions(regclass, integer) TO PUBLIC",
        "changed function ensure_partitions(parent regclass, months_ahead integer) (grants",
    ),
    "sequence": ("ALTER SEQUENCE outbox_sequence INCREMENT 2", "changed sequence outbox_sequence (increment"),
    "enum": ("CREATE TYPE mood AS ENUM ('GOOD')", "extra enum mood"),
    "view": ("CREATE VIEW seen AS SELECT id FROM inbox", "extra view seen"),
    "extension": ("CREATE EXTENSION citext", "extra extension citext"),
    "schema": ("CREATE SCHEMA reporting", "extra schema reporting"),
    "default partition": ("DROP TABLE visits_default", "missing table visits_default"),
    "partition with another bound": (
        "CREATE TABLE visits_y2001m01 PARTITION OF visits FOR VALUES FROM (MINVALUE) TO ('{first}')",
        "extra table visits_y2001m01",
    ),
    "public may connect": ("GRANT CONNECT ON DATABASE {database} TO PUBLIC", "changed database database (grants"),
    "setting": ("ALTER DATABASE {database} SET work_mem = '1GB'", "extra setting work_mem"),
}


@pytest.mark.slow
async def test_every_planted_drift_is_found_and_named(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    clean = await orion_db.catalog_of(shop.target)
    found = await orion_db.status(shop.target)
    assert (found.drift, found.exit_code) == ((), orion_db.Exit.OK)
    for what, (statement, expected) in PLANTED.items():
        differences = await differences_after(shop, clean, statement)
        assert any(line.startswith(expected) for line in differences), (what, differences)


async def differences_after(shop: "Shop", clean: dict[tuple[str, str], dict[str, object]], statement: str) -> list[str]:
    """Plant the drift in a copy of the database, and read the copy."""
    target = shop.target
    copy = f"{shop.database}_copy"
    await shop.run(f"CREATE DATABASE {copy} TEMPLATE {shop.database} OWNER orion_shop_owner", shop.admin_url)
    try:
        url = shop.url(database=copy)
        await shop.run(f"REVOKE ALL ON DATABASE {copy} FROM PUBLIC", url)
        await shop.run(f"GRANT CONNECT ON DATABASE {copy} TO orion_shop_owner, orion_shop_service", url)
        for part in statement.format(database=copy, first=UUID(int=1)).split(";; "):
            await shop.run(part, url)
        found = await orion_db.catalog_of(orion_db.Target(target.service, url, url))
    finally:
        await shop.run(f"DROP DATABASE {copy} WITH (FORCE)", shop.admin_url)
    return [str(difference) for difference in orion_db.compare(clean, found)]


async def test_drift_is_the_exit_code_two(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.run("ALTER TABLE goods ADD COLUMN by_hand text")
    found = await orion_db.status(shop.target)
    assert found.exit_code == orion_db.Exit.DRIFTED
    assert [str(difference) for difference in found.drift or ()] == ["extra column goods.by_hand"]


async def test_scratch_databases_are_dropped_also_those_that_a_crash_left(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    old, new = "orion_scratch_shop_1000000000_dead", "orion_scratch_shop_99999999999_alive"
    for name in (old, new):
        await shop.run(f"CREATE DATABASE {name} OWNER orion_shop_owner", shop.admin_url)
    try:
        await orion_db.status(shop.target)
        left = await shop.run("SELECT datname FROM pg_database WHERE datname IN ($$" + old + "$$, $$" + new + "$$)")
        assert [row["datname"] for row in left] == [new]
    finally:
        await shop.run(f"DROP DATABASE {new}", shop.admin_url)


def test_the_bound_of_a_month() -> None:
    assert expected_bound("visits_y2025m12") == (
        "FOR VALUES FROM ('019ad735-8400-0000-0000-000000000000') TO ('019b76da-a800-0000-0000-000000000000')"
    )
    assert expected_bound("visits_y2025m13") is None
    assert expected_bound("visits_default") is None
