"""Who reaches what: every operation that is served, asked by nobody and by somebody without rights."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from packages.notifications.tests.inbox.test_routes import ADA, BOB, add

from orion_core.ids import uuid7
from orion_core.rights.guard import Guard

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Callers, Query

OWN = {
    "get /notifications/v1/me/notifications": 200,
    "get /notifications/v1/me/notifications/{notification_id}": 404,
    "patch /notifications/v1/me/notifications/{notification_id}": 404,
    "get /notifications/v1/me/inbox": 200,
    "patch /notifications/v1/me/inbox": 200,
    "get /notifications/v1/me/inbox/stream": 200,
    "get /notifications/v1/me/preferences": 200,
    "patch /notifications/v1/me/preferences": 200,
    "get /notifications/v1/me/push-subscriptions": 200,
    "post /notifications/v1/me/push-subscriptions": 422,
    "get /notifications/v1/me/push-subscriptions/public-key": 404,
    "delete /notifications/v1/me/push-subscriptions/{subscription_id}": 404,
    "get /notifications/v1/me/webhook-endpoints": 200,
    "post /notifications/v1/me/webhook-endpoints": 422,
    "get /notifications/v1/me/webhook-endpoints/{endpoint_id}": 404,
    "patch /notifications/v1/me/webhook-endpoints/{endpoint_id}": 422,
    "delete /notifications/v1/me/webhook-endpoints/{endpoint_id}": 404,
    "post /notifications/v1/me/webhook-endpoints/{endpoint_id}/secrets": 404,
}
"""What is somebody's own: others get their own, or find nothing."""
OF_SERVICES = {
    "get /notifications/v1/users/{user_id}/personal-data": 403,
    "get /notifications/v1/events": 401,  # it asks for a token that auth has signed
}
OPEN = {
    f"{method} /notifications/v1/{path}/{{token}}"
    for method, path in (
        ("get", "unsubscribe"),
        ("post", "unsubscribe"),
        ("post", "resubscribe"),
        ("get", "preferences"),
        ("post", "preferences"),
        ("get", "clicks"),
    )
} | {"get /notifications/v1/opens/{token}.gif"}
"""By a link alone, which is sealed."""
OF_PROVIDERS = {"post /notifications/v1/callbacks/{account_id}"}
"""By the signature of the provider alone."""

MESSAGE = {"to": {"email": "b@example.com"}, "type": "a", "channels": ["EMAIL"], "category": "ACCOUNT"}
RULE = {"name": "a", "event_type": "b", "type": "a", "template": "a", "channels": ["EMAIL"]}
BODIES: dict[str, dict[str, Any]] = {
    "patch /notifications/v1/me/notifications/{notification_id}": {"read": True},
    "patch /notifications/v1/me/inbox": {"read": True},
    "patch /notifications/v1/me/preferences": {},
    "post /notifications/v1/notifications": MESSAGE | {"content": {"text": "x"}},
    "post /notifications/v1/notifications/simulate": MESSAGE | {"content": {"text": "x"}},
    "post /notifications/v1/notifications/bulk": {"messages": [MESSAGE | {"content": {"text": "x"}}]},
    "put /notifications/v1/notifications/{notification_id}/schedule": {"scheduled_at": "2030-01-01T00:00:00Z"},
    "post /notifications/v1/batches": {"name": "a", "template": "a", "channel": "EMAIL"},
    "patch /notifications/v1/batches/{batch_id}": {"status": "PAUSED"},
    "post /notifications/v1/suppressions": {"channel": "EMAIL", "recipient": "b@example.com"},
    "post /notifications/v1/suppressions/search": {"channel": "EMAIL", "recipient": "b@example.com"},
    "post /notifications/v1/suppressions/release": {"channel": "EMAIL", "recipient": "b@example.com"},
    "post /notifications/v1/rules": RULE,
    "post /notifications/v1/rules/simulate": {"event_type": RULE["event_type"], "data": {}},
    "patch /notifications/v1/rules/{rule_id}": {},
    "put /notifications/v1/channel-pauses/{channel}": {"reason": "x"},
    "put /notifications/v1/throttles": {"type": "a", "most": 1, "window_seconds": 60},
}
"""What is sent so that the operation would succeed for whoever may."""


