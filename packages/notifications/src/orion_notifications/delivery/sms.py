"""The channel SMS through any provider that takes JSON over HTTP: `{"to": …, "text": …, "id": …}`.

What stands behind the URL is a gateway of the operator's choice, and the local mailbox under `orion up`. The `id` is
the notification's, the same at every try, also as `Idempotency-Key`, so that a provider can tell a repetition.
"""

import re

import httpx
import orjson

from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next

PROVIDER = "http_sms"
REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 4.0
"""A host that says nothing at all holds a worker's place no longer; one that has answered may think about it."""
LONGEST_ID = 255
E164 = re.compile(r"\+[1-9][0-9]{1,14}")

RATE_LIMITED = 429
OURS_TO_MEND = frozenset({401, 402, 403, 404, 405, 407})
"""Our token, account or URL is at fault and not the message: it waits until an operator has mended that."""
PASSING = frozenset({408, 409, 425, RATE_LIMITED}) | OURS_TO_MEND


class SmsChannel:
    """Hands texts to one URL. Follows no redirect: the token is for that URL alone."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._url = url
        timeout = httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)

    async def send(self, message: Message) -> Receipt:
        """Hand the text over; raises NotDeliveredError."""
        if E164.fullmatch(message.recipient) is None:
            failure = Failure(AttemptStatus.FAILURE, "invalid_number", "not a number in E.164", is_permanent=True)
            raise NotDeliveredError(failure, PROVIDER)
        body = {"id": str(message.id), "to": message.recipient, "text": message.content.text.rstrip("\n")}
        try:
            answer = await self._http.post(
                self._url, content=orjson.dumps(body), headers={"Idempotency-Key": str(message.id)}
            )
        except httpx.TimeoutException as error:
            failure = Failure(AttemptStatus.TIMEOUT, "sms_timeout", type(error).__name__, is_permanent=False)
            raise NotDeliveredError(failure, PROVIDER) from error
        except httpx.HTTPError as error:
            failure = Failure(AttemptStatus.FAILURE, "sms_unreachable", type(error).__name__, is_permanent=False)
            raise NotDeliveredError(failure, PROVIDER) from error
        if (refused := refusal(answer.status_code)) is not None:
            raise NotDeliveredError(refused, PROVIDER)
        return Receipt(Next.SENT, PROVIDER, message_id(answer.content), answer.status_code)

    async def close(self) -> None:
        """Close what connections are kept."""
        await self._http.aclose()


def refusal(status: int) -> Failure | None:
    """What a status means for the message; None when it was taken.

    The answer's words are not kept: a provider may repeat the text in them, and texts hold codes.
    """
    if 200 <= status < 300:
        return None
    is_permanent = 400 <= status < 500 and status not in PASSING
    kind = AttemptStatus.RATE_LIMITED if status == RATE_LIMITED else AttemptStatus.FAILURE
    return Failure(kind, f"sms_{status}", f"the provider answered {status}", is_permanent, status_code=status)


def message_id(body: bytes) -> str | None:
    """The provider's name for the message, where its answer gives one as `id`."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    given = answer.get("id") if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return given[:LONGEST_ID] if isinstance(given, str) and given else None
