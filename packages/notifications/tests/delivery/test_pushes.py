"""Push services as they are asked, read by an independent receiver, and dead tokens as each of them says so."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import http_ece
import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from packages.notifications.tests.stand_ins import CUT, Provider, Reply

from orion_core.database import Database
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.testing import MovableClock, TestDatabase
from orion_core.wakeup import Wakeup
from orion_notifications.delivery.carriers import Carrier, Roster
from orion_notifications.delivery.drivers.pushes import GONE, LONGEST_PAYLOAD, Apns, Fcm, WebPush, payload
from orion_notifications.delivery.messages import Message, NotDeliveredError
from orion_notifications.delivery.push import PushChannel
from orion_notifications.delivery.rules import Failure, Fault
from orion_notifications.kinds import Category, Channel
from orion_notifications.provider_settings import ApnsSettings, FcmSettings, WebPushSettings
from orion_notifications.providers import actions as providers
from orion_notifications.providers.actions import Account, Office
from orion_notifications.providers.shapes import NewAccount
from orion_notifications.push import actions as push
from orion_notifications.push.actions import Device
from orion_notifications.push.rules import PROVIDERS, PushPlatform
from orion_notifications.push.shapes import NewSubscription

if TYPE_CHECKING:
    from packages.notifications.tests.conftest import Query

Make = Callable[..., Message]
ADA = uuid7()


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def point(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def coded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


VAPID, BROWSER, APPLE = (generate_private_key(SECP256R1()) for _ in range(3))
GOOGLE = generate_rsa(65537, 2048)

AUTH = b"0123456789abcdef"
PHONE = Device(uuid7(), PushPlatform.APNS, "ab" * 32, b"", b"")
ANDROID = Device(uuid7(), PushPlatform.FCM, "t" * 30, b"", b"")
GRANTED = Reply(200, {"access_token": "ya29", "expires_in": 3599})
NO_TOKENS = [Reply(400, {"error": "invalid_grant"}), Reply(200, b"?"), Reply(200, {"access_token": "a\nb"})]


def clock() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


def web_settings() -> dict[str, Any]:
    return {"private_key": pem(VAPID), "subject": "mailto:ops@orion.example"}


def browser(url: str) -> Device:
    return Device(uuid7(), PushPlatform.WEB, f"{url}/wpush/v2/abc", point(BROWSER), AUTH)


def fcm(url: str, http: httpx.AsyncClient) -> Fcm:
    settings = {
        "project_id": "orion-1",
        "client_email": "x@orion-1.iam.gserviceaccount.com",
        "private_key": pem(GOOGLE),
        "base_url": url,
        "token_uri": f"{url}/token",
    }
    return Fcm(FcmSettings.model_validate(settings), http, clock)


def apns(url: str, http: httpx.AsyncClient) -> Apns:
    settings = {"team_id": "A" * 10, "key_id": "K" * 10, "private_key": pem(APPLE), "topic": "org.o", "base_url": url}
    return Apns(ApnsSettings.model_validate(settings), http, clock)


async def refused(driver: Any, message: Message, device: Device) -> Failure:
    with pytest.raises(NotDeliveredError) as error:
        await driver.push(message, device)
    return error.value.failure


async def test_a_browser_reads_what_was_encrypted_for_it(
    provider: Provider, http: httpx.AsyncClient, message: Make
) -> None:
    """By http_ece, Mozilla's implementation of RFC 8188 and RFC 8291; VAPID by PyJWT."""
    provider.replies = [Reply(201, headers={"Location": "https://push.example/m/1"})]
    driver = WebPush(WebPushSettings.model_validate(web_settings()), http, clock)
    sent = message(category=Category.SECURITY, expires_at=clock() + timedelta(minutes=10))
    receipt = await driver.push(sent, browser(provider.url))
    (asked,) = provider.asked
    opened = http_ece.decrypt(  # pyright: ignore[reportUnknownMemberType]
        asked.body, private_key=BROWSER, auth_secret=AUTH, version="aes128gcm"
    )
    assert orjson.loads(opened) == {
        "id": str(sent.id),
        "type": "account.welcome",
        "title": "Grüße",
        "body": "Guten Tag",
    }
    assert (asked.headers["ttl"], asked.headers["urgency"]) == ("600", "high")
    assert asked.headers["content-encoding"] == "aes128gcm"
    assert len(asked.headers["topic"]) <= 32
    scheme, _, rest = asked.headers["authorization"].partition(" ")
    token, key = (part.strip().partition("=")[2] for part in rest.split(","))
    public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), urlsafe_b64decode(key + "=="))
    claims = jwt.decode(token, public, algorithms=["ES256"], audience=provider.url, options={"verify_exp": False})
    assert (scheme, claims["sub"]) == ("vapid", "mailto:ops@orion.example")
    assert clock().timestamp() < claims["exp"] <= clock().timestamp() + 24 * 3600
    assert receipt.provider_message_id == "https://push.example/m/1"


