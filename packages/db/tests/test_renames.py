"""Renames are asked about, never guessed; and what they write keeps every row."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Index, Integer, MetaData, String, Table

import orion_db
from orion_core.tables import NAMING_CONVENTION
from orion_db.authoring.migrate import Migration, migrate
from orion_db.authoring.renames import Rename, likely_renames
from orion_db.authoring.renaming import Answers

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop

MIGRATION = """
from alembic import op

revision = "0001_goods"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TYPE size AS ENUM ('SMALL', 'LARGE')")
    op.execute(
        "CREATE TABLE goods (id serial CONSTRAINT pk_goods PRIMARY KEY, name varchar(40) NOT NULL, size size,"
        " CONSTRAINT ck_goods_named CHECK (name <> ''))"
    )
    op.execute("CREATE UNIQUE INDEX ix_goods_name ON goods (name)")
    op.execute(
        "CREATE TABLE prices (goods_id integer CONSTRAINT pk_prices PRIMARY KEY,"
        " CONSTRAINT fk_prices_goods_id FOREIGN KEY (goods_id) REFERENCES goods (id))"
    )


def downgrade() -> None:
    op.execute("DROP TABLE prices, goods")
    op.execute("DROP TYPE size")
"""

GOODS = "INSERT INTO goods (name, size) VALUES ('apple', 'SMALL'), ('pear', 'LARGE')"


def models(
    table: str = "goods", *, column: str = "name", length: int = 40, small: str = "SMALL", size: str = "size"
) -> MetaData:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    goods = Table(
        table,
        metadata,
        Column("id", Integer, primary_key=True),
        Column(column, String(length), nullable=False),
        Column("size", Enum(small, "LARGE", name=size)),
        CheckConstraint(f"{column} <> ''", name="named"),
    )
    Index(None, goods.c[column], unique=True)
    Table("prices", metadata, Column("goods_id", Integer, ForeignKey(goods.c.id), primary_key=True))
    return metadata


@pytest.fixture
async def stocked(shop: "Shop") -> "Shop":
    """A shop whose only migration makes what `models()` says, with two rows."""
    shop.empty()
    shop.write("0001_goods", MIGRATION)
    await orion_db.prepare(shop.target)
    await orion_db.deploy(shop.target)
    await shop.run(GOODS)
    return shop


def yes(*renames: str) -> Answers:
    return Answers(ask=lambda _, rename: f"{rename.old}={rename.new}" in renames)


async def written(shop: "Shop", metadata: MetaData, answers: Answers) -> tuple[Migration, str]:
    """What `migrate` writes for the models; applied, and proved by the catalogs, up and down and up."""
    before = await orion_db.catalog_of(shop.target)
    shop.metadata = metadata
    result = await migrate(shop.target, name="renamed", answers=answers)
    await orion_db.deploy(shop.target)
    wanted = await orion_db.catalog_of_models(shop.target)
    assert orion_db.compare(wanted, await orion_db.catalog_of(shop.target)) == []
    rows = len(await shop.run("SELECT * FROM prices")), await count(shop)
    await orion_db.rollback(shop.target, to="0001", discard_rows=True)
    assert orion_db.compare(before, await orion_db.catalog_of(shop.target)) == []
    await orion_db.deploy(shop.target)
    assert (len(await shop.run("SELECT * FROM prices")), await count(shop)) == rows
    return result, "".join(entry.text for entry in result.written)


async def count(shop: "Shop") -> int:
    tables = {table for table in shop.metadata.tables if table != "prices"}
    return (await shop.run(f"SELECT count(*) FROM {tables.pop()}"))[0][0]


async def test_a_column_is_renamed_with_what_is_called_after_it(stocked: "Shop") -> None:
    result, text = await written(stocked, models(column="title"), yes("goods.name=goods.title"))
    assert 'op.alter_column("goods", "name", new_column_name="title")' in text
    assert "ALTER INDEX ix_goods_name RENAME TO ix_goods_title" in text
    assert not {"drop_column", "drop_index", "DROP"} & set(text.replace("(", " ").replace('"', " ").split())
    assert [row["title"] for row in await stocked.run("SELECT title FROM goods ORDER BY id")] == ["apple", "pear"]
    assert result.written[0].renames[0] == "column goods.name → goods.title"
    assert any(found.startswith("column goods.name is gone") for found in result.written[0].breaks)
    assert "Breaks running code" in text and "expand" in text


async def test_a_table_is_renamed_with_its_keys_and_indexes_and_a_column_of_it(stocked: "Shop") -> None:
    given = Answers(given=("goods=products", "products.name=products.title"))
    _, text = await written(stocked, models("products", column="title"), given)
    assert 'op.rename_table("goods", "products")' in text
    assert "ALTER TABLE products RENAME CONSTRAINT pk_goods TO pk_products" in text
    assert "DROP" not in text
    assert await count(stocked) == 2


async def test_a_label_and_an_enum_are_renamed(stocked: "Shop") -> None:
    _, text = await written(stocked, models(small="LITTLE"), yes("size.SMALL=size.LITTLE"))
    assert "ALTER TYPE size RENAME VALUE 'SMALL' TO 'LITTLE'" in text
    await stocked.run("INSERT INTO goods (name, size) VALUES ('plum', 'LITTLE')")
    stocked.metadata = models(small="LITTLE", size="extent")
    result = await migrate(stocked.target, name="extent", answers=yes("size=extent"))
    assert 'op.execute("ALTER TYPE size RENAME TO extent")' in result.written[0].text
    await orion_db.deploy(stocked.target)
    assert len(await stocked.run("SELECT FROM goods WHERE size = 'LITTLE'::extent")) == 2


async def test_a_table_of_months_takes_its_partitions_along(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    await shop.run("INSERT INTO visits (place) VALUES ('here')")
    shop.metadata = house()
    visits = shop.metadata.tables["visits"]
    shop.metadata.remove(visits)
    visits.to_metadata(shop.metadata, name="calls")
    await migrate(shop.target, name="calls", answers=yes("visits=calls"))
    await orion_db.deploy(shop.target)
    wanted = await orion_db.catalog_of_models(shop.target)
    assert orion_db.compare(wanted, await orion_db.catalog_of(shop.target)) == []
    partitions = await shop.run("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1")
    assert not any(row["relname"].startswith("visits") for row in partitions)
    assert len(await shop.run("SELECT FROM calls")) == 1
    taken_back = await orion_db.rollback(shop.target, to="0001_house", discard_rows=True)
    assert [name for name, _ in taken_back.reverted] == ["0002_calls"]
    assert len(await shop.run("SELECT FROM visits_default UNION ALL SELECT FROM visits")) >= 1


async def test_where_nobody_can_be_asked_nothing_is_written(stocked: "Shop") -> None:
    stocked.metadata = models(column="title", small="LITTLE")
    with pytest.raises(orion_db.Problem) as raised:
        await migrate(stocked.target, name="renamed", answers=Answers())
    assert raised.value.code == "renames_unanswered"
    assert "--rename goods.name=goods.title --rename size.SMALL=size.LITTLE" in raised.value.todo
    assert "--no-renames" in raised.value.todo
    assert [file.name for file in stocked.folder.glob("*.py")] == ["0001_goods.py"]


async def test_a_rename_of_what_is_not_gone_is_refused_with_what_is(stocked: "Shop") -> None:
    stocked.metadata = models(column="title")
    with pytest.raises(orion_db.Problem) as raised:
        await migrate(stocked.target, name="renamed", answers=Answers(("goods.naem=goods.title",), no_others=True))
    assert raised.value.code == "rename_unknown"
    assert "Gone from the models: goods.name. New in them: goods.title." in raised.value.why
    with pytest.raises(orion_db.Problem, match="is not of the form"):
        await migrate(stocked.target, name="renamed", answers=Answers(("goods",)))


async def test_what_is_no_rename_is_added_before_and_dropped_after(stocked: "Shop") -> None:
    stocked.metadata = models(column="title")
    result = await migrate(stocked.target, name="titles", answers=Answers(no_others=True), create_only=True)
    first, middle, second, *_, last = result.written
    assert [entry.phase for entry in result.written] == ["pre", "pre", "post", "post", "post"]
    suffixes = ["", "_validate", "_cleanup", "_cleanup_validate", "_cleanup_not_null"]
    names = [f"{number:04d}_titles{suffix}.py" for number, suffix in enumerate(suffixes, 2)]
    assert [entry.file.name for entry in result.written] == names
    assert "NOT VALID" in first.text and "VALIDATE CONSTRAINT ck_goods_named" in middle.text
    assert not any(found.startswith("column") for found in first.breaks)
    assert "ALTER COLUMN name DROP NOT NULL" in first.text and "drop_column" not in first.text.split("def downgrade")[0]
    assert 'op.drop_column("goods", "name")' in second.text
    assert 'op.alter_column("goods", "title", existing_type=sa.VARCHAR(length=40), nullable=False)' in last.text
    assert 'down_revision = "0003_titles_validate"' in second.text
    await orion_db.deploy(stocked.target, up_to="0003_titles_validate")
    await stocked.run("INSERT INTO goods (name) VALUES ('by old code')")
    await stocked.run("INSERT INTO goods (title) VALUES ('by new code')")
    await stocked.run("UPDATE goods SET title = name WHERE title IS NULL")
    await orion_db.deploy(stocked.target)
    assert [row["title"] for row in await stocked.run("SELECT title FROM goods ORDER BY title")] == [
        "apple",
        "by new code",
        "by old code",
        "pear",
    ]


def test_only_what_could_hold_the_same_is_alike() -> None:
    def column(name: str, type_: str) -> tuple[tuple[str, str], dict[str, object]]:
        return ("column", f"t.{name}"), {"table": "t", "type": type_, "not null": False}

    table = (("table", "t"), {"owner": "o"})
    before = dict([table, column("a", "integer"), column("b", "character varying(40)")])
    after = dict([table, column("c", "bigint"), column("d", "text"), column("e", "uuid")])
    assert likely_renames(before, after) == [Rename("column", "t.a", "t.c"), Rename("column", "t.b", "t.d")]
