"""Accounts with providers over HTTP: set up and changed by who may, and their secrets shown to nobody."""

from typing import TYPE_CHECKING, Any

import pytest

from orion_core.ids import uuid7
from orion_notifications.kinds import Channel
from orion_notifications.provider_settings import secrets_led_astray

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served

ADA = uuid7()
PATH = "/notifications/v1/providers"
SETTINGS = {"api_key": "SG.s3cr3t", "sender": "Orion <no-reply@orion.example>"}
WANTED = {"channel": "EMAIL", "provider": "sendgrid", "name": "one", "settings": SETTINGS, "weight": 5}


async def test_an_account_lives(served: "Served", query: "Query") -> None:
    served.allowed = {"provider:read", "provider:configure"}
    async with served.client(ADA) as client:
        answer = await client.post(PATH, json=WANTED)
        made: Any = answer.json()
        assert answer.status_code == 201
        assert made["settings"] == {"api_key": "•••", "sender": SETTINGS["sender"]}
        assert made["callback_path"] == f"/notifications/v1/callbacks/{made['id']}"
        where, etag = answer.headers["location"], answer.headers["etag"]
        assert (await client.post(PATH, json=WANTED)).json()["code"] == "name_taken"
        assert (await client.get(PATH)).json()["items"] == [made]
        assert (await client.get(where)).headers["etag"] == etag
        # A secret need not be sent again, and null takes a setting out.
        changes = {"settings": {"sender": "b@orion.example"}, "weight": 0}
        changed = await client.patch(where, json=changes, headers={"If-Match": etag})
        assert changed.json()["settings"] == {"api_key": "•••", "sender": "b@orion.example"}
        assert (await client.patch(where, json=changes, headers={"If-Match": etag})).status_code == 412
        etag = changed.headers["etag"]
        refused = await client.patch(where, json={"settings": {"api_key": None}}, headers={"If-Match": etag})
        assert refused.json()["errors"][0]["field"] == "/settings/api_key"
        # But it goes to no other place than it was given for, unless by somebody who knows it.
        place = {"base_url": "https://api.eu.sendgrid.com"}
        refused = await client.patch(where, json={"settings": place}, headers={"If-Match": etag})
        assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [
            ("/settings/api_key", "secret_required")
        ]
        moving = {"settings": place | {"api_key": SETTINGS["api_key"]}}
        moved = await client.patch(where, json=moving, headers={"If-Match": etag})
        assert moved.json()["settings"] == {"api_key": "•••", "sender": "b@orion.example", **place}
        etag = moved.headers["etag"]
        less = await client.patch(where, json={"settings": {"base_url": None}}, headers={"If-Match": etag})
        assert "base_url" not in less.json()["settings"]
        assert (await client.delete(where, headers={"If-Match": less.headers["etag"]})).status_code == 204
        assert (await client.get(where)).status_code == 404
    kept = str(await query("SELECT data FROM outbox")) + str(await query("SELECT * FROM provider_accounts"))
    assert "s3cr3t" not in kept
    told = await query("SELECT data->>'action' FROM outbox ORDER BY id")
    assert [action for (action,) in told] == [
        "provider.create",
        "provider.update",
        "provider.update",
        "provider.update",
        "provider.delete",
    ]


async def test_who_may(served: "Served") -> None:
    async with served.client(ADA) as client, served.client() as nobody:
        assert (await nobody.get(PATH)).status_code == 401
        assert (await client.get(PATH)).status_code == 403
        assert (await client.get(f"{PATH}/kinds")).status_code == 403
        served.allowed = {"provider:read"}
        assert (await client.get(PATH)).status_code == 200
        assert (await client.post(PATH, json=WANTED)).status_code == 403
        kinds = (await client.get(f"{PATH}/kinds")).json()["items"]
        assert {"smtp", "ses", "sendgrid", "twilio", "web_push", "apns", "apprise"} <= {
            kind["provider"] for kind in kinds
        }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "nobody"}, "/provider"),
        ({"channel": "SMS"}, "/provider"),
        ({"settings": {}}, "/settings/api_key"),
        ({"settings": SETTINGS | {"more": 1}}, "/settings/more"),
        ({"settings": SETTINGS | {"sender": "a@b\r\nBcc: c@d"}}, "/settings/sender"),
        ({"settings": SETTINGS | {"api_key": "a\r\nX: y"}}, "/settings/api_key"),
        ({"settings": SETTINGS | {"base_url": "file:///etc/passwd"}}, "/settings/base_url"),
        ({"settings": SETTINGS | {"verification_key": "c3VwZXIgc2VjcmV0"}}, "/settings/verification_key"),
        ({"rate_limit": 0}, "/rate_limit"),
        ({"weight": 1001}, "/weight"),
    ],
)
async def test_what_is_no_account_and_is_not_repeated(served: "Served", change: dict[str, Any], field: str) -> None:
    served.allowed = {"provider:configure"}
    async with served.client(ADA) as client:
        answer = await client.post(PATH, json=WANTED | change)
        assert answer.status_code == 422
        assert field in [error["field"] for error in answer.json()["errors"]]
        assert "s3cr3t" not in answer.text
        assert "c3VwZXI" not in answer.text


def test_secrets_within_settings_are_led_astray_as_little_as_those_that_stand_alone() -> None:
    """Found by their type: a list of keys says nothing of secrets where it stands."""
    key = {"domain": "orion.example", "selector": "a", "private_key": "k"}
    present = {"host": "smtp.orion.example", "user": "u", "password": "p", "dkim": [key]}
    moved = {"host": "smtp.eve.example"}
    assert secrets_led_astray(Channel.EMAIL, "smtp", present, moved) == ["password", "dkim"]
    assert secrets_led_astray(Channel.EMAIL, "smtp", present, moved | {"password": "p", "dkim": [key]}) == []
    assert secrets_led_astray(Channel.EMAIL, "smtp", present, {"user": "v"}) == []
