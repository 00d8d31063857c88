"""Nothing that a client can send makes notifications answer what its OpenAPI document does not have, or fail."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from packages.notifications.tests.batches.test_batches import NDJSON, WANTED, people
from packages.notifications.tests.event_rules.test_routes import NEW as RULE
from packages.notifications.tests.inbox.test_routes import ADA, add
from packages.notifications.tests.push.test_routes import BROWSER
from starlette.requests import Request

from orion_contracts.claims import AccessClaims
from orion_core.errors import unauthenticated
from orion_core.testing.openapi import run, with_links, without_default

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

TOKEN = "adas-own-token"
PREFIX = "/notifications/v1"
SIGNED_IN = f"""
headers = {{ If-Match = "*" }}

[auth.openapi]
access_token = {{ bearer = "{TOKEN}" }}
"""
PLAIN = """
[[operations]]
include-name = {names}
phases.coverage.generation.mode = "all"  # there is nothing to get wrong, and journeys come by few of them
"""
SAME = f"""
[[operations]]
include-path-regex = "^{PREFIX}/(notifications/(bulk|simulate)|webhook-endpoints)"
phases.coverage.enabled = false  # what they take is what /notifications and /me/webhook-endpoints take
"""

WORLD: dict[str, dict[str, Any]] = {
    "templates": {"name": "shipped", "display_name": "Shipped", "category": "TRANSACTIONAL", "channel": "EMAIL"},
    "batches": WANTED,
    "rules": RULE,
    "providers": {
        "channel": "EMAIL",
        "provider": "sendgrid",
        "name": "main",
        "settings": {"api_key": "SG.x", "sender": "Orion <a@orion.example>"},
    },
    "me/push-subscriptions": BROWSER,
    "throttles": {"type": "order.shipped", "most": 1, "window_seconds": 60},
    "me/webhook-endpoints": {"url": "https://example.com/hooks"},
    "webhook-endpoints": {"url": "https://example.com/hooks"},
}
"""What is made first, where, so that lists have a first item."""

LINKS = {
    "templates": ("templates/", {"template_id": "id"}),
    "templates/{template_id}/versions": ("templates/", {"template_id": "template_id", "version": "version"}),
    "batches": ("batches/", {"batch_id": "id"}),
    "rules": ("rules/", {"rule_id": "id"}),
    "me/notifications": ("me/notifications/", {"notification_id": "id"}),
    "notifications": ("notifications/", {"notification_id": "id"}),
    "providers": ("providers/", {"account_id": "id"}),
    "me/push-subscriptions": ("me/push-subscriptions/", {"subscription_id": "id"}),
    "throttles": ("throttles/", {"throttle_id": "id"}),
    "me/webhook-endpoints": ("me/webhook-endpoints/", {"endpoint_id": "id"}),
    "webhook-endpoints": ("webhook-endpoints/", {"endpoint_id": "id"}),
}
"""What is listed or made where, what begins with which path is about it, and by which of its fields."""


async def as_ada(request: Request) -> AccessClaims:
    """Ada has one token, and has proved lately who she is."""
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        raise unauthenticated("no token")
    return AccessClaims(
        iss="i", aud="orion", sub=str(ADA), client_id="c", sid="s", auth_time=2**31, exp=2, iat=1, jti="j"
    )


async def may_everything(_: AccessClaims, __: str) -> None:
    """Ada is an operator too; test_reach.py sees to it that others get nothing."""


async def build(application: FastAPI) -> None:
    """The world."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://n{PREFIX}", headers=headers) as http:
        for path, body in WORLD.items():
            answer = await http.request("PUT" if path == "throttles" else "POST", path, json=body)
            assert answer.is_success, answer.text
            if path == "batches":
                recipients = f"batches/{answer.json()['id']}/recipients/1"
                assert (await http.put(recipients, content=people(3), headers=NDJSON)).status_code == 200


@pytest.mark.slow
async def test_every_answer_is_one_that_the_document_has(application: FastAPI, query: "Query", tmp_path: Path) -> None:
    components = application.state.components
    application.state.components = replace(components, authenticate=as_ada, require=may_everything)
    await build(application)
    await add(query, ADA)
    document = without_default(application.openapi())
    plain = [
        f"GET {path}"
        for path, operations in document["paths"].items()
        if "get" in operations and "parameters" not in operations["get"]
    ]
    links = {f"{PREFIX}/{path}": (f"{PREFIX}/{below}", fields) for path, (below, fields) in LINKS.items()}
    config = SIGNED_IN + PLAIN.format(names=json.dumps(plain)) + SAME
    assert await run(application, "notifications", with_links(document, links), config, tmp_path)
