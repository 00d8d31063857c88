"""A mail as it leaves: composed (RFC 5322), signed (DKIM, RFC 6376), with a way out of it (RFC 2369, RFC 8058)."""

import re
from base64 import b64encode
from collections.abc import Iterable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from orion_notifications.delivery.messages import Message
from orion_notifications.provider_settings import Dkim

POLICY = SMTP.clone(cte_type="7bit")
"""Bodies are ASCII on the way: a server that converted them would break their signature."""
SIGNED = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type"),
    *(b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post", b"auto-submitted"),
)
"""RFC 8058 §4 wants both List-Unsubscribe fields signed."""

_FOLDED_AT_ONCE = re.compile(rb"^([A-Za-z-]+:)\r\n[ \t]", re.MULTILINE)
"""A field whose first line is empty, as Python folds what just fits a line of its own: some who read it keep the fold's
space, and a subject begins with it. Unfolded, it is somewhat longer than 78 signs, and not than RFC 5322's 998."""


def compose(message: Message, sender: Address, date: str, unsubscribe_url: str | None = None) -> EmailMessage:
    """The mail. Its Message-ID is the same at every try, so a receiver can tell a repetition; raises ValueError."""
    mail = EmailMessage(policy=POLICY)
    mail["From"] = sender
    mail["To"] = recipient_of(message)
    mail["Subject"] = message.content.subject
    mail["Date"] = date
    mail["Message-ID"] = message_id(message, sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday replies are not sent to it
    for name, value in unsubscribing(unsubscribe_url).items():
        mail[name] = value
    mail.set_content(message.content.text)
    if message.content.html is not None:
        mail.add_alternative(message.content.html, subtype="html")
    mail["Content-Language"] = message.locale  # after the content, which clears all Content-* headers
    return mail


def recipient_of(message: Message) -> Address:
    """Whom it goes to; raises ValueError when that is no address."""
    local_part, _, domain = message.recipient.rpartition("@")
    if not local_part:
        raise ValueError("the recipient is not an address")
    return Address(message.recipient_name, local_part, domain)


def message_id(message: Message, sender: Address) -> str:
    """Its Message-ID."""
    return f"<{message.id}@{sender.domain}>"


def unsubscribing(url: str | None) -> dict[str, str]:
    """The fields by which a mail program offers to unsubscribe; none where nobody may."""
    if url is None:
        return {}
    fields = {"List-Unsubscribe": f"<{url}>"}
    # One click is a POST by the mail program, which RFC 8058 allows over https alone.
    return fields | ({"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url.startswith("https:") else {})


def flatten(mail: EmailMessage, keys: Iterable[Dkim] = ()) -> bytes:
    """The mail as it goes over the wire, signed by each key. Takes some milliseconds a key: not on the event loop."""
    source = mail.as_bytes(policy=POLICY.clone(utf8=_is_international(mail)))
    head, end, body = source.partition(b"\r\n\r\n")
    source = _FOLDED_AT_ONCE.sub(rb"\1 ", head) + end + body
    signatures = [_signature(source, key) for key in keys]
    return b"".join(signatures) + source


def is_ascii(*addresses: str) -> bool:
    """Whether a server needs no SMTPUTF8 (RFC 6531) for these addresses."""
    return all(address.isascii() for address in addresses)


def _is_international(mail: EmailMessage) -> bool:
    return not is_ascii(*(address.addr_spec for name in ("From", "To") for address in mail[name].addresses))


def _signature(source: bytes, key: Dkim) -> bytes:
    present = {line.split(b":")[0].lower() for line in source.split(b"\r\n\r\n")[0].split(b"\r\n")}
    pem = key.private_key.get_secret_value().encode()
    private = load_pem_private_key(pem, None)
    algorithm = b"rsa-sha256"
    if isinstance(private, Ed25519PrivateKey):  # RFC 8463
        pem = b64encode(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        algorithm = b"ed25519-sha256"
    return dkim.sign(  # pyright: ignore[reportUnknownMemberType]
        source,
        key.selector.encode(),
        key.domain.encode(),
        pem,
        canonicalize=(b"relaxed", b"relaxed"),
        signature_algorithm=algorithm,
        # From once more than it is there: a second one, added on the way, breaks the signature (RFC 6376 §8.15).
        include_headers=[*(name for name in SIGNED if name in present), b"from"],
    )
