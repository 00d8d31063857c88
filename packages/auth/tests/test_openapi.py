"""Nothing that a client can send makes auth answer what its OpenAPI document does not have, or fail."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.testing.openapi import run, with_links, without_default

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

PASSWORD = "forty lanterns on a quiet pier"
"""None of the document's examples, with which the user would change it."""

# A user signs in again whenever a request has ended his session.
AS_USER = """
[auth.dynamic.openapi.access_token]
path = "/auth/v1/sessions"
payload = {{ email = "ada@example.com", password = "{password}" }}
extract_selector = "/access_token"
retry_on = [401]
"""
AS_OPERATOR = """
[auth.openapi]
access_token = {{ bearer = "{token}" }}

[parameters]
"path.user_id" = "{user_id}"
"""
CONNECTED = (
    "INSERT INTO oauth_connections (name, protocol, client_id, issuer) "
    "VALUES ('example', 'OIDC', 'orion', 'https://127.0.0.1:9')"
)
LINKED = "INSERT INTO oauth_providers (user_id, provider, provider_id) VALUES (:id, 'example', '1')"


LINKS: dict[str, tuple[str, dict[str, str]]] = {
    "/auth/v1/sessions": ("/auth/v1/sessions/", {"session_id": "id"}),
    "/auth/v1/me/devices": ("/auth/v1/me/devices/", {"id": "id"}),
    "/auth/v1/me/oauth-accounts": ("/auth/v1/me/oauth-accounts/", {"account": "id"}),
    "/auth/v1/oauth-connections": ("/auth/v1/oauth-connections/", {"name": "name"}),
    "/auth/v1/rate-limit-policies": ("/auth/v1/rate-limit-policies/", {"endpoint": "endpoint", "key_type": "key_type"}),
    "/auth/v1/rate-limits": ("/auth/v1/rate-limits/", {"limit_id": "id"}),
}
"""What is listed where, what begins with which path is about it, and by which of its fields."""


def of(caller: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document with what this caller is there for; tests/test_access.py sees to it that the others get nothing."""
    for operations in document["paths"].values():
        for method, operation in list(operations.items()):
            if caller != whose(operation, document):
                del operations[method]
    document["paths"] = {path: operations for path, operations in document["paths"].items() if operations}
    return document


def whose(operation: dict[str, Any], document: dict[str, Any]) -> str:
    if "security" not in operation:
        return "nobody"
    path = next(path for path, each in document["paths"].items() if operation in each.values())
    return "user" if re.search(r"/me/|/sessions", path) else "operator"


async def unlimited(auth: "Auth") -> None:
    """So that requests reach what is behind the limits, and so many failed sign-ins do not look like an attack."""
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 1000, window_seconds = 1')
    await auth.execute("UPDATE risk_policies SET step_up_at = 101, block_at = 101")


async def as_caller(auth: "Auth", caller: str) -> str:
    match caller:
        case "user":
            await unlimited(auth)
            await auth.execute(LINKED, id=await auth.verified(password=PASSWORD))
            body = {"email": "ada@example.com", "password": PASSWORD, "device_id": "one-that-may-be-blocked"}
            assert (await auth.http.post("/auth/v1/sessions", json=body)).status_code == 201
            return AS_USER.format(password=PASSWORD)
        case "operator":
            await unlimited(auth)
            user_id = await auth.verified()
            return AS_OPERATOR.format(token=await auth.operator_token(), user_id=user_id)
        case _:
            return ""  # the limits are as they are seeded, and reached


@pytest.mark.slow
@pytest.mark.parametrize("caller", ["nobody", "user", "operator"])
async def test_every_answer_is_one_that_the_document_has(auth: "Auth", caller: str, tmp_path: Path) -> None:
    await auth.execute(CONNECTED)
    document = of(caller, without_default((await auth.http.get("/auth/v1/openapi.json")).json()))
    signed_in = await as_caller(auth, caller)
    assert await run(auth.application, "auth", with_links(document, LINKS), signed_in, tmp_path)
