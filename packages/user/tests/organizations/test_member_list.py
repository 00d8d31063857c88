"""Who sees whom in an organization: those who run it all, members each other, strangers nobody."""

from typing import TYPE_CHECKING
from uuid import UUID

import httpx
from packages.user.tests.organizations.conftest import MINE, ORGANIZATIONS, somebody

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Caller, Changed, Give, Query, Sign


async def member(acme: str, ada: httpx.AsyncClient, who: httpx.AsyncClient, email: str) -> None:
    made = await ada.post(f"{acme}/invitations", json={"email": email})
    assert (await who.post(f"{MINE}/{made.json()['id']}/acceptance")).status_code == 200


async def test_members_see_each_other_as_far_as_everybody_lets_himself_be_seen(
    ada: httpx.AsyncClient, ada_id: UUID, acme: str, auth: "AuthFeed", caller: "Caller", changed: "Changed",
    query: "Query",
) -> None:  # fmt: skip
    ids = {name: await somebody(auth, name) for name in ("grace", "ken", "shy", "gone")}
    clients = {name: caller(user_id, uuid7()) for name, user_id in ids.items()}
    for name, client in clients.items():
        await member(acme, ada, client, f"{name}@example.com")
    await ada.post(f"{acme}/invitations", json={"email": "new@example.com"})
    hidden = {"visibility": "NOBODY"}
    assert (await changed(clients["shy"], "/user/v1/me/preferences/privacy", hidden)).status_code == 200
    await query("UPDATE users SET status = 'SUSPENDED' WHERE id = :id", id=ids["gone"])

    async def listed(client: httpx.AsyncClient, limit: int = 100) -> list[str | None]:
        found: list[str | None] = []
        url = f"{acme}/members?limit={limit}"
        while url:
            answer = await client.get(url)
            assert answer.status_code == 200, answer.text
            items = answer.json()["items"]
            found += [each["user_id"] for each in items]
            if client is not ada:
                assert {(each["email"], each["invited_by"], each["status"]) for each in items} <= {
                    (None, None, "ACTIVE")
                }
            cursor = answer.json()["next"]
            url = f"{acme}/members?limit={limit}&cursor={cursor}" if cursor else ""
        return found

    everybody = [str(ada_id), *(str(ids[name]) for name in ("grace", "ken", "shy", "gone")), None]
    assert sorted(await listed(ada), key=str) == sorted(everybody, key=str)
    seen = [str(each) for each in (ada_id, ids["grace"], ids["ken"])]
    assert sorted(await listed(clients["grace"]), key=str) == sorted(seen)
    assert await listed(clients["grace"], limit=1) == await listed(clients["grace"])
    assert sorted(await listed(clients["shy"]), key=str) == sorted([*seen, str(ids["shy"])])


async def test_a_right_in_the_organization_is_enough_and_one_in_another_is_none(
    boss: httpx.AsyncClient, ada: httpx.AsyncClient, acme: str, auth: "AuthFeed", caller: "Caller", give: "Give",
    sign: "Sign",
) -> None:  # fmt: skip
    acme_id = UUID(acme.rsplit("/", 1)[1])
    other = UUID((await boss.post(ORGANIZATIONS, json={"name": "O", "slug": "o"})).json()["id"])
    invited = (await ada.post(f"{acme}/invitations", json={"email": "new@example.com"})).json()["id"]
    later = (await ada.post(f"{acme}/invitations", json={"email": "later@example.com"})).json()["id"]
    here, there = await somebody(auth, "here"), await somebody(auth, "there")
    await give(here, "moderator", "ORG", acme_id)
    await give(there, "super_admin", "ORG", other)
    for who, status in ((here, 200), (there, 403)):
        client = caller(who, uuid7())
        members = await client.get(f"{acme}/members")
        assert members.status_code == status, members.text
        made = await client.post(f"{acme}/invitations", json={"email": f"{status}@example.com"})
        assert made.status_code == (201 if status == 200 else 403)
        assert (await client.post(f"/user/v1/invitations/{invited}/mails")).status_code == (
            429 if status == 200 else 403
        )
        taken = await client.delete(f"/user/v1/invitations/{invited}")
        assert taken.status_code == (204 if status == 200 else 403)
        if status == 200:
            assert "new@example.com" in [each["email"] for each in members.json()["items"]]
            invited = later
    narrow = {"Authorization": f"Bearer {sign(str(here), uuid7(), 'content:read')}"}
    limited = httpx.AsyncClient(transport=ada._transport, base_url="http://user", headers=narrow)
    assert (await limited.get(f"{acme}/members")).status_code == 403
    assert (await caller(await somebody(auth, "eve"), uuid7()).get(f"{acme}/members")).status_code == 403
