"""What drift says and prints of a service's database. That every kind is found is proved on the real services."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import MetaData

import orion_db
from orion_db.authoring.migrate import migrate
from orion_db.catalog.partitions import expected_bound
from orion_db.connections import owner_connection
from orion_db.deployment.resolve import resolve
from orion_db.deployment.unfinished import begin
from orion_db.drift.diff import diff
from orion_db.drift.drift import Drift, drift
from orion_db.errors import Exit, Problem
from orion_db.repair.script import DISCARD
from orion_db.revisions import read_revisions
from orion_db.role_drift import read_role_drift

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


async def named(shop: "Shop") -> list[str]:
    found = await drift(shop.target)
    return [str(entry) for entry in (*found.differences, *found.history)]


async def repaired(shop: "Shop", found: Drift) -> None:
    """Run what was printed, as it was printed: the indented lines under the words of the first repair."""
    words = found.in_words()
    start = next(number for number, line in enumerate(words) if line.startswith("Back to the migrations"))
    end = next(number for number, line in enumerate(words) if line.startswith("Or onward"))
    await shop.script("\n".join(words[start + 1 : end]))


async def test_both_repairs_are_printed_and_the_first_one_runs(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    clean = await drift(shop.target)
    assert (clean.exit_code, clean.in_words()) == (Exit.OK, [f"{shop.database} is what the migrations make; no drift"])
    await shop.run("ALTER TABLE goods ADD COLUMN by_hand text")
    found = await drift(shop.target)
    assert found.exit_code == Exit.DRIFTED
    words = "\n".join(found.in_words())
    assert "- extra column goods.by_hand" in words
    assert "-- Destroys the values of goods.by_hand" in words
    assert "ALTER TABLE public.goods DROP COLUMN by_hand;" in words
    assert "ALTER TABLE public.goods ADD COLUMN by_hand text;" in words
    assert found.as_json()["back"]["statements"][0]["destroys"] == "the values of goods.by_hand"
    await repaired(shop, found)
    assert await named(shop) == []


async def test_what_is_printed_destroys_no_rows_unless_told_to(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.script("""
        CREATE TABLE "Odd ones" ("Of" integer); INSERT INTO "Odd ones" VALUES (1);
        INSERT INTO goods VALUES (1); ALTER TABLE goods ADD COLUMN by_hand text, ADD COLUMN "is.kept" text DEFAULT 'x'
    """)
    before = await named(shop)
    assert before == ["extra column goods.by_hand", "extra column goods.is.kept", "extra table Odd ones"]
    for kept in ("the values of goods.is.kept", "the table Odd ones with its rows"):
        with pytest.raises(asyncpg.PostgresError, match=f"this would destroy {kept}"):
            await shop.script((await drift(shop.target)).script)
        assert await named(shop) == before
        await shop.run('UPDATE goods SET "is.kept" = NULL')
    await shop.script(f"SET {DISCARD} = 'yes';" + (await drift(shop.target)).script)
    assert await named(shop) == []


GIVEN = {
    "ALTER ROLE orion_stall_service SUPERUSER BYPASSRLS LOGIN": "attributes: ['BYPASSRLS', 'LOGIN', 'SUPERUSER']",
    "ALTER ROLE orion_stall_owner CREATEDB": "attributes: ['CREATEDB']",
    "ALTER ROLE stall_login CREATEROLE": "attributes: ['CREATEROLE']",
    "GRANT orion_stall_owner TO orion_stall_service": "member of: ['orion_stall_owner']",
    "GRANT pg_write_all_data TO orion_stall_service": "member of: ['pg_write_all_data']",
    "GRANT orion_stall_owner TO stall_login": "member of: ['orion_stall_owner']",
}


async def test_a_role_that_may_more_than_it_should_is_drift(stall: "Shop") -> None:
    await orion_db.initialize(stall.target, seeds=False)
    for given, found in GIVEN.items():
        await stall.run(given)
        async with owner_connection(stall.target, "test") as connection:
            (drifted,) = await read_role_drift(connection, stall.target)
        await stall.script("; ".join(statement.sql for statement in drifted.repair))
        assert found in str(drifted.difference)
    await stall.run("ALTER ROLE orion_stall_service CREATEDB")
    whole = await drift(stall.target)
    await stall.script(whole.script)
    assert [str(entry) for entry in whole.differences] == [
        "changed role orion_stall_service (attributes: ['CREATEDB'] instead of [])"
    ]
    assert await named(stall) == []


async def test_what_is_half_done_is_said_and_not_repaired(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    third = shop.write("0003_more", (shop.folder / "0002_prices.py").read_text(encoding="utf-8"))
    revision = read_revisions(shop.folder)[-1]
    async with owner_connection(shop.target, "test") as connection, connection.begin():
        await connection.exec_driver_sql("ALTER TABLE goods ADD COLUMN half text")
        await begin(connection, revision, "upgrade", [])
    found = await drift(shop.target)
    assert ([str(entry) for entry in found.differences], found.back.statements) == (["extra column goods.half"], ())
    assert any(line.startswith(f"half done: {third.stem}") for line in found.in_words())
    assert "DROP" not in found.script and "half done" in found.script
    with pytest.raises(Problem) as raised:
        await drift(shop.target, migration="mine")
    assert raised.value.code == "half_done"


async def test_the_other_repair_is_a_migration_that_says_what_is_there(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.script("""
        ALTER TABLE goods ADD COLUMN by_hand text DEFAULT 'a:b' CONSTRAINT ck_by CHECK (by_hand <> '"');
        CREATE VIEW cheap AS SELECT id FROM goods; ALTER VIEW cheap OWNER TO orion_shop_owner""")
    found = await drift(shop.target, migration="what somebody did")
    assert found.migration is not None
    assert found.migration.name == "0003_what_somebody_did.py"
    assert (await resolve(shop.target, applied="0003_what_somebody_did")).outcome == "recorded"
    assert await named(shop) == []
    await orion_db.rollback(shop.target)
    await orion_db.deploy(shop.target)
    assert await named(shop) == []


async def test_what_the_owner_may_not_do_is_not_written_as_a_migration(shop: "Shop") -> None:
    """Run as an owner who is no superuser, as in production."""
    await orion_db.initialize(shop.target, seeds=False)
    await shop.run("ALTER TABLE goods OWNER TO postgres")
    with pytest.raises(Problem) as raised:
        await drift(shop.target, migration="theirs")
    assert raised.value.code == "not_adoptable"
    assert len(list(shop.folder.glob("*.py"))) == 2


async def test_an_edited_migration_is_named_with_its_repair(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    file = shop.folder / "0001_goods.py"
    file.write_text(file.read_text(encoding="utf-8") + "# a comment\n", encoding="utf-8")
    found = await drift(shop.target)
    assert [str(entry) for entry in found.history] == [
        "edited migration 0001_goods: its file is not the one that was applied"
    ]
    assert "orion db resolve shop --applied 0001_goods" in found.history[0].repair
    await resolve(shop.target, applied="0001_goods")
    assert await named(shop) == []


@pytest.mark.parametrize("name", ["0001_goods", "0002_prices"])
async def test_a_row_of_the_history_that_is_gone_is_named_and_not_all_that_it_made(shop: "Shop", name: str) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.run(f"DELETE FROM schema_migrations WHERE name = '{name}'")
    await shop.run("ALTER TABLE goods ADD COLUMN by_hand text")
    found = await drift(shop.target)
    assert [str(entry) for entry in found.differences] == ["extra column goods.by_hand"]
    assert [(entry.name, entry.what) for entry in found.history] == [(name, "not recorded")]
    assert found.history[0].repair == f"orion db resolve shop --applied {name}"
    await repaired(shop, found)
    await resolve(shop.target, applied=name)
    assert await named(shop) == []


async def test_a_row_of_the_history_whose_objects_are_gone_is_named(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    await shop.run("DROP TABLE prices")
    found = await drift(shop.target)
    assert found.differences == ()
    assert [(entry.name, entry.what) for entry in found.history] == [("0002_prices", "not there")]
    await resolve(shop.target, rolled_back="0002_prices")
    await orion_db.deploy(shop.target)
    assert await named(shop) == []


async def test_pending_migrations_are_no_drift_and_the_order_of_columns_is_only_told(shop: "Shop") -> None:
    await orion_db.initialize(shop.target, seeds=False)
    shop.write("0003_more", (shop.folder / "0002_prices.py").read_text(encoding="utf-8").replace("prices", "more"))
    assert await named(shop) == []
    await shop.run("ALTER TABLE goods DROP COLUMN name")
    await repaired(shop, await drift(shop.target))
    found = await drift(shop.target)
    assert (found.exit_code, found.column_order) == (Exit.OK, ("goods",))


async def test_only_a_month_between_others_is_missed(shop: "Shop", house: Callable[[], MetaData]) -> None:
    """That no month is ready ahead is no drift: deploys and services make them. Rows of it stand in the default one."""
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    rows = await shop.run("SELECT relname FROM pg_class WHERE relname ~ '^visits_y....m..$'")
    last, this = max(str(row["relname"]) for row in rows), f"visits_y{datetime.now(UTC):%Ym%m}"
    await shop.run(f"DROP TABLE {last}")
    assert await named(shop) == []
    await shop.run(f"DROP TABLE {this}")
    found = await drift(shop.target)
    assert [str(entry) for entry in found.differences] == [f"missing partition {this}"]
    await repaired(shop, found)
    assert await named(shop) == []
    await shop.run(f"DROP TABLE {this}")
    await shop.run("INSERT INTO visits (place) VALUES ('default')")
    assert await named(shop) == []


async def test_any_two_of_live_migrations_and_models_are_compared(shop: "Shop", house: Callable[[], MetaData]) -> None:
    await orion_db.initialize(shop.target, seeds=False)
    shop.metadata = house()
    found = await diff(shop.target, "migrations", "models")
    assert found.exit_code == Exit.FOUND
    assert "missing table visits" in {str(entry) for entry in found.differences}
    assert any(statement.sql.startswith("CREATE TABLE public.visits") for statement in found.repair.statements)
    assert (await diff(shop.target, "live", "migrations")).exit_code == Exit.OK


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
