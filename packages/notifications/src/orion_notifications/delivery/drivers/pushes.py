"""Push services: browsers' (Web Push), Google's (FCM v1), Apple's (APNs).

Each says by a code of its own that nobody is behind a token any more; that one is then called no more.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import cast
from urllib.parse import urlencode, urlsplit

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from orion_core.clock import Clock
from orion_notifications.delivery.drivers import web_push
from orion_notifications.delivery.drivers.mail_services import FORM, JSON
from orion_notifications.delivery.exchange import Answer, post, refusal, text_of
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.kinds import Category
from orion_notifications.provider_settings import ApnsSettings, FcmSettings, WebPushSettings, vapid_point
from orion_notifications.push.actions import Device

WEB_PUSH, FCM, APNS = "web_push", "fcm", "apns"
GONE = "device_gone"
LONGEST_TITLE = 200
LONGEST_PAYLOAD = 3500
"""In bytes: all three services take 4 KB, of which each needs some for itself."""
KEPT_FOR = timedelta(days=1)
"""For how long a service keeps a message for a device that is off, unless it expires before."""
APNS_TOKEN_SECONDS = 45 * 60
"""Apple wants a token between 20 and 60 minutes old."""
VAPID_FOR = timedelta(hours=12)

APNS_GONE = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
APNS_OF_MESSAGE = frozenset({"PayloadTooLarge", "PayloadEmpty", "BadCollapseId", "BadExpirationDate", "BadPriority"})
FCM_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


def payload(message: Message) -> dict[str, str]:
    """What a device is given: a title, a body, and what a program needs to know of the message."""
    subject, text = message.content.subject.strip(), message.content.text.strip()
    title, body = (subject, text) if subject else (text.partition("\n")[0], text.partition("\n")[2].strip())
    given = {"id": str(message.id), "type": message.type, "title": title[:LONGEST_TITLE], "body": body}
    while len(orjson.dumps(given)) > LONGEST_PAYLOAD:
        given["body"] = given["body"][: len(given["body"]) * 7 // 8]
    return given


def is_pressing(message: Message) -> bool:
    """Whether a device is woken for it."""
    return message.category in {Category.SECURITY, Category.TRANSACTIONAL}


def seconds_left(message: Message, now: datetime) -> int:
    """For how long a service is to keep it."""
    left = KEPT_FOR if message.expires_at is None else min(KEPT_FOR, message.expires_at - now)
    return max(0, int(left.total_seconds()))


class WebPush:
    """RFC 8030, the content encrypted for the browser alone (RFC 8291), and we known by our key (VAPID, RFC 8292)."""

    def __init__(self, settings: WebPushSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._key = ECKey.import_key(settings.private_key.get_secret_value())
        self._public = vapid_point(settings)
        self._subject = settings.subject
        self._http = http
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}

    async def send(self, message: Message) -> Receipt:
        """Nothing is sent to nobody: devices are called by `push`."""
        raise NotImplementedError

    async def push(self, message: Message, device: Device) -> Receipt:
        """Call one browser; raises NotDeliveredError, which is never the account's fault: users name the services."""
        now = self._clock()
        try:
            content = web_push.encrypt(orjson.dumps(payload(message)), device.point, device.auth)
        except ValueError as error:
            raise _gone(WEB_PUSH, "its key is no point on P-256") from error
        headers = {
            "Authorization": f"vapid t={self._vapid(device.token, now)}, k={self._public}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(seconds_left(message, now)),
            "Urgency": "high" if is_pressing(message) else "normal",
            "Topic": message.id.hex,  # the same at every try: a service that still has it replaces it (RFC 8030 §5.4)
        }
        try:
            answer = await post(self._http, device.token, content, provider=WEB_PUSH, headers=headers)
        except NotDeliveredError as error:
            raise NotDeliveredError(replace(error.failure, fault=Fault.MESSAGE), WEB_PUSH) from error
        if answer.status in {404, 410}:
            raise _gone(WEB_PUSH, f"the push service answered {answer.status}", answer)
        if (failure := refusal(answer, WEB_PUSH)) is not None:
            raise NotDeliveredError(replace(failure, fault=Fault.MESSAGE), WEB_PUSH)
        return Receipt(Next.SENT, WEB_PUSH, text_of(answer.headers.get("location")), answer.status)

    def _vapid(self, endpoint: str, now: datetime) -> str:
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        known = self._tokens.get(origin)
        if known is not None and known[1] > now + VAPID_FOR / 2:
            return known[0]
        if len(self._tokens) > 100:
            self._tokens.clear()
        until = now + VAPID_FOR
        claims = {"aud": origin, "exp": int(until.timestamp()), "sub": self._subject}
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._key)
        self._tokens[origin] = (token, until)
        return token

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Fcm:
    """HTTP v1: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send."""

    def __init__(self, settings: FcmSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        base = settings.base_url or "https://fcm.googleapis.com"
        self._url = f"{base}/v1/projects/{settings.project_id}/messages:send"
        self._settings = settings
        self._key = RSAKey.import_key(settings.private_key.get_secret_value())
        self._http = http
        self._clock = clock
        self._token = ""
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def send(self, message: Message) -> Receipt:
        """Nothing is sent to nobody: devices are called by `push`."""
        raise NotImplementedError

    async def push(self, message: Message, device: Device) -> Receipt:
        """Call one device; raises NotDeliveredError."""
        given, pressing = payload(message), is_pressing(message)
        ttl = seconds_left(message, self._clock())
        body = {
            "message": {
                "token": device.token,
                "notification": {"title": given["title"], "body": given["body"]},
                "data": {"id": given["id"], "type": given["type"]},
                "android": {
                    "priority": "HIGH" if pressing else "NORMAL",
                    "ttl": f"{ttl}s",
                    "collapse_key": given["id"],
                    "notification": {"tag": given["id"]},  # the same at every try: shown once
                },
            }
        }
        headers = {"Authorization": f"Bearer {await self._access_token()}", **JSON}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=FCM, headers=headers)
        failure = refusal(answer, FCM)
        if failure is None:
            return Receipt(Next.SENT, FCM, text_of(answer.json().get("name")), answer.status)
        if answer.status == 401:
            self._fresh_until = 0.0
        raise NotDeliveredError(failure, FCM) if not _is_fcm_gone(answer) else _gone(FCM, _fcm_code(answer), answer)

    async def _access_token(self) -> str:
        """RFC 7523, as Google has it: https://developers.google.com/identity/protocols/oauth2/service-account."""
        async with self._asking:
            if monotonic() < self._fresh_until:
                return self._token
            now = int(self._clock().timestamp())
            claims = {
                "iss": self._settings.client_email,
                "scope": FCM_SCOPE,
                "aud": self._settings.token_uri,
                "iat": now,
                "exp": now + 3600,
            }
            assertion = jwt.encode({"typ": "JWT", "alg": "RS256"}, claims, self._key)
            form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
            answer = await post(
                self._http,
                self._settings.token_uri,
                urlencode(form).encode(),
                provider=FCM,
                prefix="fcm_token",
                headers=FORM,
            )
            token, lasts = answer.json().get("access_token"), answer.json().get("expires_in")
            if (
                refusal(answer, "fcm_token")
                or not isinstance(token, str)
                or not token.isascii()
                or not token.isprintable()
            ):
                words = f"Google gave no access token ({answer.status})"
                fault = Fault.PROVIDER if answer.status >= 500 else Fault.ACCOUNT
                raise NotDeliveredError(
                    Failure(
                        AttemptStatus.FAILURE,
                        "fcm_token",
                        words,
                        is_permanent=False,
                        status_code=answer.status,
                        fault=fault,
                    ),
                    FCM,
                )
            seconds = float(lasts) if isinstance(lasts, int | float) else 300.0
            self._token, self._fresh_until = token, monotonic() + max(0.0, min(seconds, 3600.0) - 60)
            return token

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Apns:
    """https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns (HTTP/2)."""

    def __init__(self, settings: ApnsSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        host = "api.push.apple.com" if settings.environment == "production" else "api.sandbox.push.apple.com"
        self._base = settings.base_url or f"https://{host}"
        self._settings = settings
        self._key = ECKey.import_key(settings.private_key.get_secret_value())
        self._http = http
        self._clock = clock
        self._token = ""
        self._fresh_until = 0.0

    async def send(self, message: Message) -> Receipt:
        """Nothing is sent to nobody: devices are called by `push`."""
        raise NotImplementedError

    async def push(self, message: Message, device: Device) -> Receipt:
        """Call one device; raises NotDeliveredError."""
        given, now = payload(message), self._clock()
        body = {
            "aps": {"alert": {"title": given["title"], "body": given["body"]}, "sound": "default"},
            "id": given["id"],
            "type": given["type"],
        }
        headers = {
            "authorization": f"bearer {self._provider_token(now)}",
            "apns-topic": self._settings.topic,
            "apns-push-type": "alert",
            "apns-priority": "10" if is_pressing(message) else "5",
            "apns-expiration": str(int(now.timestamp()) + seconds_left(message, now)),
            "apns-collapse-id": given["id"],  # the same at every try: shown once
        }
        url = f"{self._base}/3/device/{device.token}"
        answer = await post(self._http, url, orjson.dumps(body), provider=APNS, headers=headers)
        failure = _apns_refusal(answer)
        if failure is None:
            return Receipt(Next.SENT, APNS, text_of(answer.headers.get("apns-id")), answer.status)
        if failure.code == "apns_ExpiredProviderToken":
            self._fresh_until = 0.0
        raise NotDeliveredError(failure, APNS)

    def _provider_token(self, now: datetime) -> str:
        if monotonic() >= self._fresh_until:
            header = {"alg": "ES256", "kid": self._settings.key_id}
            self._token = jwt.encode(header, {"iss": self._settings.team_id, "iat": int(now.timestamp())}, self._key)
            self._fresh_until = monotonic() + APNS_TOKEN_SECONDS
        return self._token

    async def close(self) -> None:
        """It keeps nothing of its own."""


def _gone(provider: str, words: str, answer: Answer | None = None) -> NotDeliveredError:
    status = None if answer is None else answer.status
    return NotDeliveredError(
        Failure(AttemptStatus.FAILURE, GONE, words, is_permanent=True, status_code=status), provider
    )


def _fcm_code(answer: Answer) -> str:
    """FCM's own error code, or the status of Google's APIs."""
    error = _object(answer.json().get("error"))
    details = error.get("details")
    each_of = cast("list[object]", details) if isinstance(details, list) else []
    codes = [_object(each).get("errorCode") for each in each_of]
    found = next((code for code in codes if isinstance(code, str)), error.get("status"))
    return found if isinstance(found, str) and found.isidentifier() else ""


def _object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _is_fcm_gone(answer: Answer) -> bool:
    return answer.status < 500 and _fcm_code(answer) in {"UNREGISTERED", "SENDER_ID_MISMATCH"}


def _apns_refusal(answer: Answer) -> Failure | None:
    failure = refusal(answer, APNS)
    reason = answer.json().get("reason")
    if failure is None or not isinstance(reason, str) or not reason.isalpha():
        return failure
    words = f"Apple answered {answer.status}, {reason}"
    if reason in APNS_GONE:
        return Failure(AttemptStatus.FAILURE, GONE, words, is_permanent=True, status_code=answer.status)
    if answer.status >= 500 or answer.status == 429 or reason in APNS_OF_MESSAGE:
        return replace(failure, code=f"apns_{reason}", message=words)
    return Failure(
        AttemptStatus.FAILURE,
        f"apns_{reason}",
        words,
        is_permanent=False,
        status_code=answer.status,
        fault=Fault.ACCOUNT,
    )
