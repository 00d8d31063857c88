"""Audiences: whoever is meant by a role, an organization or a tag, once, in pages, for notifications alone."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from orion_core.ids import uuid7
from orion_user.audiences import store

if TYPE_CHECKING:
    from packages.user.tests.conftest import Give, People, Query, Sign

URL = "/user/v1/audience-pages"


@pytest.fixture
def notifications(service: httpx.ASGITransport, sign: "Sign") -> httpx.AsyncClient:
    token = sign("notifications", None, "audiences:read", client_id="notifications")
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=service, base_url="http://user", headers=headers)


async def everybody(client: httpx.AsyncClient, **audience: Any) -> list[UUID]:
    """All pages of an audience, one behind the other."""
    found, after = list[UUID](), None
    while True:
        answer = await client.post(URL, json={"audience": audience, "after": after})
        assert answer.status_code == 200, answer.text
        found += [UUID(each) for each in answer.json()["user_ids"]]
        if (after := answer.json()["next"]) is None:
            return found


async def organization(query: "Query", owner_id: UUID, slug: str) -> UUID:
    [(made,)] = await query(
        "INSERT INTO organizations (name, slug, owner_id) VALUES (:slug, :slug, :owner) RETURNING id",
        slug=slug,
        owner=owner_id,
    )
    return made


async def test_a_role_means_whoever_has_it_or_one_that_inherits_from_it_now(
    notifications: httpx.AsyncClient, people: "People", query: "Query", give: "Give", monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, eve, gone, shut, late = [await people.add(f"{name}@example.com") for name in "abcdef"]
    pending = await people.auth.register("pending@example.com")
    acme = await organization(query, ada, "acme")
    await query("INSERT INTO roles (name, display_name, type) VALUES ('clerk', 'Clerk', 'CUSTOM')")
    await query("INSERT INTO roles (name, display_name, type) VALUES ('head_clerk', 'Chief of all', 'CUSTOM')")
    await query("""
        INSERT INTO role_inheritance (child_role_id, parent_role_id)
        SELECT child.id, parent.id FROM roles AS child, roles AS parent
        WHERE child.name = 'head_clerk' AND parent.name = 'clerk'
    """)
    for user_id in (ada, bob, gone, shut, pending):
        await give(user_id, "clerk")
    for user_id in (ada, eve):
        await give(user_id, "head_clerk", "ORG", acme)
    await query(
        "UPDATE user_roles SET expires_at = '2021-01-01' WHERE user_id = :id AND starts_at < '2021-01-01'", id=gone
    )
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=shut)
    await query(
        "INSERT INTO user_roles (user_id, role_id, starts_at)"
        " SELECT :id, id, '9000-01-01' FROM roles WHERE name = 'clerk'",
        id=late,
    )

    monkeypatch.setattr(store, "PAGE", 1)
    assert await everybody(notifications, role="clerk") == [ada, bob, eve]
    assert await everybody(notifications, role="clerk", scope="GLOBAL") == [ada, bob]
    assert await everybody(notifications, role="clerk", scope=str(acme)) == [ada, eve]
    [(head_clerk,)] = await query("SELECT id FROM roles WHERE name = 'head_clerk'")
    assert await everybody(notifications, role=str(head_clerk)) == [ada, eve]
    await query("UPDATE roles SET is_active = false WHERE name = 'head_clerk'")
    assert await everybody(notifications, role="clerk") == [ada, bob]
    refused = await notifications.post(URL, json={"audience": {"role": "head_clerk"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "role_inactive")


async def test_an_organization_means_its_members(
    notifications: httpx.AsyncClient, people: "People", query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, eve, former = [await people.add(f"{name}@example.com") for name in ("ada", "bob", "eve", "former")]
    acme = await organization(query, ada, "acme")
    [(team,)] = await query(
        "INSERT INTO teams (organization_id, name, slug) VALUES (:acme, 'T', 't') RETURNING id", acme=acme
    )
    joined = """
        INSERT INTO memberships (organization_id, team_id, user_id, status, joined_at, ended_at)
        VALUES (:acme, :team, :user_id, CAST(:status AS membership_status), now(), CAST(:ended AS timestamptz))
    """
    members = ((ada, None, "ACTIVE"), (ada, team, "ACTIVE"), (bob, team, "ACTIVE"), (former, None, "ENDED"))
    for user_id, where, status in members:
        ended = None if status == "ACTIVE" else people.auth.clock()
        await query(joined, acme=acme, team=where, user_id=user_id, status=status, ended=ended)
    await query(
        """
        INSERT INTO memberships (organization_id, user_id, email, status, invited_at, expires_at)
        VALUES (:acme, :eve, 'eve@example.com', 'INVITED', now(), now() + interval '1 day')
        """,
        acme=acme,
        eve=eve,
    )
    monkeypatch.setattr(store, "PAGE", 1)
    assert await everybody(notifications, organization_id=str(acme)) == [ada, bob]
    await query("UPDATE organizations SET deleted_at = now() WHERE id = :acme", acme=acme)
    refused = await notifications.post(URL, json={"audience": {"organization_id": str(acme)}})
    assert (refused.status_code, refused.json()["code"]) == (404, "organization_not_found")


async def test_a_tag_means_whoever_has_it_whatever_the_pages_are_cut_to(
    notifications: httpx.AsyncClient, query: "Query", monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = (
        "INSERT INTO users (email, status, metadata) VALUES (:email, 'ACTIVE', CAST(:metadata AS jsonb)) RETURNING id"
    )
    beta = list[UUID]()
    for number in range(23):
        metadata = '{"tags": ["beta", "eu"]}' if number % 5 < 2 else '{"tags": "beta", "beta": ["beta"]}'
        [(made,)] = await query(tagged, email=f"u{number}@example.com", metadata=metadata)
        beta += [made] if number % 5 < 2 else []
    for page, candidates in ((1, 7), (3, 4), (7, 1), (100, 23), (100, 100)):
        monkeypatch.setattr(store, "PAGE", page)
        monkeypatch.setattr(store, "CANDIDATES", candidates)
        assert await everybody(notifications, tag="beta") == sorted(beta)
    assert await everybody(notifications, tag="none") == []


async def test_what_is_asked_wrongly_or_by_somebody_else_is_refused(
    notifications: httpx.AsyncClient, people: "People", service: httpx.ASGITransport, sign: "Sign"
) -> None:
    for wrong in (
        {},
        {"role": "user", "tag": "beta"},
        {"tag": "beta", "scope": "GLOBAL"},
        {"role": "user", "scope": "somewhere"},
        {"tag": ""},
        {"tag": "\0"},
        {"role": "No Name"},
        {"plan": "gold"},
    ):
        assert (await notifications.post(URL, json={"audience": wrong})).status_code == 422, wrong
    for unknown in ({"role": "nobody"}, {"role": str(uuid7())}, {"role": "user", "scope": str(uuid7())}):
        assert (await notifications.post(URL, json={"audience": unknown})).status_code == 404, unknown
    asked = {"audience": {"role": "user"}}
    boss = people.client(await people.add("boss@example.com", "super_admin"))
    assert (await boss.post(URL, json=asked)).status_code == 403
    headers = {"Authorization": f"Bearer {sign('notifications', None, 'events:read', client_id='notifications')}"}
    async with httpx.AsyncClient(transport=service, base_url="http://user", headers=headers) as other:
        assert (await other.post(URL, json=asked)).json()["code"] == "insufficient_scope"
