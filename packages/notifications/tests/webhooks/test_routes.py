"""Webhook endpoints over HTTP: one's own, and the operator's for who may."""

from typing import TYPE_CHECKING, Any

import pytest

from orion_core.ids import uuid7
from orion_notifications.webhooks.rules import MOST_ENDPOINTS, fault

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served

ADA, BOB = uuid7(), uuid7()
MINE, OPERATORS = "/notifications/v1/me/webhook-endpoints", "/notifications/v1/webhook-endpoints"


@pytest.mark.parametrize("path", [MINE, OPERATORS])
async def test_an_endpoint_lives(served: "Served", query: "Query", path: str) -> None:
    served.allowed = {"provider:configure"}
    async with served.client(ADA) as client:
        answer = await client.post(path, json={"url": "https://example.com/hooks/k3y?t=0k", "description": "mine"})
        assert answer.status_code == 201
        made: Any = answer.json()
        assert made["secret"].startswith("whsec_")
        where = answer.headers["location"]
        assert where == f"{path}/{made['id']}"
        assert (await client.get(path)).json()["items"] == [{k: v for k, v in made.items() if k != "secret"}]
        etag = answer.headers["etag"]
        assert (await client.patch(where, json={"is_enabled": False})).status_code == 428
        changed = await client.patch(where, json={"is_enabled": False}, headers={"If-Match": etag})
        assert (changed.json()["is_enabled"], changed.json()["disabled_reason"]) == (False, "switched off by its owner")
        assert (await client.patch(where, json={}, headers={"If-Match": etag})).status_code == 412
        new = (await client.post(f"{where}/secrets")).json()["secret"]
        assert new != made["secret"]
        etag = changed.headers["etag"]
        assert (await client.delete(where, headers={"If-Match": etag})).status_code == 204
        assert (await client.get(where)).status_code == 404
    told = await query("SELECT data->>'action' FROM outbox ORDER BY id")
    assert [action for (action,) in told] == ["webhook.create", "webhook.update", "webhook.rotate", "webhook.delete"]
    kept = str(await query("SELECT data FROM outbox"))
    assert new not in kept
    assert made["secret"] not in kept
    assert "https://example.com/•••" in kept
    assert "k3y" not in kept, "a URL may itself be the key"


async def test_whose_they_are(served: "Served") -> None:
    async with served.client(ADA) as ada, served.client(BOB) as bob, served.client() as nobody:
        where = (await ada.post(MINE, json={"url": "https://example.com/hooks"})).headers["location"]
        assert (await bob.get(where)).status_code == 404
        assert (await bob.post(f"{where}/secrets")).status_code == 404
        assert (await bob.get(MINE)).json()["items"] == []
        assert (await nobody.get(MINE)).status_code == 401
        assert (await ada.get(OPERATORS)).status_code == 403
        served.allowed = {"provider:configure"}
        assert (await ada.get(OPERATORS)).json()["items"] == []
        assert (await ada.get(where.replace("/me/", "/"))).status_code == 404


async def test_there_are_not_too_many(served: "Served") -> None:
    async with served.client(ADA) as client:
        for number in range(MOST_ENDPOINTS):
            assert (await client.post(MINE, json={"url": f"https://example.com/{number}"})).status_code == 201
        assert (await client.post(MINE, json={"url": "https://example.com/x"})).json()["code"] == "too_many_endpoints"


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com", "https://", "https://user:pw@example.com", "https://example.com/#x", "http://example.com:x",
     "https://[::1", "javascript:alert(1)", "https://169.254.169.254/latest", ""],
)  # fmt: skip
async def test_what_is_no_endpoint(served: "Served", url: str) -> None:
    async with served.client(ADA) as client:
        answer = await client.post(MINE, json={"url": url})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/url")


def test_in_production_an_endpoint_is_public_and_encrypted() -> None:
    for url in ("http://example.com", "https://127.0.0.1", "https://localhost/x", "https://10.1.2.3", "https://[::1]/"):
        assert fault(url, local=False) is not None
    assert fault("https://example.com:8443/x?y=1", local=False) is None
    assert fault("http://127.0.0.1:7104/webhook/x", local=True) is None
    assert fault("http://8.8.8.8/", local=True) is not None
