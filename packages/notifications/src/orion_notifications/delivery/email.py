"""The channel EMAIL over SMTP (RFC 5321), with connections that are kept."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from urllib.parse import quote

import aiosmtplib

from orion_core.clock import Clock
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt
from orion_notifications.delivery.rules import AttemptStatus, Failure, Next
from orion_notifications.kinds import Category

PROVIDER = "smtp"
COMMAND_SECONDS = 20.0
IDLE_SECONDS = 20.0
"""How long a connection is kept unused; servers hang up after minutes (RFC 5321 §4.5.3.2.7 asks for five)."""
MESSAGES_PER_CONNECTION = 100
"""Large receivers refuse more on one connection."""
LONGEST_RESPONSE = 500


@dataclass(frozen=True)
class Server:
    """The SMTP server that takes our mail."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    starttls: bool | None = None
    """True demands it, False forbids it, None takes it when it is offered."""


@dataclass
class _Connection:
    client: aiosmtplib.SMTP
    used_at: float = 0.0
    messages: int = 0


class SmtpChannel:
    """Sends mail from one address through one server. A message being sent has a connection to itself."""

    def __init__(self, server: Server, sender: Address, clock: Clock) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock
        self._idle: list[_Connection] = []

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        try:
            mail = compose(message, self._sender, format_datetime(self._clock()))
            async with self._connection() as client:
                _, response = await client.send_message(
                    mail, sender=self._sender.addr_spec, recipients=[message.recipient]
                )
        except Exception as error:
            if (failure := explain(error)) is None:
                raise
            raise NotDeliveredError(failure, PROVIDER) from error
        return Receipt(Next.SENT, PROVIDER, str(mail["Message-ID"]), 250, response[:LONGEST_RESPONSE])

    async def close(self) -> None:
        """Take leave of the server on every idle connection."""
        leaving, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in leaving))

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[aiosmtplib.SMTP]:
        """A connection for one message. It is kept when the server stays in a known state: after success or refusal."""
        connection = await self._take()
        try:
            yield connection.client
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused):
            await self._put_back(connection)
            raise
        except BaseException:
            connection.client.close()
            raise
        await self._put_back(connection)

    async def _take(self) -> _Connection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.client.is_connected and now - connection.used_at < IDLE_SECONDS:
                return connection
            connection.client.close()
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            start_tls=self._server.starttls,
            # The default asks a resolver, which may be slow, for a name that is no business of the receiver's.
            local_hostname=self._sender.domain.encode("idna").decode(),
            timeout=COMMAND_SECONDS,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return _Connection(client)

    async def _put_back(self, connection: _Connection) -> None:
        connection.messages += 1
        connection.used_at = asyncio.get_running_loop().time()
        if connection.messages >= MESSAGES_PER_CONNECTION or not connection.client.is_connected:
            await _quit(connection.client)
        else:
            self._idle.append(connection)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit(timeout=1)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def compose(message: Message, sender: Address, date: str) -> EmailMessage:
    """The mail. Its Message-ID is the same at every try, so a receiver can tell a repetition; raises ValueError."""
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = sender
    local_part, _, domain = message.recipient.rpartition("@")
    if not local_part:
        raise ValueError("the recipient is not an address")
    mail["To"] = Address(message.recipient_name, local_part, domain)
    mail["Subject"] = message.content.subject
    mail["Date"] = date
    mail["Message-ID"] = f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday replies are not sent to it
    if message.category is Category.MARKETING:
        mail["List-Unsubscribe"] = f"<mailto:{sender.addr_spec}?subject={quote(f'unsubscribe {message.id}')}>"
    mail.set_content(message.content.text)
    if message.content.html is not None:
        mail.add_alternative(message.content.html, subtype="html")
    mail["Content-Language"] = message.locale  # after the content, which clears all Content-* headers
    return mail


def explain(error: Exception) -> Failure | None:
    """What an error of sending means for the message; None for a bug of ours."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPConnectError):
        # Our access to the server is at fault and not the message: it waits until an operator has mended that.
        return Failure(AttemptStatus.FAILURE, "smtp_unreachable", _words(error), is_permanent=False)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _refusal(error.code, error.message)
    if isinstance(error, TimeoutError):
        return Failure(AttemptStatus.TIMEOUT, "smtp_timeout", _words(error), is_permanent=False)
    if isinstance(error, OSError):
        return Failure(AttemptStatus.FAILURE, "smtp_unreachable", _words(error), is_permanent=False)
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError | UnicodeError):
        return Failure(AttemptStatus.FAILURE, "invalid_mail", type(error).__name__, is_permanent=True)
    return None


def _refusal(code: int, words: str) -> Failure:
    """RFC 5321 §4.2.1: 4yz may pass, 5yz stays. RFC 3463: X.7.z is policy, which with 4yz means slow down."""
    is_slow_down = code == 421 or (code < 500 and words.startswith("4.7."))
    status = AttemptStatus.RATE_LIMITED if is_slow_down else AttemptStatus.FAILURE
    return Failure(status, f"smtp_{code}", words[:LONGEST_RESPONSE], is_permanent=code >= 500, status_code=code)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_RESPONSE]
