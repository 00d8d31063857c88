"""The channel WEBHOOK: a program is told of a message by Standard Webhooks (https://www.standardwebhooks.com).

`recipient` is the id of an endpoint; without one the message goes to the oldest of the user's endpoints that is on.
Only public addresses are asked, the very ones that were looked at; redirects are not followed.
"""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.sealing import Keyring, SealError
from orion_notifications.delivery.exchange import post, refusal, refused
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.webhooks import actions as webhooks
from orion_notifications.webhooks import rules
from orion_notifications.webhooks.actions import Endpoint

PROVIDER = "webhook"
GONE, TOO_LARGE = 410, 413

log = structlog.get_logger()


class WebhookChannel:
    """Delivers to endpoints, signed by their secrets."""

    def __init__(self, database: Database, keyring: Keyring, http: httpx.AsyncClient, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._http = http
        self._clock = clock

    async def send(self, message: Message) -> Receipt:
        """Deliver a message; raises NotDeliveredError."""
        endpoint = await self._endpoint(message)
        now = self._clock()
        content = body(message)
        secrets = rules.alive(endpoint.secrets, now)
        headers = rules.headers(secrets, str(message.id), int(now.timestamp()), content)
        try:
            answer = await post(self._http, endpoint.url, content, provider=PROVIDER, headers=headers)
        except NotDeliveredError as error:
            await self._note(endpoint, is_gone=False)
            is_forbidden = error.failure.code == "forbidden_address"
            failure = replace(
                error.failure, fault=Fault.MESSAGE, is_permanent=is_forbidden or error.failure.is_permanent
            )
            raise NotDeliveredError(failure, PROVIDER) from error
        failure = refusal(answer, PROVIDER)
        if failure is None:
            await self._note(endpoint, is_gone=None)
            return Receipt(Next.DELIVERED, PROVIDER, None, answer.status)
        is_gone = answer.status == GONE
        is_given_up = await self._note(endpoint, is_gone=is_gone)
        # Everything else but success is a failure that may pass: an endpoint is somebody's program, and may be mended.
        is_permanent = is_gone or is_given_up or answer.status == TOO_LARGE
        raise NotDeliveredError(replace(failure, is_permanent=is_permanent, fault=Fault.MESSAGE), PROVIDER)

    async def _endpoint(self, message: Message) -> Endpoint:
        try:
            if message.recipient:
                found = await webhooks.endpoint(self._database, self._keyring, UUID(message.recipient))
            elif message.user_id is not None:
                # One notification goes to one endpoint: the oldest that is on.
                mine = await webhooks.endpoints_of(self._database, self._keyring, message.user_id)
                found = next(iter(mine), None)
            else:
                found = None
        except ValueError as error:
            raise refused("invalid_endpoint", "the recipient is no endpoint's id", PROVIDER) from error
        except (SQLAlchemyError, OSError, SealError) as error:
            failure = Failure(AttemptStatus.FAILURE, "endpoint_unreadable", type(error).__name__, is_permanent=False)
            raise NotDeliveredError(failure, PROVIDER) from error
        if found is None:
            raise refused("no_endpoint", "there is no such endpoint, or it is switched off", PROVIDER)
        return found

    async def _note(self, endpoint: Endpoint, *, is_gone: bool | None) -> bool:
        """Write down how an endpoint is doing (None: well); whether it is given up."""
        now = self._clock()
        try:
            if is_gone is None:
                await webhooks.note_success(self._database, endpoint.id, now)
                return False
            return await webhooks.note_failure(self._database, endpoint.id, now, is_gone=is_gone)
        except (SQLAlchemyError, OSError) as error:
            log.warning("webhook.not_noted", endpoint_id=str(endpoint.id), reason=type(error).__name__)
            return False


def body(message: Message) -> bytes:
    """The message as a program reads it; the same at every try. `timestamp` is when it was accepted."""
    data = {
        "id": str(message.id),
        "user_id": None if message.user_id is None else str(message.user_id),
        "category": message.category.name,
        "subject": message.content.subject,
        "text": message.content.text,
        "variables": dict(message.variables),
    }
    return orjson.dumps({"type": message.type, "timestamp": accepted_at(message.id).isoformat(), "data": data})


def accepted_at(id: UUID) -> datetime:
    """The moment in a UUIDv7 (RFC 9562 §5.7)."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)