def operations_of(application: FastAPI) -> dict[str, bool]:
    """What is served, and whether it takes an access token."""
    return {
        f"{method} {path}": "security" in operation
        for path, methods in application.openapi()["paths"].items()
        if path.startswith("/notifications/") and "/templates" not in path  # those are asked by authoring's own test
        for method, operation in methods.items()
    }


def url_of(path: str, notification_id: object) -> str:
    named = ("throttle_id", "subscription_id", "endpoint_id", "account_id", "batch_id", "rule_id")
    ids = {name: uuid7() for name in named} | {"notification_id": notification_id, "user_id": ADA}
    return f"http://n{path.format(first_line=1, channel='EMAIL', **ids)}"


async def test_who_reaches_what_of_all_that_is_served(application: FastAPI, caller: "Callers", query: "Query") -> None:
    hers = await add(query, ADA)
    before = await query("SELECT to_jsonb(n) FROM notifications AS n")
    operations = operations_of(application)
    assert {name for name, is_secured in operations.items() if not is_secured} == OPEN | OF_PROVIDERS
    # What is neither somebody's own nor a service's is an administrator's: without its permission it is refused.
    async with caller(BOB) as bob, caller(None) as nobody, caller("key:content:read") as key:
        for name, is_secured in operations.items():
            if not is_secured:
                continue
            method, _, path = name.partition(" ")
            url = url_of(path, hers)
            body: dict[str, Any] = {"json": BODIES[name]} if name in BODIES else {}
            assert (await nobody.request(method, url, **body)).status_code == 401, name
            if name in OWN | OF_SERVICES:
                answer = await bob.request(method, url, **body)
                assert answer.status_code == (OWN | OF_SERVICES)[name], (name, answer.text)
                continue
            refused = await key.request(method, url, **body)
            assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), (name, refused.text)
            # Bob is somebody whom user would have to be asked about, and it is away: who cannot know does not decide.
            assert (await bob.request(method, url, **body)).status_code == 503, name
    assert await query("SELECT to_jsonb(n) FROM notifications AS n") == before


class Everything:
    """Rights to everything, of whoever it is."""

    async def rights(self, _: object) -> "Everything":
        return self

    def allows(self, *_: object, **__: object) -> bool:
        return True


async def test_who_changes_what_is_not_his_own_has_proved_lately_who_he_is(
    application: FastAPI, caller: "Callers", query: "Query"
) -> None:
    components = application.state.components
    guard = Guard(cast("Any", Everything()), cast("Any", None), components.clock)
    application.state.components = replace(components, require=guard.require)
    hers = await add(query, ADA)
    before = await query("SELECT to_jsonb(n) FROM notifications AS n")
    reading = ("suppressions/search", "/simulate")
    asked = 0
    async with caller(f"stale:{BOB}") as stale, caller(BOB) as fresh:
        for name, is_secured in operations_of(application).items():
            method, _, path = name.partition(" ")
            if not is_secured or name in OWN | OF_SERVICES or method == "get" or path.endswith(reading):
                continue
            asked += 1
            body: dict[str, Any] = {"json": BODIES[name]} if name in BODIES else {}
            refused = await stale.request(method, url_of(path, hers), **body)
            assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required"), name
            assert 'error="insufficient_user_authentication"' in refused.headers["www-authenticate"]
            if name == "post /notifications/v1/batches":
                assert (await fresh.request(method, url_of(path, hers), **body)).status_code != 401
        assert (await stale.get("http://n/notifications/v1/rules")).status_code == 200
    assert asked > 20
    assert await query("SELECT to_jsonb(n) FROM notifications AS n") == before
