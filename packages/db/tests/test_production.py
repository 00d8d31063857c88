"""The mark of a production database: set, told, and taken away only by whoever types its name."""

from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_db.production import marking

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


async def test_the_mark_is_set_and_told(shop: "Shop") -> None:
    await orion_db.initialize(shop.target)
    await shop.run(f"COMMENT ON DATABASE {shop.database} IS 'Ours'")
    assert not (await marking(shop.target)).production
    assert (await marking(shop.target, production=True, dry_run=True)).production
    assert not (await marking(shop.target)).production
    done = await marking(shop.target, production=True)
    assert (done.before, done.production) == (False, True)
    assert (await marking(shop.target, production=True)).before
    assert "Ours; orion.environment" in (await comment(shop))


@pytest.mark.parametrize("by", ["the comment", "a setting", "both"])
async def test_the_mark_goes_only_with_the_name(shop: "Shop", by: str) -> None:
    await orion_db.initialize(shop.target, production=by != "a setting")
    if by != "the comment":
        await shop.run(f"ALTER DATABASE {shop.database} SET orion.environment = 'production'")
    with pytest.raises(orion_db.Problem) as raised:
        await marking(shop.target, production=False, confirmation="something else")
    assert (raised.value.code, raised.value.exit_code) == ("not_confirmed", orion_db.Exit.REFUSED)
    assert (await marking(shop.target)).production
    await marking(shop.target, production=False, confirmation=shop.database)
    assert not (await marking(shop.target)).production
    assert (await comment(shop)) in ("", "Shop")


async def test_a_database_that_is_not_there_cannot_be_marked(shop: "Shop") -> None:
    with pytest.raises(orion_db.Problem) as raised:
        await marking(shop.target, production=True)
    assert raised.value.code == "database_missing"


async def comment(shop: "Shop") -> str:
    rows = await shop.run(
        f"SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = '{shop.database}'"
    )
    return str(rows[0][0])
