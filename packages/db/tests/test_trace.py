"""What revisions do, statement by statement, as PostgreSQL itself tells it."""

from typing import TYPE_CHECKING

import pytest

from orion_db.recorder import TracedStatement
from orion_db.revisions import read_revisions
from orion_db.trace import Trace, trace

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

BODY = '''
"""{title}."""
from alembic import op

phase = "pre"
{constants}

def upgrade() -> None:
{upgrade}


def downgrade() -> None:
    pass
'''


def revision(*statements: str, title: str = "Something", constants: str = "") -> str:
    """A revision file that executes the statements."""
    return BODY.format(
        title=title, upgrade="\n".join(f"    op.execute({s!r})" for s in statements), constants=constants
    )


async def traced(shop: "Shop", *names: str) -> tuple[Trace, ...]:
    revisions = read_revisions(shop.folder)
    return await trace(shop.target, revisions, names or [revisions[-1].name])


async def prepared(shop: "Shop") -> None:
    from orion_db.initialize import prepare

    await prepare(shop.target)


def by_start(found: Trace, start: str) -> TracedStatement:
    return next(statement for statement in found.statements if statement.sql.startswith(start))


async def test_locks_rewrites_and_scans_are_told_of_tables_that_existed(shop: "Shop") -> None:
    await prepared(shop)
    shop.write(
        "0003_many",
        revision(
            "CREATE TABLE shelves (id integer PRIMARY KEY)",
            "ALTER TABLE shelves ADD COLUMN name varchar(10)",
            "ALTER TABLE goods ADD COLUMN note varchar(10)",
            "ALTER TABLE goods ADD CONSTRAINT ck_note CHECK (note <> '')",
            "ALTER TABLE goods ALTER COLUMN id TYPE bigint",
            "ALTER TABLE goods ADD COLUMN shelf integer REFERENCES shelves",
            "UPDATE prices SET goods_id = 1",
            "CREATE INDEX ix_goods_name ON goods (name)",
        ),
    )
    (found,) = await traced(shop)
    assert found.failure is None
    assert by_start(found, "CREATE TABLE").locks == ()
    assert by_start(found, "ALTER TABLE shelves").locks == ()
    note = by_start(found, "ALTER TABLE goods ADD COLUMN note")
    assert [(lock.table, lock.mode) for lock in note.locks] == [("goods", "ACCESS EXCLUSIVE")]
    assert (note.rewrites, note.scans) == ((), ())
    assert by_start(found, "ALTER TABLE goods ADD CONSTRAINT").scans == ("goods",)
    assert by_start(found, "ALTER TABLE goods ALTER COLUMN id").rewrites == ("goods",)
    update = by_start(found, "UPDATE")
    assert (update.rows, [lock.table for lock in update.held]) == (0, ["goods", "prices"])
    index = by_start(found, "CREATE INDEX CONCURRENTLY ix_goods_name ON goods")
    assert [(lock.table, lock.mode) for lock in index.locks] == [("goods", "SHARE UPDATE EXCLUSIVE")]
    assert index.step == update.step + 1
    assert ("column", "goods.note") in found.after
    assert ("column", "goods.note") not in found.before


async def test_a_revision_that_asks_the_database_is_traced_as_well(shop: "Shop") -> None:
    await prepared(shop)
    asks = revision().replace(
        "def upgrade() -> None:\n",
        "def upgrade() -> None:\n"
        "    count = op.get_bind().exec_driver_sql('SELECT count(*) FROM goods').scalar()\n"
        "    op.execute(f'ALTER TABLE goods ADD COLUMN n integer DEFAULT {count}')\n",
    )
    shop.write("0003_asks", asks)
    (found,) = await traced(shop)
    assert [statement.sql for statement in found.statements] == [
        "SELECT count(*) FROM goods",
        "ALTER TABLE goods ADD COLUMN n integer DEFAULT 0",
    ]
    assert found.statements[0].locks[0].mode == "ACCESS SHARE"


async def test_partitions_are_told_by_their_table(shop: "Shop") -> None:
    await prepared(shop)
    shop.write(
        "0003_visits",
        revision(
            "CREATE TABLE visits (id integer PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (1) TO (9)",
        ),
    )
    shop.write("0004_note", revision("ALTER TABLE visits ADD COLUMN note varchar(10)"))
    shop.write("0005_detach", revision("ALTER TABLE visits DETACH PARTITION visits_1 CONCURRENTLY"))
    shop.write("0006_index", revision("CREATE INDEX ix_visits_note ON visits (note)"))
    shop.write("0007_index", revision("DROP INDEX ix_visits_note"))
    found = await traced(shop, "0004_note", "0005_detach", "0006_index", "0007_index")
    assert [(lock.table, lock.mode) for lock in found[0].statements[0].locks] == [("visits", "ACCESS EXCLUSIVE")]
    assert found[1].failure is None
    assert [(lock.table, lock.mode) for lock in found[1].statements[0].locks] == [
        ("visits", "SHARE UPDATE EXCLUSIVE"),
        ("visits_1", "SHARE UPDATE EXCLUSIVE"),
    ]

    build, drop = found[2].statements[0], found[3].statements[0]
    assert (build.locks[0].mode, build.held[0].mode) == ("SHARE", "SHARE UPDATE EXCLUSIVE")
    assert (drop.sql, drop.locks[0].mode) == ("DROP INDEX ix_visits_note", "ACCESS EXCLUSIVE")


async def test_a_revision_that_fails_ends_the_tracing_and_says_why(shop: "Shop") -> None:
    await prepared(shop)
    label = ("ALTER TYPE color ADD VALUE 'BLUE' AFTER 'GREEN'", "ALTER TABLE goods ALTER color SET DEFAULT 'BLUE'")
    shop.write("0003_label", revision(*label))
    shop.write("0004_more", revision("SELECT 1"))
    found = await traced(shop, "0003_label", "0004_more")
    assert len(found) == 1
    assert found[0].failure is not None
    assert found[0].failure.sqlstate == "55P04"
    assert found[0].failure.sql == label[1]


@pytest.mark.parametrize("constant", ["UPDATE goods SET name = 'x' WHERE name IS NULL"])
async def test_a_backfill_is_a_step_of_its_own(shop: "Shop", constant: str) -> None:
    await prepared(shop)
    shop.write("0003_fill", revision("SELECT 1", constants=f"backfill = {constant!r}"))
    (found,) = await traced(shop)
    assert (found.statements[-1].kind, found.statements[-1].rows) == ("backfill", 0)
