"""Nothing that a client can send makes auth answer what its OpenAPI document does not have, or fail.

schemathesis reads the document, makes requests that fit it and such that do not, follows ids from one answer into the
next request, and checks every answer. As long as one likes, with requests made up at random as well:

    ORION_SCHEMATHESIS_EXAMPLES=500 make test ARGS="packages/auth/tests/test_openapi.py"
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.http.embedded import serving

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

EXAMPLES = int(os.environ.get("ORION_SCHEMATHESIS_EXAMPLES", "0"))
"""Requests made up for each operation, and journeys over several; none: what the document itself suggests."""
JOURNEYS = 20
SEED = 20261126

PHASES = "coverage,stateful" + (",fuzzing" if EXAMPLES else "")

PASSWORD = "forty lanterns on a quiet pier"
"""None of the document's examples, with which the user would change it."""

CONFIG = """
seed = {seed}
suppress-health-check = ["all"]
{auth}
[generation]
mode = "all"
deterministic = true
max-examples = {journeys}

[phases.coverage]
unexpected-methods = ["TRACE"]

[phases.coverage.generation]
mode = "negative"  # what fits is sent by the journeys

[cache]
enabled = false

# What fits the document may still be refused for what it means: a wrong code, an address that is no address.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503]

# 502: a provider that does not answer, as the one of this test; 503: too many passwords to hash at once.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 502, 503]

[checks.negative_data_rejection]
expected-statuses = ["4xx", 303, 503]
"""

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


def with_links(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a link from every list to each operation on its first item."""
    for listing, (beginning, fields) in LINKS.items():
        links: dict[str, Any] = {}
        parameters = {name: f"$response.body#/items/0/{field}" for name, field in fields.items()}
        for path, operations in document["paths"].items():
            if path.startswith(beginning) and all(f"{{{name}}}" in path for name in fields):
                for operation in operations.values():
                    links[operation["operationId"]] = {
                        "operationId": operation["operationId"],
                        "parameters": parameters,
                    }
        if "get" in document["paths"].get(listing, {}):
            document["paths"][listing]["get"]["responses"]["200"]["links"] = links
    return document


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


def without_default(document: dict[str, Any]) -> dict[str, Any]:
    """The document without its word on "any other answer", which would make every answer a documented one."""
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("default", None)
    return document


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
    document = (await auth.http.get("/auth/v1/openapi.json")).json()
    (tmp_path / "auth.json").write_text(json.dumps(with_links(of(caller, without_default(document)))))
    config = CONFIG.format(seed=SEED, journeys=EXAMPLES or JOURNEYS, auth=await as_caller(auth, caller))
    (tmp_path / "schemathesis.toml").write_text(config)
    async with serving(auth.application, "127.0.0.1", 0) as port:
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", "auth.json", "--url", f"http://127.0.0.1:{port}"),
            *("--checks", "all", "--continue-on-failure", "--phases", PHASES),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()
    print(output.decode())
    assert run.returncode == 0
