"""Nothing that a client can send makes user answer what its OpenAPI document does not have, or fail."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from packages.user.tests.matrix.expectation import HOUSE, A
from packages.user.tests.matrix.world import World

from orion_core.testing.openapi import run, with_links, without_default

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Sign

SIGNED_IN = """
headers = {{ If-Match = "*" }}

[auth.openapi]
access_token = {{ bearer = "{token}" }}

[parameters]
{ids}
{negated}
"""
KEPT = """
[[operations]]
include-name = "GET {path}"
checks.use_after_free.enabled = false
"""
STAYS = (
    "/user/v1/users/{user_id}",
    "/user/v1/me/api-keys/{key_id}",
    "/user/v1/api-keys/{key_id}",
    "/user/v1/role-assignments/{grant_id}",
    "/user/v1/permission-grants/{grant_id}",
    "/user/v1/elevations/{elevation_id}",
)
"""What is still to be read when it was deleted, revoked or ended: a user until he is purged, the rest as history."""

IDS = {
    "user": {"key_id": "key_id", "elevation_id": "adas_elevation", "invitation_id": "adas_invitation"},
    "operator": {name: name for name in ("role_id", "organization_id", "team_id", "grant_id", "key_id")}
    | {"user_id": "grantee"},
}
"""What is in the paths, so that requests reach something; in other paths ids are made up."""

# What is sent in place of the path's id is good, and schemathesis takes the request for one that is not; so it does
# with a header that no document speaks of.
NEGATED = """
[[operations]]
include-name = "{operation}"
checks.negative_data_rejection.expected-statuses = ["2xx", "4xx"]
"""

LINKS = {
    "/user/v1/users": ("/user/v1/users/", {"user_id": "id"}),
    "/user/v1/me/api-keys": ("/user/v1/me/api-keys/", {"key_id": "id"}),
    "/user/v1/api-keys": ("/user/v1/api-keys/", {"key_id": "id"}),
    "/user/v1/imports": ("/user/v1/imports/", {"import_id": "id"}),
    "/user/v1/permissions": ("/user/v1/permissions/", {"name": "name"}),
    "/user/v1/roles": ("/user/v1/roles/", {"role_id": "id"}),
    "/user/v1/role-assignments": ("/user/v1/role-assignments/", {"grant_id": "id"}),
    "/user/v1/permission-grants": ("/user/v1/permission-grants/", {"grant_id": "id"}),
    "/user/v1/separation-rules": ("/user/v1/separation-rules/", {"rule_id": "id"}),
    "/user/v1/elevations": ("/user/v1/elevations/", {"elevation_id": "id"}),
    "/user/v1/organizations": ("/user/v1/organizations/", {"organization_id": "id"}),
    "/user/v1/organizations/{organization_id}/teams": ("/user/v1/teams/", {"team_id": "id"}),
    "/user/v1/organizations/{organization_id}/invitations": ("/user/v1/invitations/", {"invitation_id": "id"}),
    "/user/v1/audit-logs": ("/user/v1/audit-logs/", {"entry_id": "id"}),
    "/user/v1/audit-streams": ("/user/v1/audit-streams/", {"stream_id": "id"}),
}
"""What is listed or made where, what begins with which path is about it, and by which of its fields."""


def of(caller: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document with what this caller is there for; tests/matrix sees to it that the others get nothing."""
    for path, operations in document["paths"].items():
        for method, operation in list(operations.items()):
            if caller != whose(path, operation):
                del operations[method]
    document["paths"] = {path: operations for path, operations in document["paths"].items() if operations}
    return document


def whose(path: str, operation: dict[str, Any]) -> str:
    if "security" not in operation:
        return "nobody"
    return "user" if re.search(r"/me$|/me/|/elevations", path) else "operator"


def signed_in(world: World, caller: str, document: dict[str, Any]) -> str:
    """How requests are signed in, and what they are about."""
    token = world.operator() if caller == "operator" else world.signed_in(str(world.ids[A]["ada"]))
    ids = {name: (world.ids[HOUSE] | world.ids[A])[which] for name, which in IDS[caller].items()}
    negated = [
        NEGATED.format(operation=f"{method.upper()} {path}")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if any(f"{{{name}}}" in path for name in ids)
        and (path.count("{") > 1 or any(each["in"] in ("query", "header") for each in operation.get("parameters", [])))
    ]
    lines = "\n".join(f'"path.{name}" = "{value}"' for name, value in ids.items())
    kept = [KEPT.format(path=path) for path in STAYS if path in document["paths"]]
    return SIGNED_IN.format(token=token, ids=lines, negated="".join(negated + kept))


@pytest.mark.slow
@pytest.mark.parametrize("caller", ["nobody", "user", "operator"])
async def test_every_answer_is_one_that_the_document_has(
    service: httpx.ASGITransport, people: "People", sign: "Sign", caller: str, tmp_path: Path
) -> None:
    world = World(people, sign, service)
    document = of(caller, without_default(world.application.openapi()))
    signing_in = ""
    if caller != "nobody":
        await world.build()
        # So that nobody is erased by the way, and everything after it finds nobody.
        await world.made(f"/users/{world.ids[A]['ada']}/legal-hold", {"reason": "test"}, method="PUT")
        signing_in = signed_in(world, caller, document)
    assert await run(world.application, "user", with_links(document, LINKS), signing_in, tmp_path)
