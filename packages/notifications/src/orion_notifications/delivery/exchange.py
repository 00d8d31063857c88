"""One HTTP request to a provider, and what its answer means for the message.

The words of an answer are kept nowhere: a provider may repeat the text in them, and texts hold codes.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx
import orjson

from orion_core.clock import system_clock
from orion_core.outbound import ForbiddenAddressError
from orion_notifications.delivery.messages import NotDeliveredError
from orion_notifications.delivery.rules import LONGEST_RETRY_AFTER, AttemptStatus, Failure, Fault

REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 4.0
"""A host that says nothing at all holds a worker's place no longer; one that has answered may think about it."""
LONGEST_ANSWER = 64 * 1024
LONGEST_ID = 255

RATE_LIMITED, UNAVAILABLE = 429, 503
OURS_TO_MEND = frozenset({401, 402, 403, 404, 405, 407})
"""Our token, account or URL is at fault and not the message: it waits until an operator has mended that."""
PASSING = frozenset({408, 409, 425, RATE_LIMITED}) | OURS_TO_MEND


@dataclass(frozen=True)
class Answer:
    """What a provider has answered; of a body that is too long or breaks off, the beginning."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The object in the body; an empty one when there is none."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def new_client(transport: httpx.AsyncBaseTransport | None = None, *, http2: bool = False) -> httpx.AsyncClient:
    """What drivers ask by. It follows no redirect: a token is for one place alone."""
    timeout = httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity", "User-Agent": "Orion"}
    return httpx.AsyncClient(
        transport=transport, headers=headers, timeout=timeout, follow_redirects=False, trust_env=False, http2=http2
    )


async def post(
    http: httpx.AsyncClient,
    url: str,
    content: bytes,
    *,
    provider: str,
    prefix: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask, whatever the answer; NotDeliveredError when there is none. `prefix` is that of error codes."""
    word = prefix or provider
    status, given, body = 0, httpx.Headers(), bytearray()
    try:
        async with (
            asyncio.timeout(REQUEST_SECONDS),
            http.stream("POST", url, content=content, headers=headers) as answer,
        ):
            status, given = answer.status_code, answer.headers
            async for part in answer.aiter_raw():
                body += part
                if len(body) >= LONGEST_ANSWER:
                    break
    except Exception as error:
        if not status:
            failure = _unanswered(error, word)
            if failure is None:
                raise
            raise NotDeliveredError(failure, provider) from error
    return Answer(status, given, bytes(body[:LONGEST_ANSWER]))


def _unanswered(error: Exception, word: str) -> Failure | None:
    name = type(error).__name__
    match error:
        case ForbiddenAddressError():
            # Whoever named the address may mend it, and nobody has been asked.
            words = "its address may not be reached from here"
            return Failure(AttemptStatus.FAILURE, "forbidden_address", words, is_permanent=True, fault=Fault.ACCOUNT)
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return Failure(AttemptStatus.TIMEOUT, f"{word}_timeout", name, is_permanent=False, fault=Fault.PROVIDER)
        case httpx.ConnectError():
            return Failure(AttemptStatus.FAILURE, f"{word}_unreachable", name, is_permanent=False, fault=Fault.PROVIDER)
        case TimeoutError() | httpx.TimeoutException():
            return _in_doubt(AttemptStatus.TIMEOUT, f"{word}_timeout", name)
        case httpx.HTTPError() | OSError():
            return _in_doubt(AttemptStatus.FAILURE, f"{word}_unreachable", name)
        case httpx.InvalidURL() | ValueError():
            return Failure(AttemptStatus.FAILURE, f"{word}_invalid", name, is_permanent=True, fault=Fault.ACCOUNT)
        case _:
            return None


def _in_doubt(status: AttemptStatus, code: str, words: str) -> Failure:
    return Failure(status, code, words, is_permanent=False, fault=Fault.PROVIDER, may_have_left=True)


def refusal(answer: Answer, word: str) -> Failure | None:
    """What a status means for the message; None when it was taken."""
    status = answer.status
    if 200 <= status < 300:
        return None
    kind = AttemptStatus.RATE_LIMITED if status == RATE_LIMITED else AttemptStatus.FAILURE
    is_permanent = 400 <= status < 500 and status not in PASSING
    return Failure(
        kind,
        f"{word}_{status}",
        f"the provider answered {status}",
        is_permanent,
        status_code=status,
        fault=_fault(status, is_permanent=is_permanent),
        # A gateway that lost its server, or a server that lost its way, may have taken it before.
        may_have_left=status >= 500 and status not in {501, UNAVAILABLE, 505},
        retry_after=retry_after(answer.headers, system_clock()),
    )


def _fault(status: int, *, is_permanent: bool) -> Fault:
    if is_permanent:
        return Fault.MESSAGE
    return Fault.ACCOUNT if status < 500 else Fault.PROVIDER


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """What Retry-After asks for (RFC 9110 §10.2.3), seconds or a date; a day at most, None when it asks nothing."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        return min(timedelta(seconds=float(text)), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        return None
    return min(max(moment - now, timedelta()), LONGEST_RETRY_AFTER)


def refused(code: str, words: str, provider: str, answer: Answer | None = None) -> NotDeliveredError:
    """A message that its provider will never take."""
    status = None if answer is None else answer.status
    return NotDeliveredError(
        Failure(AttemptStatus.FAILURE, code, words, is_permanent=True, status_code=status), provider
    )


def text_of(value: object) -> str | None:
    """A provider's name for a message, where that is what `value` is."""
    return value[:LONGEST_ID] if isinstance(value, str) and value else None
