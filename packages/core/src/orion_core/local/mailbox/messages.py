"""What the mailbox keeps: one record for everything that would have left the machine."""

import email
import email.policy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from enum import StrEnum
from typing import TypeGuard, cast
from uuid import UUID

import orjson

from orion_core.ids import uuid7


class Channel(StrEnum):
    """By which way it would have left; the labels are those of notifications' own channels."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    PUSH = "PUSH"
    SLACK = "SLACK"
    DISCORD = "DISCORD"
    WEBHOOK = "WEBHOOK"


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail; its content is in the source only."""

    filename: str
    content_type: str
    size: int


@dataclass(frozen=True)
class Message:
    """One thing sent. `to` is whom it was really handed to (a mail's envelope), whatever its headers say."""

    channel: Channel
    to: tuple[str, ...]
    sender: str
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    source: bytes = field(repr=False)
    attachments: tuple[Attachment, ...] = ()
    data: object = None
    """The JSON body of what came over HTTP."""
    id: UUID = field(default_factory=uuid7)
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def as_json(self) -> dict[str, object]:
        """Everything but the raw source."""
        return {
            "id": str(self.id),
            "received_at": self.received_at.isoformat(),
            "channel": self.channel.value,
            "to": list(self.to),
            "sender": self.sender,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "headers": [list(pair) for pair in self.headers],
            "attachments": [vars(attachment) for attachment in self.attachments],
            "data": self.data,
        }


def from_mail(sender: str, recipients: list[str], source: bytes) -> Message:
    """Read a mail (RFC 5322, MIME). Whatever is wrong with it, it is kept: it was sent."""
    mail = email.message_from_bytes(source, policy=email.policy.default)
    return Message(
        channel=Channel.EMAIL,
        to=tuple(recipients),
        sender=sender,
        subject=str(mail.get("Subject", "")),
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
        headers=tuple((name, str(value)) for name, value in mail.items()),
        source=source,
        attachments=tuple(_attachment(part) for part in mail.iter_attachments()) if mail.is_multipart() else (),
    )


def from_request(channel: Channel, path: str, headers: list[tuple[str, str]], body: bytes) -> Message:
    """Read what a provider's HTTP interface would have been given. `path` is the recipient when the body names none."""
    data = _json(body)
    fields: dict[str, object] = data if _is_object(data) else {}
    inner = fields.get("data")  # where Standard Webhooks have it
    fields = {**inner, **fields} if _is_object(inner) else fields
    recipient = _first(fields, "to", "recipient", "channel", "token", "endpoint") or path
    return Message(
        channel=channel,
        to=(recipient,),
        sender=_first(fields, "from", "sender", "username"),
        subject=_first(fields, "subject", "title", "type"),
        text=_first(fields, "text", "content", "body", "message") or body.decode(errors="replace"),
        html="",
        headers=tuple(headers),
        source=body,
        data=data,
    )


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _is_object(data: object) -> TypeGuard[dict[str, object]]:
    return isinstance(data, dict)


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except LookupError:  # a character set Python does not know
        return cast(bytes, part.get_payload(decode=True)).decode("latin-1")


def _attachment(part: EmailMessage) -> Attachment:
    payload = cast(bytes | None, part.get_payload(decode=True))
    return Attachment(part.get_filename() or "unnamed", part.get_content_type(), len(payload or b""))


def _first(fields: dict[str, object], *names: str) -> str:
    values = (fields.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), "")
