"""The channel SMS: numbers and texts, and a provider that takes JSON over HTTP: `{"to": …, "text": …, "id": …}`.

What stands behind that URL is a gateway of the operator's choice, and the local mailbox under `orion up`. The `id` is
the notification's, the same at every try, also as `Idempotency-Key`, so that a provider can tell a repetition.
Twilio and Vonage stand in `drivers.texts`.
"""

import re

import httpx
import orjson

from orion_notifications.delivery.exchange import new_client, post, refusal, refused, text_of
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import Next
from orion_notifications.segments import Segments, segments

PROVIDER = "http_sms"
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
MOST_SEGMENTS = 10
"""What Twilio takes; longer texts are cut off by carriers, and cost as much as they are long."""


class SmsChannel:
    """Hands texts to one URL. Follows no redirect: the token is for that URL alone."""

    def __init__(self, url: str, token: str | None, http: httpx.AsyncClient | None = None) -> None:
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._url = url
        self._is_own = http is None
        self._http = http or new_client()

    async def send(self, message: Message) -> Receipt:
        """Hand the text over; raises NotDeliveredError."""
        number, text, size = read(message, PROVIDER)
        body = {"id": str(message.id), "to": number, "text": text}
        headers = self._headers | {"Idempotency-Key": str(message.id)}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=PROVIDER, prefix="sms", headers=headers)
        if (failure := refusal(answer, "sms")) is not None:
            raise NotDeliveredError(failure, PROVIDER)
        return Receipt(Next.SENT, PROVIDER, text_of(answer.json().get("id")), answer.status, counted(size))

    async def close(self) -> None:
        """Close what connections are kept."""
        if self._is_own:
            await self._http.aclose()


def read(message: Message, provider: str) -> tuple[str, str, Segments]:
    """The number, the text and its size; NotDeliveredError when it is no number, or too long."""
    if E164.fullmatch(message.recipient) is None:
        raise refused("invalid_number", "not a number in E.164", provider)
    text = message.content.text.rstrip("\n")
    size = segments(text)
    if size.count > MOST_SEGMENTS:
        raise refused("too_long", f"{size.count} segments; {MOST_SEGMENTS} are the most", provider)
    return message.recipient, text, size


def counted(size: Segments) -> str:
    """What the record keeps of a text's size: it is what a provider counts and charges."""
    return f"{size.count} segment{'' if size.count == 1 else 's'} of {size.alphabet}"