def test_a_payload_fits_whatever_is_in_it(message: Make) -> None:
    for text in ("x" * 50_000, "🎉" * 20_000, '\x01\\"' * 20_000, "", "\n\n"):
        assert len(orjson.dumps(payload(message(subject=text.replace("\n", ""), text=text)))) <= LONGEST_PAYLOAD
    assert payload(message(subject="", text="Eins\nZwei\n")) | {"id": "", "type": ""} == {
        "id": "",
        "type": "",
        "title": "Eins",
        "body": "Zwei",
    }


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone(provider: Provider, http: httpx.AsyncClient, message: Make, status: int) -> None:
    provider.replies = [Reply(status)]
    driver = WebPush(WebPushSettings.model_validate(web_settings()), http, clock)
    failure = await refused(driver, message(), browser(provider.url))
    assert (failure.code, failure.is_permanent) == (GONE, True)


@pytest.mark.parametrize("reply", [Reply(429, headers={"Retry-After": "600"}), Reply(503), Reply(403), CUT])
async def test_what_a_browsers_service_answers_is_no_fault_of_the_account(
    provider: Provider, http: httpx.AsyncClient, message: Make, reply: Reply
) -> None:
    """Users name it: it may be anybody's, and says nothing of what carries the others' messages."""
    provider.replies = [reply]
    driver = WebPush(WebPushSettings.model_validate(web_settings()), http, clock)
    failure = await refused(driver, message(), browser(provider.url))
    assert (failure.fault, failure.is_permanent) == (Fault.MESSAGE, False)


async def test_a_browser_whose_key_is_none(http: httpx.AsyncClient, message: Make) -> None:
    driver = WebPush(WebPushSettings.model_validate(web_settings()), http, clock)
    device = Device(uuid7(), PushPlatform.WEB, "http://127.0.0.1:1/x", b"\x04" + b"\1" * 64, AUTH)
    assert (await refused(driver, message(), device)).code == GONE


