"""What stands for a provider on a developer's machine: the local mailbox, which keeps everything and sends nothing."""

import httpx
import orjson

from orion_notifications.delivery.drivers.mail_services import JSON
from orion_notifications.delivery.exchange import post, refusal, text_of
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import Next

PROVIDER = "sink"


class Sink:
    """Hands messages of one channel to the mailbox."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http

    async def send(self, message: Message) -> Receipt:
        """Hand a message over; raises NotDeliveredError."""
        body = {
            "id": str(message.id),
            "to": message.recipient or str(message.user_id),
            "type": message.type,
            "subject": message.content.subject,
            "text": message.content.text,
        }
        answer = await post(self._http, self._url, orjson.dumps(body), provider=PROVIDER, headers=JSON)
        if (failure := refusal(answer, PROVIDER)) is not None:
            raise NotDeliveredError(failure, PROVIDER)
        return Receipt(Next.SENT, PROVIDER, text_of(answer.json().get("id")), answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""
