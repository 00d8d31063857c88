"""What the database itself refuses to be granted."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Query

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

ASSIGN = """
    INSERT INTO user_roles (user_id, role_id, scope, scope_id, condition, starts_at, expires_at)
    SELECT :user_id, id, CAST(:scope AS permission_scope), :scope_id, :condition, :starts_at, :expires_at
    FROM roles WHERE name = 'editor'
"""


async def assign(query: "Query", user_id: UUID, **more: Any) -> None:
    values = {"scope": "GLOBAL", "scope_id": None, "condition": None, "starts_at": NOON, "expires_at": None, **more}
    await query(ASSIGN, user_id=user_id, **values)


async def test_the_same_grant_twice_at_one_time(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    await assign(query, user_id, expires_at=NOON + HOUR)
    for start, end in ((NOON, None), (NOON + HOUR / 2, NOON + 2 * HOUR), (NOON - HOUR, NOON + HOUR / 2)):
        with pytest.raises(IntegrityError, match="ex_user_roles_overlap"):
            await assign(query, user_id, starts_at=start, expires_at=end)


async def test_one_after_the_other_elsewhere_or_under_a_condition(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    await assign(query, user_id, expires_at=NOON + HOUR)
    await assign(query, user_id, starts_at=NOON + HOUR)
    await assign(query, user_id, scope="USER", scope_id=user_id)
    await assign(query, user_id, condition="true")
    with pytest.raises(IntegrityError, match="ex_user_roles_overlap"):
        await assign(query, user_id, condition="true")
    with pytest.raises(IntegrityError, match="ex_user_roles_overlap"):
        await assign(query, user_id, scope="USER", scope_id=user_id)


SENSELESS: list[tuple[dict[str, Any], str]] = [
    ({"expires_at": NOON}, "ck_user_roles_period"),
    ({"expires_at": NOON - HOUR}, "ck_user_roles_period"),
    ({"scope": "ORG"}, "ck_user_roles_scope_id"),
    ({"scope_id": UUID(int=1)}, "ck_user_roles_scope_id"),
    ({"scope": "ORG", "scope_id": UUID(int=1)}, "fk_user_roles_scope_organization_id"),
    ({"scope": "TEAM", "scope_id": UUID(int=1)}, "fk_user_roles_scope_team_id"),
    ({"scope": "USER", "scope_id": UUID(int=1)}, "fk_user_roles_scope_user_id"),
    ({"condition": ""}, "ck_user_roles_condition"),
]


async def test_grants_without_sense(auth: "AuthFeed", query: "Query") -> None:
    user_id = await auth.register()
    for fields, constraint in SENSELESS:
        with pytest.raises(IntegrityError, match=constraint):
            await assign(query, user_id, **fields)


async def test_an_organization_goes_with_its_roles_and_the_grants_in_it(auth: "AuthFeed", query: "Query") -> None:
    user_id, organization = await auth.register(), uuid7()
    await query(
        "INSERT INTO organizations (id, name, slug, owner_id) VALUES (:id, 'O', 'o', :owner)",
        id=organization,
        owner=user_id,
    )
    await query("INSERT INTO roles (name, display_name, organization_id) VALUES ('editor', 'E', :o)", o=organization)
    await query(
        "INSERT INTO user_roles (user_id, role_id, scope, scope_id)"
        " SELECT :user_id, id, 'ORG', :o FROM roles WHERE name = 'editor'",
        user_id=user_id,
        o=organization,
    )
    await query("DELETE FROM organizations")
    assert await query("SELECT count(*) FROM user_roles WHERE scope = 'ORG'") == [(0,)]
    assert await query("SELECT count(*) FROM roles WHERE name = 'editor'") == [(1,)]