async def test_fcm(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [
        GRANTED,
        Reply(200, {"name": "projects/o/messages/1"}),
    ]
    driver, sent = fcm(provider.url, http), message()
    device = ANDROID
    assert (await driver.push(sent, device)).provider_message_id == "projects/o/messages/1"
    await driver.push(sent, device)
    granted, asked, again = provider.asked
    assert (granted.path, asked.path) == ("/token", "/v1/projects/orion-1/messages:send")
    claims = jwt.decode(
        granted.form["assertion"],
        GOOGLE.public_key(),
        algorithms=["RS256"],
        audience=f"{provider.url}/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert asked.headers["authorization"] == again.headers["authorization"] == "Bearer ya29"
    assert asked.json["message"]["token"] == "t" * 30
    assert asked.json["message"]["notification"] == {"title": "Grüße", "body": "Guten Tag"}


UNREGISTERED = {"error": {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}


@pytest.mark.parametrize(
    ("reply", "code", "fault"),
    [
        (Reply(404, UNREGISTERED), GONE, Fault.MESSAGE),
        (Reply(403, {"error": {"details": [{"errorCode": "SENDER_ID_MISMATCH"}]}}), GONE, Fault.MESSAGE),
        (Reply(403, {"error": {"status": "PERMISSION_DENIED"}}), "fcm_403", Fault.ACCOUNT),
        (Reply(404, {"error": {"status": "NOT_FOUND", "details": "?"}}), "fcm_404", Fault.ACCOUNT),
        (Reply(400, {"error": {"status": "INVALID_ARGUMENT"}}), "fcm_400", Fault.MESSAGE),
        (Reply(503, UNREGISTERED), "fcm_503", Fault.PROVIDER),
        (Reply(429, b"", {"Retry-After": "60"}), "fcm_429", Fault.ACCOUNT),
    ],
)
async def test_fcms_codes(
    provider: Provider, http: httpx.AsyncClient, message: Make, reply: Reply, code: str, fault: Fault
) -> None:
    provider.replies = [GRANTED, reply]
    failure = await refused(fcm(provider.url, http), message(), ANDROID)
    assert (failure.code, failure.fault) == (code, fault)


@pytest.mark.parametrize("reply", NO_TOKENS)
async def test_no_access_token_no_message(
    provider: Provider, http: httpx.AsyncClient, message: Make, reply: Reply
) -> None:
    provider.replies = [reply]
    failure = await refused(fcm(provider.url, http), message(), ANDROID)
    assert (failure.code, failure.may_have_left, failure.is_permanent) == ("fcm_token", False, False)


async def test_apns(provider: Provider, http: httpx.AsyncClient, message: Make) -> None:
    provider.replies = [Reply(200, headers={"apns-id": "EA-1"})]
    driver, sent = apns(provider.url, http), message()
    device = PHONE
    assert (await driver.push(sent, device)).provider_message_id == "EA-1"
    (asked,) = provider.asked
    assert asked.path == f"/3/device/{'ab' * 32}"
    token = asked.headers["authorization"].removeprefix("bearer ")
    assert jwt.get_unverified_header(token)["kid"] == "K" * 10
    claims = jwt.decode(token, APPLE.public_key(), algorithms=["ES256"], options={"verify_iat": False})
    assert claims == {"iss": "A" * 10, "iat": int(clock().timestamp())}
    assert (asked.headers["apns-topic"], asked.headers["apns-collapse-id"]) == ("org.o", str(sent.id))
    assert asked.json["aps"]["alert"] == {"title": "Grüße", "body": "Guten Tag"}


@pytest.mark.parametrize(
    ("reply", "code", "fault"),
    [
        (Reply(410, {"reason": "Unregistered", "timestamp": 1}), GONE, Fault.MESSAGE),
        (Reply(400, {"reason": "BadDeviceToken"}), GONE, Fault.MESSAGE),
        (Reply(413, {"reason": "PayloadTooLarge"}), "apns_PayloadTooLarge", Fault.MESSAGE),
        (Reply(403, {"reason": "ExpiredProviderToken"}), "apns_ExpiredProviderToken", Fault.ACCOUNT),
        (Reply(400, {"reason": "MissingTopic"}), "apns_MissingTopic", Fault.ACCOUNT),
        (Reply(429, {"reason": "TooManyRequests"}), "apns_TooManyRequests", Fault.ACCOUNT),
        (Reply(503, {"reason": "ServiceUnavailable"}), "apns_ServiceUnavailable", Fault.PROVIDER),
        (Reply(500, b""), "apns_500", Fault.PROVIDER),
    ],
)
async def test_apples_codes(
    provider: Provider, http: httpx.AsyncClient, message: Make, reply: Reply, code: str, fault: Fault
) -> None:
    provider.replies = [reply]
    failure = await refused(apns(provider.url, http), message(), PHONE)
    assert (failure.code, failure.fault) == (code, fault)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(Keyring.new_key("test"))


@pytest.fixture
async def channel(
    database: Database,
    test_database: TestDatabase,
    clock: MovableClock,
    keyring: Keyring,
    http: httpx.AsyncClient,
    provider: Provider,
) -> AsyncGenerator[PushChannel]:
    bell = Wakeup(test_database.url, "providers")

    def make(account: Account) -> Any:
        assert isinstance(account.settings, WebPushSettings)
        return WebPush(account.settings, http, clock)

    roster = Roster(database, keyring, bell, make, {})
    wanted = {"channel": "PUSH", "provider": "web_push", "name": "browsers", "settings": web_settings()}
    await providers.create(Office(database, keyring, clock(), bell), NewAccount.model_validate(wanted))
    await roster.refresh()
    carriers = {platform: Carrier(roster, Channel.PUSH, name) for platform, name in PROVIDERS.items()}
    yield PushChannel(database, keyring, clock, carriers, Carrier(roster, Channel.PUSH))
    await roster.close()


async def subscribe(database: Database, keyring: Keyring, url: str, user: UUID = ADA) -> None:
    keys = {"p256dh": coded(point(BROWSER)), "auth": coded(AUTH)}
    wanted = NewSubscription.model_validate({"platform": "WEB", "token": url, "keys": keys})
    await push.subscribe(database, keyring, user, wanted, clock(), local=True)


async def test_all_of_a_users_browsers_are_called_and_dead_ones_no_more(
    channel: PushChannel, database: Database, keyring: Keyring, provider: Provider, message: Make, query: "Query"
) -> None:
    for name in ("one", "two"):
        await subscribe(database, keyring, f"{provider.url}/{name}")
    await subscribe(database, keyring, f"{provider.url}/bobs", uuid7())
    provider.replies = [Reply(201), Reply(410)]
    receipt = await channel.send(message("", user_id=ADA))
    assert receipt.response == "1 of 2 browsers and devices"
    assert {asked.path for asked in provider.asked} == {"/one", "/two"}
    rows = await query("SELECT disabled_reason, last_success_at IS NOT NULL FROM push_subscriptions ORDER BY id")
    assert sorted(rows, key=str) == sorted(
        [(None, True), ("the push service answered 410", False), (None, False)], key=str
    )
    provider.replies = [Reply(410)]
    with pytest.raises(NotDeliveredError) as error:
        await channel.send(message("", user_id=ADA))
    assert (error.value.failure.code, error.value.failure.is_permanent) == (GONE, True)
    with pytest.raises(NotDeliveredError, match="no_device"):
        await channel.send(message("", user_id=ADA))


async def test_as_long_as_one_may_be_reached_it_is_tried_again(
    channel: PushChannel, database: Database, keyring: Keyring, provider: Provider, message: Make
) -> None:
    for name in ("one", "two"):
        await subscribe(database, keyring, f"{provider.url}/{name}")
    provider.replies = [Reply(410), Reply(503)]
    with pytest.raises(NotDeliveredError) as error:
        await channel.send(message("", user_id=ADA))
    assert (error.value.failure.code, error.value.failure.is_permanent) == ("web_push_503", False)
