"""A reset wants the name, is refused in production, and leaves a backup that brings everything back."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_db.backups import Vault, restore
from orion_db.reset import followers_left_behind, foretell_reset

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "backups")


async def test_reset_wants_the_name_and_leaves_a_way_back(shop: "Shop", vault: Vault) -> None:
    await orion_db.initialize(shop.target)
    await shop.run("DELETE FROM goods WHERE id = 1")
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.reset(shop.target, confirmation="something else", vault=vault)
    assert raised.value.code == "not_confirmed"
    assert not vault.folder.exists()
    done = await orion_db.reset(shop.target, confirmation=shop.database, vault=vault)
    assert len(await shop.run("SELECT * FROM goods")) == 2
    assert done.backup is not None
    assert f"orion db restore shop --backup {done.backup.name} --replace" in "\n".join(done.in_words())
    back = await restore(shop.target, vault, name=done.backup.name, replace=True)
    assert [row["name"] for row in await shop.run("SELECT * FROM goods")] == ["sample"]
    await shop.run(f"DROP DATABASE {back.replaced}", shop.admin_url)


async def test_what_is_empty_needs_no_backup(shop: "Shop", vault: Vault) -> None:
    assert (await orion_db.reset(shop.target, confirmation=shop.database, vault=vault)).backup is None
    await orion_db.reset(shop.target, confirmation=shop.database, vault=None)
    assert not vault.folder.exists()


async def test_without_a_backup_nothing_is_dropped(shop: "Shop", tmp_path: Path) -> None:
    await orion_db.initialize(shop.target)
    nowhere = Vault(tmp_path / "backups", None, tmp_path / "no-programs")
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.reset(shop.target, confirmation=shop.database, vault=nowhere)
    assert raised.value.code == "no_backup_before_reset"
    assert "--no-backup" in raised.value.todo
    assert len(await shop.run("SELECT * FROM goods")) == 2


async def test_a_dry_run_says_what_would_go(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    told = await foretell_reset(shop.target, production=False)
    assert told.dropped["public.goods"] == 2
    assert len(await shop.run("SELECT * FROM goods")) == 2


async def test_services_that_follow_are_named(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    assert await followers_left_behind(shop.target, [shop.target]) == []
    await shop.run("CREATE TABLE inbox (source text)")
    await shop.run("ALTER TABLE inbox OWNER TO orion_shop_owner")
    await shop.run("INSERT INTO inbox VALUES ('shop'), ('shop'), ('other')")
    warnings = await followers_left_behind(shop.target, [shop.target])
    assert "2 events of shop" in warnings[0]
    await shop.run("ALTER TABLE inbox OWNER TO CURRENT_USER")  # which the owner may not read then
    assert await followers_left_behind(shop.target, [shop.target]) == []


@pytest.mark.parametrize("marked_by", ["init", "a setting", "the environment"])
async def test_reset_refuses_in_production(shop: "Shop", vault: Vault, marked_by: str) -> None:
    await orion_db.initialize(shop.target, production=marked_by == "init")
    if marked_by == "a setting":
        await shop.run(f"ALTER DATABASE {shop.database} SET orion.environment = 'production'")
    by_environment = marked_by == "the environment"
    with pytest.raises(orion_db.Problem) as raised:
        await orion_db.reset(shop.target, confirmation=shop.database, vault=vault, production=by_environment)
    assert (raised.value.code, raised.value.exit_code) == ("production_database", orion_db.Exit.REFUSED)
    assert await shop.run("SELECT * FROM goods")
