"""Field by field: nobody writes one that is not for him to write, nor reads one that is not for him to see."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from packages.user.tests.matrix.test_matrix import document

from orion_user.profiles.shapes import ProfileShape

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Query

FREE = {
    "EvaluationShape",
    "EvaluationsShape",
    "PartShape",
    "OptionsShape",
    "SubjectSearch",
    "ResourceSearch",
    "ActionSearch",
    "AnySubjectShape",
    "AnyResourceShape",
    "SubjectShape",
    "ResourceShape",
    "ActionShape",
    "PageShape",
    "Patch",
}
"""Questions about rights, in which AuthZEN passes over what it does not know, and which change nothing; and merge
patches of preferences, which the document's own schema is held against."""


def bodies(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that a request's body leads to, by name."""
    seen = set[str]()
    waiting: list[Any] = [
        operation["requestBody"]
        for operations in described["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    ]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            if name and name not in seen:
                seen.add(name)
                yield name, described["components"]["schemas"][name]
                waiting.append(described["components"]["schemas"][name])
            waiting += part.values()


def test_no_body_has_room_for_fields_that_nobody_asked_for() -> None:
    """Mass assignment: `"status": "ACTIVE"` is an error, wherever it is put."""
    described = document()
    objects = {name: schema for name, schema in bodies(described) if schema.get("type") == "object"}
    assert len(objects) > 25
    lax = {name for name, schema in objects.items() if schema.get("additionalProperties") is not False}
    assert lax == FREE


def test_ids_tell_nothing_apart_from_when() -> None:
    """What is named by an id is named by a UUID: nobody counts on from his own."""
    named = [
        parameter
        for operations in document()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path" and parameter["name"].endswith("id")
    ]
    assert len(named) > 50
    assert [each for each in named if each["schema"].get("format") != "uuid"] == []


NOT_ONES_OWN = [
    {"status": "ACTIVE"},
    {"email": "root@example.com"},
    {"email_verified_at": "2026-01-01T00:00:00Z"},
    {"metadata": {"plan": "pro"}},
    {"roles": ["super_admin"]},
    {"id": "01890a5d-ac96-774b-bcce-b302099a8057"},
]


@pytest.mark.parametrize("body", NOT_ONES_OWN)
async def test_what_of_a_profile_is_not_its_owners_to_change(
    people: "People", query: "Query", body: dict[str, Any]
) -> None:
    ada = await people.add("ada@example.com")
    before = await query("SELECT to_jsonb(u) FROM users AS u")
    answer = await people.client(ada).patch("/user/v1/me", json={"bio": "x", **body}, headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert await query("SELECT to_jsonb(u) FROM users AS u") == before


async def test_others_see_of_a_user_what_a_profile_has_and_nothing_else(people: "People") -> None:
    ada, grace = await people.add("ada@example.com"), await people.add("grace@example.com")
    shown = (await people.client(grace).get(f"/user/v1/profiles/{ada}")).json()
    assert set(shown) == set(ProfileShape.model_fields)
    assert not set(shown) & {"status", "metadata", "email_verified_at", "login_count", "last_failed_login_at"}
