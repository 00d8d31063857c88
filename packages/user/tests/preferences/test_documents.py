"""The four documents: defaults, merge patches, schemas, and what is refused."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_contracts.user_events import NotificationPreferencesChanged, SecurityPreferencesChanged
from orion_core.ids import uuid7
from orion_core.merge_patch import merged
from orion_core.testing import MovableClock
from orion_user.preferences.documents import DOCUMENTS, schema

if TYPE_CHECKING:
    from packages.user.tests.conftest import Changed, People, Query, Sign

MINE = "/user/v1/me/preferences"


async def test_what_nobody_has_chosen_is_the_default(people: "People", query: "Query") -> None:
    client = people.client(await people.add("ada@example.com"))
    found = (await client.get(MINE)).json()
    assert (found["locale"], found["timezone"]) == ("de", "Europe/Berlin")
    for kind, document in DOCUMENTS.items():
        assert found[kind] == document().model_dump(mode="json") == (await client.get(f"{MINE}/{kind}")).json()
    assert await query("SELECT privacy FROM user_preferences") == [({},)]


async def test_only_what_was_chosen_is_stored_and_null_gives_it_back(
    people: "People", changed: "Changed", query: "Query"
) -> None:
    client = people.client(await people.add("ada@example.com"))
    answer = await changed(client, f"{MINE}/display", {"theme": "DARK", "clock": "24H"})
    assert (answer.status_code, answer.json()["theme"], answer.json()["density"]) == (200, "DARK", "COMFORTABLE")
    assert (await changed(client, f"{MINE}/display", {"theme": None})).json()["theme"] == "SYSTEM"
    assert await query("SELECT display FROM user_preferences") == [({"clock": "24H"},)]
    assert (await client.patch(f"{MINE}/display", json={"theme": "DARK"})).status_code == 428


WRONG: list[tuple[str, Any]] = [
    ("display", {"theme": "PINK"}),
    ("display", {"them": "DARK"}),
    ("privacy", {"shows_email": "yes"}),
    ("privacy", {"shows_email": 1}),
    ("notifications", {"muted_categories": ["lower"]}),
    ("notifications", {"muted_categories": ["A"] * 51}),
    ("security", {"sign_in_notices": "NEVER"}),
    ("security", []),
    ("security", {"a": "\0"}),
]


@pytest.mark.parametrize(("kind", "patch"), WRONG)
async def test_what_breaks_the_schema_changes_nothing(
    people: "People", changed: "Changed", query: "Query", kind: str, patch: Any
) -> None:
    client = people.client(await people.add("ada@example.com"))
    answer = await changed(client, f"{MINE}/{kind}", patch)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
    assert await query(f"SELECT {kind} FROM user_preferences") == [({},)]


@pytest.mark.parametrize("kind", DOCUMENTS)
async def test_each_has_a_schema(people: "People", kind: str) -> None:
    client = people.client(await people.add("ada@example.com"))
    answer = await client.get(f"/user/v1/preferences/{kind}/schema")
    assert answer.json() == schema(kind)
    assert all("default" in each or "type" in each for each in schema(kind)["properties"].values())
    assert (await client.get("/user/v1/preferences/other/schema")).status_code == 422


async def test_security_is_told_to_auth_and_weakened_only_with_a_recent_proof(
    people: "People", changed: "Changed", service: httpx.ASGITransport, sign: "Sign", clock: MovableClock
) -> None:
    ada = await people.add("ada@example.com")
    url = f"{MINE}/security"

    def client(age: timedelta) -> httpx.AsyncClient:
        token = sign(str(ada), uuid7(), auth_time=int((clock() - age).timestamp()))
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=service, base_url="http://user", headers=headers)

    strong = {"requires_second_factor": True, "sign_in_notices": "EVERY"}
    assert (await changed(client(timedelta(days=1)), url, strong)).status_code == 200
    for patch in ({"requires_second_factor": False}, {"sign_in_notices": None}):
        answer = await changed(client(timedelta(minutes=6)), url, patch)
        assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")
        assert "max_age" in answer.headers["WWW-Authenticate"]
    assert (await changed(client(timedelta(minutes=4)), url, {"requires_second_factor": None})).status_code == 200
    told = [(type_, data["requires_second_factor"], data["sign_in_notices"]) for type_, data in await people.told()]
    name = SecurityPreferencesChanged.type
    assert told == [(name, True, "EVERY"), (name, False, "EVERY")]


async def test_notifications_is_told_of_what_was_chosen_with_the_defaults(people: "People", changed: "Changed") -> None:
    ada = await people.add("ada@example.com")
    client, url = people.client(ada), f"{MINE}/notifications"
    for patch in (
        {"email": False},
        {"email": False},
        {"email": None, "muted_categories": ["SOCIAL"]},
        {"sms": "no"},
        {"digest": "DAILY"},
        {"sms": False, "digest": "DAILY"},
        {"digest": "DAILY"},
    ):
        await changed(client, url, patch)
    told = [data for type_, data in await people.told() if type_ == NotificationPreferencesChanged.type]
    assert [(each["email"], each["sms"], each["muted_categories"], each.get("digest")) for each in told] == [
        (False, True, [], None),
        (True, True, ["SOCIAL"], None),
        (True, True, ["SOCIAL"], "DAILY"),
        (True, False, ["SOCIAL"], None),
        (True, False, ["SOCIAL"], "DAILY"),
    ]
    assert {each["user_id"] for each in told} == {str(ada)}


async def test_administrators_change_those_of_users_below_them(people: "People", changed: "Changed") -> None:
    ada, root = await people.add("ada@example.com"), await people.add("root@example.com", "super_admin")
    moderator, patch = await people.moderator(), {"requires_second_factor": True}
    assert (await changed(moderator, f"/user/v1/users/{ada}/preferences/security", patch)).status_code == 200
    answer = await changed(moderator, f"/user/v1/users/{root}/preferences/security", patch)
    assert (answer.status_code, answer.json()["code"]) == (403, "outranked")
    own = await people.client(ada).get(f"/user/v1/users/{ada}/preferences/security")
    assert own.status_code == 403


async def test_what_a_deleted_user_has_chosen_is_left_alone(
    people: "People", changed: "Changed", query: "Query"
) -> None:
    ada, moderator = await people.add("ada@example.com"), await people.moderator()
    url = f"/user/v1/users/{ada}/preferences/security"
    before = await moderator.get(url)
    assert (await moderator.delete(f"/user/v1/users/{ada}")).status_code in {200, 204}
    told = len(await people.told())
    answer = await moderator.patch(
        url, json={"requires_second_factor": True}, headers={"If-Match": before.headers["ETag"]}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await query("SELECT security FROM user_preferences WHERE user_id = :ada", ada=ada) == [({},)]
    assert len(await people.told()) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)

EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_merging_as_rfc_7396_appendix_a_shows(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


@given(JSON, JSON)
def test_merging_twice_is_merging_once(target: Any, patch: Any) -> None:
    once = merged(target, patch)
    assert merged(once, patch) == once
