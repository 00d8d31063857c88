"""SMS through Twilio and Vonage."""

from base64 import b64encode
from typing import cast
from urllib.parse import urlencode

import httpx

from orion_notifications.delivery.drivers.mail_services import FORM
from orion_notifications.delivery.exchange import Answer, post, refusal, text_of
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt, Tagging
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.delivery.sms import counted, read
from orion_notifications.message_tags import PARAMETER
from orion_notifications.provider_settings import TwilioSettings, VonageSettings

TWILIO, VONAGE = "twilio", "vonage"

TWILIO_OF_RECIPIENT = frozenset(
    {21211, 21214, 21217, 21219, 21407, 21421, 21610, 21612, 21614, 21635, 21656, 21617, 30006}
)
"""No number, none that can be reached, one that has said STOP (21610), a text that is too long (21617).

https://www.twilio.com/docs/api/errors
"""
TWILIO_OF_LIMIT = frozenset({14107, 20429, 21611, 30001, 63038})

VONAGE_OF_RECIPIENT = frozenset({6, 7, 12, 22, 33})
"""https://developer.vonage.com/en/api-errors/sms"""
VONAGE_OF_LIMIT = frozenset({1, 10})
VONAGE_OF_PROVIDER = frozenset({5})


class Twilio:
    """Messages: https://www.twilio.com/docs/messaging/api/message-resource."""

    def __init__(self, settings: TwilioSettings, http: httpx.AsyncClient, callback_path: str, tag: Tagging) -> None:
        base = settings.base_url or "https://api.twilio.com"
        self._url = f"{base}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        login = f"{settings.account_sid}:{settings.auth_token.get_secret_value()}"
        self._headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}", **FORM}
        self._sender = settings.sender
        base = settings.public_url
        self._callback = None if base is None else f"{base.rstrip('/')}{callback_path}?{PARAMETER}="
        self._http = http
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the text over; raises NotDeliveredError."""
        number, text, size = read(message, TWILIO)
        by = "MessagingServiceSid" if self._sender.startswith("MG") and len(self._sender) == 34 else "From"
        form = {"To": number, by: self._sender, "Body": text}
        if self._callback is not None:
            form["StatusCallback"] = self._callback + self._tag(message.id)
        answer = await post(self._http, self._url, urlencode(form).encode(), provider=TWILIO, headers=self._headers)
        if (failure := _twilio_refusal(answer)) is not None:
            raise NotDeliveredError(failure, TWILIO)
        return Receipt(Next.SENT, TWILIO, text_of(answer.json().get("sid")), answer.status, counted(size))

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Vonage:
    """The SMS API: https://developer.vonage.com/en/api/sms. It answers 200, whatever has become of the text."""

    def __init__(self, settings: VonageSettings, http: httpx.AsyncClient, tag: Tagging) -> None:
        self._url = f"{settings.base_url or 'https://rest.nexmo.com'}/sms/json"
        self._login = {"api_key": settings.api_key, "api_secret": settings.api_secret.get_secret_value()}
        self._sender = settings.sender.removeprefix("+")
        self._http = http
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the text over; raises NotDeliveredError."""
        number, text, size = read(message, VONAGE)
        form = self._login | {
            "from": self._sender,
            "to": number.removeprefix("+"),
            "text": text,
            "type": "text" if size.alphabet == "GSM 03.38" else "unicode",
            "client-ref": self._tag(message.id),
        }
        answer = await post(self._http, self._url, urlencode(form).encode(), provider=VONAGE, headers=FORM)
        if (failure := refusal(answer, VONAGE)) is not None:
            raise NotDeliveredError(failure, VONAGE)
        first = _first(answer)
        if (failure := _vonage_refusal(str(first.get("status", "")), answer)) is not None:
            raise NotDeliveredError(failure, VONAGE)
        return Receipt(Next.SENT, VONAGE, text_of(first.get("message-id")), answer.status, counted(size))

    async def close(self) -> None:
        """It keeps nothing of its own."""


def _twilio_refusal(answer: Answer) -> Failure | None:
    failure = refusal(answer, TWILIO)
    code = answer.json().get("code") if failure else None
    if failure is None or not isinstance(code, int) or answer.status >= 500:
        return failure
    words = f"the provider answered {answer.status} with the code {code}"
    if code in TWILIO_OF_RECIPIENT:
        return Failure(AttemptStatus.FAILURE, f"twilio_{code}", words, is_permanent=True, status_code=answer.status)
    # Whatever else it says is about our account: its sender, its permissions, its balance, its limits.
    kind = AttemptStatus.RATE_LIMITED if code in TWILIO_OF_LIMIT or answer.status == 429 else AttemptStatus.FAILURE
    return Failure(
        kind,
        f"twilio_{code}",
        words,
        is_permanent=False,
        status_code=answer.status,
        fault=Fault.ACCOUNT,
        retry_after=failure.retry_after,
    )


def _first(answer: Answer) -> dict[str, object]:
    """What Vonage says of the first part of a text, which stands for all."""
    parts = answer.json().get("messages")
    first = cast("list[object]", parts)[0] if isinstance(parts, list) and parts else None
    return cast("dict[str, object]", first) if isinstance(first, dict) else {}


def _vonage_refusal(status: str, answer: Answer) -> Failure | None:
    if status == "0":
        return None
    if not status.isdecimal():  # it has taken something, and nobody knows what
        words = "the provider's answer is not understood"
        return Failure(
            AttemptStatus.FAILURE,
            "vonage_unclear",
            words,
            is_permanent=False,
            status_code=answer.status,
            fault=Fault.PROVIDER,
            may_have_left=True,
        )
    code = int(status[:6])
    words = f"the provider answered with the status {code}"
    if code in VONAGE_OF_RECIPIENT:
        return Failure(AttemptStatus.FAILURE, f"vonage_{code}", words, is_permanent=True, status_code=answer.status)
    kind = AttemptStatus.RATE_LIMITED if code in VONAGE_OF_LIMIT else AttemptStatus.FAILURE
    fault = Fault.PROVIDER if code in VONAGE_OF_PROVIDER else Fault.ACCOUNT
    return Failure(kind, f"vonage_{code}", words, is_permanent=False, status_code=answer.status, fault=fault)
