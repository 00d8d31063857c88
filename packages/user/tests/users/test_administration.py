"""What administrators do to users, and what becomes of it elsewhere."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orion_contracts.events import EmailChanged, EmailVerified, IdentitySuspended, PhoneChanged, SignInFailed
from orion_contracts.user_events import UserDeleted, UserReinstated, UserRestored, UserSuspended
from orion_core.ids import uuid7
from orion_user.users.rules import PURGE_DELAY

if TYPE_CHECKING:
    from packages.user.tests.conftest import AuthFeed, Changed, People, Query

USERS = "/user/v1/users"


async def test_only_who_may_change_users_reads_all_of_them(people: "People") -> None:
    ada = await people.add("ada@example.com")
    client = people.client(ada)
    for answer in (await client.get(USERS), await client.get(f"{USERS}/{ada}")):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    moderator = await people.moderator()
    assert (await moderator.get(f"{USERS}/{ada}")).json()["email"] == "ada@example.com"
    assert (await moderator.get(f"{USERS}/{uuid7()}")).status_code == 404


async def test_a_profile_is_changed_under_its_etag(people: "People", changed: "Changed", query: "Query") -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    url = f"{USERS}/{ada}"
    assert (await moderator.patch(url, json={"name": "Ada"})).status_code == 428
    old = (await moderator.get(url)).headers["ETag"]
    answer = await changed(moderator, url, {"name": "Ada", "metadata": {"plan": "pro", "seats": {"n": 3}}})
    assert (answer.status_code, answer.json()["name"]) == (200, "Ada")
    late = await moderator.patch(url, json={"name": "Eve"}, headers={"If-Match": old})
    assert late.status_code == 412
    answer = await changed(moderator, url, {"metadata": {"plan": None, "seats": {"m": 4}}})
    assert answer.json()["metadata"] == {"seats": {"n": 3, "m": 4}}
    [(old_values, new_values)] = await query(
        "SELECT old_values, new_values FROM audit_logs WHERE action = 'user.update' ORDER BY id LIMIT 1"
    )
    assert (old_values["name"], new_values["name"]) == (None, "Ada")


LINKS: list[tuple[Any, int]] = [
    ({"github": "https://github.com/ada"}, 200),
    ({"x": "https://twitter.com/ada"}, 200),
    ({"mastodon": "https://social.example/@ada"}, 200),
    ({"github": "http://github.com/ada"}, 422),
    ({"github": "https://github.com.evil.example/ada"}, 422),
    ({"github": "https://user@github.com/ada"}, 422),
    ({"github": "https://:secret@github.com/ada"}, 422),
    ({"github": "javascript:alert(1)"}, 422),
    ({"myspace": "https://myspace.com/ada"}, 422),
    ({"github": 7}, 422),
    ([], 422),
]


@pytest.mark.parametrize(("links", "status"), LINKS)
async def test_social_links_lead_where_they_say(people: "People", changed: "Changed", links: Any, status: int) -> None:
    ada = await people.add("ada@example.com")
    answer = await changed(people.client(ada), "/user/v1/me", {"social_links": links})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["social_links"] == links


async def test_metadata_that_grows_too_large_is_refused(people: "People", changed: "Changed") -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    url = f"{USERS}/{ada}"
    assert (await changed(moderator, url, {"metadata": {"a": "x" * 10_000}})).status_code == 200
    answer = await changed(moderator, url, {"metadata": {"b": "x" * 10_000}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/metadata")
    unwritable = await changed(moderator, url, {"metadata": {"b": 2**64}})
    assert unwritable.json()["errors"][0]["field"] == "/metadata", "it would break the export of all"
    assert list((await moderator.get(url)).json()["metadata"]) == ["a"]


async def test_a_suspension_is_told_to_auth_and_ends(people: "People", auth: "AuthFeed", query: "Query") -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    for _ in range(2):
        answer = await moderator.post(f"{USERS}/{ada}/suspension", json={"reason": "spam"})
        assert (answer.status_code, answer.json()["status"]) == (200, "SUSPENDED")
    await auth.bring(IdentitySuspended(user_id=ada, suspended_at=auth.clock()))
    assert (await moderator.delete(f"{USERS}/{ada}/suspension")).json()["status"] == "ACTIVE"
    assert [type_ for type_, _ in await people.told()] == [UserSuspended.type, UserReinstated.type]
    [(told,)] = await query("SELECT new_values FROM audit_logs WHERE action = 'user.suspend'")
    assert told == {"status": "SUSPENDED", "reason": "spam"}


@pytest.mark.parametrize("is_suspended", [False, True])
async def test_a_deleted_user_is_restored_as_they_were(people: "People", query: "Query", is_suspended: bool) -> None:
    ada, moderator = await people.add("ada@example.com", "editor"), await people.moderator()
    if is_suspended:
        await moderator.post(f"{USERS}/{ada}/suspension")
    before = (await moderator.get(f"{USERS}/{ada}")).json()
    gone = (await moderator.delete(f"{USERS}/{ada}")).json()
    assert gone["status"] == "DELETED"
    assert gone["purge_after"] is not None
    assert [user["id"] for user in (await moderator.get(USERS)).json()["items"]] == [
        str((await query("SELECT id FROM users WHERE email LIKE 'moderator%'"))[0][0])
    ]
    assert (await moderator.get(USERS, params={"status": "DELETED"})).json()["items"][0]["id"] == str(ada)
    assert (await moderator.post(f"{USERS}/{ada}/restoration")).json() == before
    assert await query("SELECT count(*) FROM user_roles WHERE user_id = :id", id=ada) == [(2,)]
    told = [(type_, data.get("is_suspended")) for type_, data in await people.told()]
    assert told[-2:] == [(UserDeleted.type, None), (UserRestored.type, is_suspended)]


async def test_what_auth_tells_of_a_deleted_user_counts_once_restored(people: "People", auth: "AuthFeed") -> None:
    ada, moderator = await auth.register("ada@example.com"), await people.moderator()
    await moderator.delete(f"{USERS}/{ada}")
    await auth.bring(EmailVerified(user_id=ada, email="ada@example.com", username="ada", verified_at=auth.clock()))
    await auth.bring(
        EmailChanged(user_id=ada, email="new@example.com", previous="ada@example.com", changed_at=auth.clock()),
        PhoneChanged(user_id=ada, phone="+4791234567", changed_at=auth.clock()),
    )
    restored = (await moderator.post(f"{USERS}/{ada}/restoration", json={})).json()
    assert (restored["status"], restored["username"]) == ("ACTIVE", "ada")
    assert (restored["email"], restored["phone"]) == ("new@example.com", "+4791234567")


async def test_whose_address_is_taken_by_now_cannot_be_restored(
    people: "People", auth: "AuthFeed", query: "Query"
) -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    await moderator.delete(f"{USERS}/{ada}")
    await auth.register("ada@example.com")
    answer = await moderator.post(f"{USERS}/{ada}/restoration", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
    assert await query("SELECT status::text FROM users WHERE id = :id", id=ada) == [("DELETED",)]


async def test_nobody_topples_whoever_stands_above_or_himself(people: "People", query: "Query") -> None:
    admin, mod = await people.add("root@example.com", "super_admin"), await people.add("mod@example.com", "moderator")
    client = people.client(mod)
    for user_id, code in ((admin, "outranked"), (mod, "own_account")):
        for answer in (
            await client.post(f"{USERS}/{user_id}/suspension", json={}),
            await client.delete(f"{USERS}/{user_id}"),
            await client.delete(f"{USERS}/{user_id}/sessions"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert (await people.client(admin).post(f"{USERS}/{mod}/suspension", json={})).status_code == 200
    assert [type_ for type_, _ in await people.told()] == [UserSuspended.type]
    tried = await query(
        "SELECT actor_id, user_id, status::text, new_values FROM audit_logs WHERE action = 'access.denied' ORDER BY id"
    )
    assert tried == [
        (mod, admin, "DENIED", {"reason": "outranked"}), (mod, mod, "DENIED", {"reason": "own_account"})
    ], "each once a minute"  # fmt: skip


async def test_what_somebody_may_in_an_organization_topples_nobody_outside_of_it(
    people: "People",
) -> None:
    """The owner of an organization may everything in it; as a moderator he is no match for who may it everywhere."""
    root = await people.add("root@example.com", "super_admin")
    owner = await people.add("owner@example.com", "moderator")
    body = {"name": "Acme", "slug": "acme", "owner_id": str(owner)}
    assert (await people.client(root).post("/user/v1/organizations", json=body)).status_code == 201
    client = people.client(owner)
    for answer in (
        await client.post(f"{USERS}/{root}/suspension", json={}),
        await client.delete(f"{USERS}/{root}"),
        await client.post(f"{USERS}/{root}/erasure"),
        await client.get(f"{USERS}/{root}/archive"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "outranked")
    answer = await people.client(await people.add("mod@example.com", "moderator")).delete(f"{USERS}/{owner}")
    assert (answer.status_code, answer.json()["code"]) == (403, "outranked"), "who may more, if only somewhere"
    assert (await people.client(root).post(f"{USERS}/{owner}/suspension", json={})).status_code == 200


async def test_wrong_passwords_are_counted_until_a_sign_in(people: "People", auth: "AuthFeed") -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    await auth.bring(*(SignInFailed(user_id=ada, failed_at=auth.clock()) for _ in range(3)))
    found = (await moderator.get(f"{USERS}/{ada}")).json()
    assert (found["failed_login_count"], found["last_failed_login_at"] is None) == (3, False)
    await auth.bring(SignInFailed(user_id=uuid7(), failed_at=auth.clock()))


def test_a_deleted_user_can_be_restored_for_a_month() -> None:
    assert timedelta(days=30) <= PURGE_DELAY
