"""E-mail through services that take it over HTTP: SendGrid, Postmark, Mailgun. Amazon SES stands in `ses`.

They sign with DKIM and take bounces themselves. A tag goes with each mail, by which call-backs name it.
"""

from base64 import b64encode
from email.headerregistry import Address
from urllib.parse import quote, urlencode

import httpx
import orjson

from orion_notifications.delivery.exchange import Answer, post, refusal, refused, text_of
from orion_notifications.delivery.mail import message_id, recipient_of, unsubscribing
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt, Tagging, Unsubscribing
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.provider_settings import MailgunSettings, PostmarkSettings, SendGridSettings, parse_sender

SENDGRID, POSTMARK, MAILGUN = "sendgrid", "postmark", "mailgun"

POSTMARK_REFUSALS = frozenset({300, 406})
"""No address, an address that Postmark has given up. Every other code of a 422 is about our account."""


def addressed(message: Message, provider: str) -> Address:
    """Whom it goes to; NotDeliveredError when that is no address, or one that would write a header of its own."""
    try:
        if "\r" in message.content.subject or "\n" in message.content.subject:
            raise ValueError("a subject is one line")
        return recipient_of(message)
    except (ValueError, IndexError) as error:
        raise refused("invalid_mail", type(error).__name__, provider) from error


class SendGrid:
    """Mail Send v3: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send."""

    def __init__(
        self, settings: SendGridSettings, http: httpx.AsyncClient, unsubscribing: Unsubscribing, tag: Tagging
    ) -> None:
        self._settings = settings
        self._url = f"{settings.base_url or 'https://api.sendgrid.com'}/v3/mail/send"
        self._sender = parse_sender(settings.sender)
        self._http = http
        self._unsubscribing = unsubscribing
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        to = addressed(message, SENDGRID)
        content = [{"type": "text/plain", "value": message.content.text or " "}]
        if message.content.html is not None:
            content.append({"type": "text/html", "value": message.content.html})
        fields = unsubscribing(self._unsubscribing(message))
        body = {
            "from": _person(self._sender),
            "personalizations": [{"to": [_person(to)]}],
            "subject": message.content.subject or " ",
            "content": content,
            "headers": {"Message-ID": message_id(message, self._sender), "Auto-Submitted": "auto-generated", **fields},
            "custom_args": {"orion_id": self._tag(message.id)},
            # Links and pictures of theirs are no part of what was written.
            "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
        }
        headers = {"Authorization": f"Bearer {self._settings.api_key.get_secret_value()}", **JSON}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=SENDGRID, headers=headers)
        if (failure := refusal(answer, SENDGRID)) is not None:
            raise NotDeliveredError(failure, SENDGRID)
        return Receipt(Next.SENT, SENDGRID, text_of(answer.headers.get("x-message-id")), answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Postmark:
    """The e-mail API: https://postmarkapp.com/developer/api/email-api."""

    def __init__(
        self, settings: PostmarkSettings, http: httpx.AsyncClient, unsubscribing: Unsubscribing, tag: Tagging
    ) -> None:
        self._settings = settings
        self._url = f"{settings.base_url or 'https://api.postmarkapp.com'}/email"
        self._sender = parse_sender(settings.sender)
        self._http = http
        self._unsubscribing = unsubscribing
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        to = addressed(message, POSTMARK)
        fields = unsubscribing(self._unsubscribing(message))
        body = {
            "From": str(self._sender),
            "To": str(to),
            "Subject": message.content.subject,
            "TextBody": message.content.text,
            "MessageStream": self._settings.message_stream,
            "Headers": [{"Name": name, "Value": value} for name, value in _own(message, self._sender, fields).items()],
            "Metadata": {"orion_id": self._tag(message.id)},
            "TrackOpens": False,
            "TrackLinks": "None",
        }
        if message.content.html is not None:
            body["HtmlBody"] = message.content.html
        headers = {"X-Postmark-Server-Token": self._settings.server_token.get_secret_value(), **JSON}
        answer = await post(self._http, self._url, orjson.dumps(body), provider=POSTMARK, headers=headers)
        if (failure := self._refusal(answer)) is not None:
            raise NotDeliveredError(failure, POSTMARK)
        return Receipt(Next.SENT, POSTMARK, text_of(answer.json().get("MessageID")), answer.status)

    def _refusal(self, answer: Answer) -> Failure | None:
        if answer.status != 422:
            return refusal(answer, POSTMARK)
        code = answer.json().get("ErrorCode")
        number = code if isinstance(code, int) else 0
        is_permanent = number in POSTMARK_REFUSALS
        return Failure(
            AttemptStatus.FAILURE,
            f"postmark_{number}",
            f"the provider answered 422 with the code {number}",
            is_permanent,
            status_code=422,
            fault=Fault.MESSAGE if is_permanent else Fault.ACCOUNT,
        )

    async def close(self) -> None:
        """It keeps nothing of its own."""


class Mailgun:
    """Messages: https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages."""

    def __init__(
        self, settings: MailgunSettings, http: httpx.AsyncClient, unsubscribing: Unsubscribing, tag: Tagging
    ) -> None:
        self._settings = settings
        base = settings.base_url or "https://api.mailgun.net"
        self._url = f"{base}/v3/{quote(settings.domain)}/messages"
        self._sender = parse_sender(settings.sender)
        self._http = http
        self._unsubscribing = unsubscribing
        self._tag = tag

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        to = addressed(message, MAILGUN)
        fields = unsubscribing(self._unsubscribing(message))
        form = {
            "from": str(self._sender),
            "to": str(to),
            "subject": message.content.subject,
            "text": message.content.text,
            "o:tracking": "no",
            "v:orion_id": self._tag(message.id),
            **{f"h:{name}": value for name, value in _own(message, self._sender, fields).items()},
        }
        if message.content.html is not None:
            form["html"] = message.content.html
        key = b64encode(f"api:{self._settings.api_key.get_secret_value()}".encode()).decode()
        headers = {"Authorization": f"Basic {key}", **FORM}
        answer = await post(self._http, self._url, urlencode(form).encode(), provider=MAILGUN, headers=headers)
        if (failure := refusal(answer, MAILGUN)) is not None:
            raise NotDeliveredError(failure, MAILGUN)
        name = text_of(answer.json().get("id"))
        # Its call-backs name the message without the brackets.
        return Receipt(Next.SENT, MAILGUN, name and name.strip("<>"), answer.status)

    async def close(self) -> None:
        """It keeps nothing of its own."""


JSON = {"Content-Type": "application/json", "Accept": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def _person(address: Address) -> dict[str, str]:
    return {"email": address.addr_spec} | ({"name": address.display_name} if address.display_name else {})


def _own(message: Message, sender: Address, fields: dict[str, str]) -> dict[str, str]:
    return {"Message-ID": message_id(message, sender), "Auto-Submitted": "auto-generated", **fields}
