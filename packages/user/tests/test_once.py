"""Whatever is made by a POST is made once under its `Idempotency-Key`, and answered alike each time."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Query, Sign

V1 = "/user/v1"
MADE = {
    "/organizations": "organizations",
    "/teams": "teams",
    "/invitations": "memberships",
    "/permissions": "permissions",
    "/roles": "roles",
    "/role-assignments": "user_roles",
    "/permission-grants": "user_permissions",
    "/separation-rules": "separation_rules",
    "/elevations": "elevations",
    "/imports": "user_imports",
    "/audit-streams": "audit_streams",
}


async def requests(boss: httpx.AsyncClient, ada: str) -> list[tuple[str, dict[str, Any]]]:
    """One request for everything that can be made, but for API keys, whose text is kept nowhere."""
    acme = (await boss.post(f"{V1}/organizations", json={"name": "Acme", "slug": "acme"})).json()["id"]
    named = [{"name": name, "display_name": name} for name in ("payer", "approver")]
    roles = [(await boss.post(f"{V1}/roles", json=each)).json()["id"] for each in named]
    return [
        ("/organizations", {"name": "Other", "slug": "other"}),
        (f"/organizations/{acme}/teams", {"name": "T", "slug": "t"}),
        (f"/organizations/{acme}/invitations", {"email": "grace@example.com"}),
        ("/permissions", {"resource": "invoice", "action": "approve", "category": "Invoices"}),
        ("/roles", {"name": "clerk", "display_name": "Clerk"}),
        ("/role-assignments", {"user_id": ada, "role_id": roles[0]}),
        ("/permission-grants", {"user_id": ada, "permission": "content:read"}),
        ("/separation-rules", {"name": "apart", "kind": "DYNAMIC", "role_ids": roles}),
        ("/elevations", {"role_id": roles[0], "minutes": 5, "reason": "r"}),
        ("/imports", {"format": "NDJSON"}),
        ("/audit-streams", {"name": "siem", "url": "https://siem.example.com/orion"}),
    ]


async def test_all_that_can_be_made_is_made_once_also_when_it_is_sent_five_times_at_once(
    people: "People", query: "Query"
) -> None:
    ada = str(await people.add("ada@example.com"))
    boss_id = await people.add("boss@example.com", "super_admin")
    boss = people.client(boss_id)
    wanted = await requests(boss, ada)
    assert sorted(f"/{path.rsplit('/', 1)[1]}" for path, _ in wanted) == sorted(MADE)
    kept: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    for path, body in wanted:
        table = MADE[f"/{path.rsplit('/', 1)[1]}"]
        [(before,)] = await query(f"SELECT count(*) FROM {table}")
        key = {"Idempotency-Key": str(uuid7())}
        answers = await asyncio.gather(*(boss.post(V1 + path, json=body, headers=key) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {201}, (path, [answer.text for answer in answers])
        assert len({answer.content for answer in answers}) == 1
        assert len({(answer.headers.get("Location"), answer.headers.get("ETag")) for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 4
        assert await query(f"SELECT count(*) FROM {table}") == [(before + 1,)], path
        other = await boss.post(V1 + path, params={"another": 1}, json=body, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        kept.append((path, body, key))
        if (location := answers[0].headers.get("Location")) and "separation" not in path:
            assert (await boss.get(location)).status_code == 200
    await query("DELETE FROM user_roles WHERE user_id = :id", id=boss_id)
    for path, body, key in kept:
        answer = await boss.post(V1 + path, json=body, headers=key)
        assert answer.status_code == (201 if path == "/elevations" else 403), "nobody is told again what he may no more"


async def test_a_key_is_its_senders_alone_and_settles_nothing_when_nothing_was_made(
    people: "People", query: "Query", sign: "Sign"
) -> None:
    ada, boss_id = await people.add("ada@example.com"), await people.add("boss@example.com", "super_admin")
    boss, key = people.client(boss_id), {"Idempotency-Key": "k"}
    url, body = f"{V1}/roles", {"name": "clerk", "display_name": "Clerk"}
    assert (await people.client(ada).post(url, json=body, headers=key)).status_code == 403
    bad = await boss.post(url, json={**body, "organization_id": str(uuid7())}, headers=key)
    assert bad.status_code == 422, bad.text
    assert (await boss.post(url, json=body, headers=key)).status_code == 201
    assert (await people.client(ada).post(url, json=body, headers=key)).status_code == 403
    narrow = {"Authorization": f"Bearer {sign(str(boss_id), uuid7(), client_id='other')}"}
    elsewhere = httpx.AsyncClient(transport=boss._transport, base_url="http://user", headers=narrow)
    assert (await elsewhere.post(url, json=body, headers=key)).json()["code"] == "name_taken"
    assert (await boss.post(url, json=body, headers={"Idempotency-Key": "x" * 256})).status_code == 400
    assert await query("SELECT count(*) FROM roles WHERE name = 'clerk'") == [(1,)]
    rows = await query("SELECT t::text FROM idempotency_keys t")
    assert len(rows) == 1 and "Clerk" not in rows[0][0]
