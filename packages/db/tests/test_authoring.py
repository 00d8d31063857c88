"""Migrations written from models: proved by building the models' catalog, and by taking it down again."""

from collections.abc import Callable
from enum import Enum as PythonEnum
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Index, MetaData, String, Table, Uuid, text

import orion_db
from orion_core.tables import native_enum
from orion_db.authoring.migrate import migrate

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


class Mood(PythonEnum):
    GOOD = "GOOD"
    BAD = "BAD"


class MoodLater(PythonEnum):
    GOOD = "GOOD"
    FAIR = "FAIR"
    BAD = "BAD"


async def catalogs_agree(shop: "Shop") -> None:
    wanted = await orion_db.catalog_of_models(shop.target)
    assert orion_db.compare(wanted, await orion_db.catalog_of(shop.target)) == []


async def test_the_whole_house_is_written_applied_and_taken_down(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    before = await orion_db.catalog_of(shop.target)
    written = await migrate(shop.target, name="The whole house")
    assert [entry.file.name for entry in written.written] == ["0001_the_whole_house.py"]
    assert (written.left_over, written.irreversible) == ((), ())
    await catalogs_agree(shop)
    assert len(await shop.run("SELECT FROM pg_class WHERE relname ~ '^visits_y' AND relkind = 'r'")) == 4
    assert (await orion_db.status(shop.target)).exit_code == orion_db.Exit.OK
    taken_back = await orion_db.rollback(shop.target, discard_rows=True)
    assert [name for name, _ in taken_back.reverted] == ["0001_the_whole_house"]
    assert orion_db.compare(before, await orion_db.catalog_of(shop.target)) == []
    await orion_db.deploy(shop.target)
    await catalogs_agree(shop)


async def test_without_a_change_nothing_is_written(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    again = await migrate(shop.target, name="again")
    assert again.written == ()
    assert [file.name for file in shop.folder.glob("*.py")] == ["0001_house.py"]


async def test_what_alembic_does_not_see_is_written_too(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    await shop.run("INSERT INTO visits (place) VALUES ('here')")

    shop.metadata = house()
    visits = shop.metadata.tables["visits"]
    visits.append_column(Column("mood", native_enum(Mood), nullable=False, server_default="GOOD"))
    visits.append_constraint(CheckConstraint("place <> ''", name="place"))
    visits.info["grants"] = "SELECT, INSERT, UPDATE"
    visits.comment = "Who was where"
    Index("ix_visits_place", visits.c.place, postgresql_where=text("place <> 'home'"))
    Table(
        "notes", shop.metadata, Column("visit_id", Uuid, ForeignKey("visits.id", ondelete="CASCADE"), primary_key=True)
    )
    written = await migrate(shop.target, name="moods")
    await orion_db.deploy(shop.target)
    assert (written.left_over, written.irreversible) == ((), ())
    await catalogs_agree(shop)
    assert [row["place"] for row in await shop.run("SELECT place FROM visits")] == ["here"]

    shop.metadata = house()
    visits = shop.metadata.tables["visits"]
    visits.append_column(Column("mood", Enum(MoodLater, name="mood"), nullable=False, server_default="GOOD"))
    later = await migrate(shop.target, name="later", create_only=True)
    assert "ADD VALUE IF NOT EXISTS 'FAIR' AFTER 'GOOD'" in later.written[0].file.read_text(encoding="utf-8")
    assert later.deployment is None
    assert later.irreversible == ()
    assert "CREATE TYPE public.mood AS ENUM ('GOOD', 'BAD')" in later.written[0].text.partition("def downgrade()")[2]
    assert "mood" in {row["typname"] for row in await shop.run("SELECT typname FROM pg_type")}


async def test_not_null_comes_after_a_check_that_was_validated(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    shop.metadata.tables["visits"].c.place.nullable = True
    await migrate(shop.target, name="house")
    await shop.run("INSERT INTO visits (place) VALUES ('here')")
    shop.metadata = house()
    written = await migrate(shop.target, name="placed")
    names = ["0002_placed.py", "0003_placed_validate.py", "0004_placed_not_null.py"]
    assert [entry.file.name for entry in written.written] == names
    assert [entry.phase for entry in written.written] == ["post"] * 3
    assert written.linting is not None
    assert written.linting.findings == ()
    await catalogs_agree(shop)


async def test_create_only_writes_and_touches_nothing(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    await orion_db.prepare(shop.target)
    written = await migrate(shop.target, name="house", create_only=True)
    assert len(written.written) == 1
    assert written.deployment is None
    assert await shop.run("SELECT FROM pg_tables WHERE schemaname = 'public'") == []
    assert (await orion_db.status(shop.target)).pending == ("0001_house",)


async def test_colons_are_not_parameters(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    visits = shop.metadata.tables["visits"]
    visits.append_column(Column("kind", String(20), server_default=text("'a:b'::text")))
    visits.append_constraint(CheckConstraint("place !~ ':x' AND place <> '\"'", name="odd"))
    await orion_db.prepare(shop.target)
    assert (await migrate(shop.target, name="house")).left_over == ()
    await catalogs_agree(shop)


async def test_a_new_label_cannot_be_used_in_the_same_migration(shop: "Shop", house: Callable[[], MetaData]) -> None:
    shop.empty()
    shop.metadata = house()
    shop.metadata.tables["visits"].append_column(Column("mood", native_enum(Mood), nullable=False))
    await orion_db.prepare(shop.target)
    await migrate(shop.target, name="house")
    shop.metadata = house()
    changed = Column("mood", Enum(MoodLater, name="mood"), nullable=False, server_default="FAIR")
    shop.metadata.tables["visits"].append_column(changed)
    with pytest.raises(orion_db.Problem, match="in a migration of its own") as raised:
        await migrate(shop.target, name="later")
    assert raised.value.code == "draft_failed"
    assert len(list(shop.folder.glob("*.py"))) == 1
