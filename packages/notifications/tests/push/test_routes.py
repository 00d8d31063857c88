"""Push subscriptions over HTTP: one's own browsers and devices."""

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.ids import uuid7

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query, Served

ADA, BOB = uuid7(), uuid7()
PATH = "/notifications/v1/me/push-subscriptions"
KEYS = {
    "p256dh": urlsafe_b64encode(b"\x04" + b"\1" * 64).rstrip(b"=").decode(),
    "auth": urlsafe_b64encode(b"\2" * 16).rstrip(b"=").decode(),
}
BROWSER = {"platform": "WEB", "token": "https://push.example/x", "keys": KEYS, "user_agent": "Firefox"}


async def test_a_subscription_lives(served: "Served", query: "Query") -> None:
    async with served.client(ADA) as ada, served.client(BOB) as bob:
        made = await ada.post(PATH, json=BROWSER)
        assert made.status_code == 201
        assert "push.example" not in made.text
        assert (await ada.get(PATH)).json()["items"] == [made.json()]
        assert (await ada.post(PATH, json=BROWSER)).json()["id"] == made.json()["id"]
        where = made.headers["location"]
        assert (await bob.delete(where)).status_code == 404
        # Somebody else has signed in at the same browser: it is not to show them Ada's messages, nor Ada theirs.
        assert (await bob.post(PATH, json=BROWSER)).status_code == 201
        assert (await ada.get(PATH)).json()["items"] == []
        assert (await ada.delete(where)).status_code == 404
        assert (await bob.delete(where)).status_code == 204
    assert await query("SELECT count(*) FROM push_subscriptions") == [(0,)]
    told = await query("SELECT data FROM outbox WHERE type LIKE '%audit.recorded%' ORDER BY position")
    assert [(each["action"], each["user_id"]) for (each,) in told] == [
        ("push_subscription.create", str(ADA)),
        ("push_subscription.create", str(BOB)),
        ("push_subscription.delete", str(BOB)),
    ]
    assert "push.example" not in str(told)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"keys": None}, "/keys"),
        ({"keys": KEYS | {"auth": "AAAA"}}, "/keys/auth"),
        ({"keys": KEYS | {"p256dh": "A" * 87}}, "/keys/p256dh"),
        ({"token": "http://push.example/x#y"}, "/token"),
        ({"token": "https://169.254.169.254/x"}, "/token"),
        ({"token": "https://u:p@push.example/"}, "/token"),
        ({"platform": "APNS", "keys": None}, "/token"),
        ({"platform": "APNS", "keys": None, "token": "../../3/device"}, "/token"),
        ({"platform": "FCM", "token": "t" * 30}, "/keys"),
        ({"platform": "MORSE"}, "/platform"),
    ],
)
async def test_what_is_no_subscription(served: "Served", change: dict[str, Any], field: str) -> None:
    async with served.client(ADA) as client:
        answer = await client.post(PATH, json=BROWSER | change)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_the_key_that_browsers_subscribe_with(served: "Served") -> None:
    served.allowed = {"provider:configure"}
    async with served.client(ADA) as client:
        assert (await client.get(f"{PATH}/public-key")).status_code == 404
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        settings = {"private_key": key.decode(), "subject": "mailto:ops@orion.example"}
        wanted = {"channel": "PUSH", "provider": "web_push", "name": "browsers", "settings": settings}
        assert (await client.post("/notifications/v1/providers", json=wanted)).status_code == 201
        assert len((await client.get(f"{PATH}/public-key")).json()["public_key"]) == 87
