"""Teams stay in their organization and never go in a circle."""

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query


async def organization(auth: "AuthFeed", query: "Query", slug: str) -> UUID:
    made = uuid7()
    owner = await auth.register(f"{slug}@example.com")
    await query(
        "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', :slug, :owner)",
        id=made,
        slug=slug,
        owner=owner,
    )
    return made


async def team(query: "Query", organization_id: UUID, parent: UUID | None = None) -> UUID:
    made = uuid7()
    await query(
        "INSERT INTO teams (id, organization_id, parent_team_id, name, slug) VALUES (:id, :o, :parent, 'T', :slug)",
        id=made,
        o=organization_id,
        parent=parent,
        slug=made.hex,
    )
    return made


async def test_a_parent_is_of_the_same_organization(auth: "AuthFeed", query: "Query") -> None:
    one, other = await organization(auth, query, "one"), await organization(auth, query, "other")
    parent = await team(query, one)
    await team(query, one, parent)
    with pytest.raises(IntegrityError, match="fk_teams_organization_id_parent_team_id"):
        await team(query, other, parent)


async def test_no_team_is_below_itself(auth: "AuthFeed", query: "Query") -> None:
    one = await organization(auth, query, "one")
    top = await team(query, one)
    middle = await team(query, one, top)
    bottom = await team(query, one, middle)
    for child, parent in ((top, bottom), (top, middle), (middle, bottom), (top, top)):
        with pytest.raises(IntegrityError, match=r"cannot be below itself|ck_teams_parent"):
            await query("UPDATE teams SET parent_team_id = :parent WHERE id = :child", child=child, parent=parent)
    await query("UPDATE teams SET parent_team_id = :top WHERE id = :bottom", top=top, bottom=bottom)
    await query("UPDATE teams SET parent_team_id = :bottom WHERE id = :middle", middle=middle, bottom=bottom)


async def test_a_team_goes_with_the_teams_below_it(auth: "AuthFeed", query: "Query") -> None:
    one = await organization(auth, query, "one")
    top = await team(query, one)
    await team(query, one, await team(query, one, top))
    await query("DELETE FROM teams WHERE id = :top", top=top)
    assert await query("SELECT count(*) FROM teams") == [(0,)]
