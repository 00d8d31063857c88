"""The channel EMAIL over SMTP (RFC 5321), with connections that are kept.

A server that an administrator names is reached as any address that somebody names: on the public internet only, unless
the operator allows more, and never unencrypted beyond private networks.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.headerregistry import Address
from email.utils import format_datetime
from ipaddress import ip_address
from uuid import UUID

import aiosmtplib

from orion_core.clock import Clock
from orion_core.outbound import ForbiddenAddressError, addresses, look_up, open_socket
from orion_notifications.delivery.mail import compose, flatten, is_ascii
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt, Unsubscribing
from orion_notifications.delivery.rules import AttemptStatus, Failure, Fault, Next
from orion_notifications.provider_settings import Dkim
from orion_notifications.status_codes import CODE, is_of_address

PROVIDER = "smtp"
COMMAND_SECONDS = 20.0
CONNECT_SECONDS = 4.0
"""For each address of a server that says nothing at all."""
IDLE_SECONDS = 20.0
"""How long a connection is kept unused; servers hang up after minutes (RFC 5321 §4.5.3.2.7 asks for five)."""
MESSAGES_PER_CONNECTION = 100
"""Large receivers refuse more on one connection."""
LONGEST_RESPONSE = 500
MOST_UNKNOWN = 20
"""Recipients that a server may know nothing of, one after the other, and be believed. One whose directory is away says
so of everybody, and would have everybody written to no more.
"""


@dataclass(frozen=True)
class Server:
    """The SMTP server that takes our mail."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    starttls: bool | None = None
    """True demands it, False forbids it; None demands it too, but of a server on this machine, where nobody listens."""
    tls: bool = False
    """TLS from the first byte on (RFC 8314)."""
    local: bool | None = None
    """Whether it may be on this machine and in private networks; None: the operator has named it, wherever it is."""


@dataclass
class _Connection:
    client: aiosmtplib.SMTP
    used_at: float = 0.0
    messages: int = 0


class SmtpChannel:
    """Sends mail from one address through one server. A message being sent has a connection to itself."""

    def __init__(
        self,
        server: Server,
        sender: Address,
        clock: Clock,
        *,
        keys: Sequence[Dkim] = (),
        return_path: Callable[[UUID], str] | None = None,
        unsubscribing: Unsubscribing | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._clock = clock
        self._keys = keys
        self._return_path = return_path
        self._unsubscribing = unsubscribing
        self._idle: list[_Connection] = []
        self._is_closed = False
        self._unknown = 0
        """Recipients since the last one that the server took."""

    async def send(self, message: Message) -> Receipt:
        """Hand the mail over; raises NotDeliveredError."""
        is_under_way = False
        try:
            url = self._unsubscribing(message) if self._unsubscribing else None
            mail = compose(message, self._sender, format_datetime(self._clock()), url)
            source = await asyncio.to_thread(flatten, mail, self._keys) if self._keys else flatten(mail)
            async with self._connection() as client:
                is_under_way = True
                response = await self._hand_over(client, message, source)
        except Exception as error:
            failure = explain(error) if is_under_way else explain_connecting(error)
            if failure is None:
                raise
            self._unknown += failure.is_bounce
            failure = replace(failure, suppresses=failure.is_bounce and self._unknown <= MOST_UNKNOWN)
            is_silent = isinstance(error, OSError | aiosmtplib.SMTPServerDisconnected)
            raise NotDeliveredError(replace(failure, may_have_left=is_under_way and is_silent), PROVIDER) from error
        self._unknown = 0
        return Receipt(Next.SENT, PROVIDER, str(mail["Message-ID"]), 250, response[:LONGEST_RESPONSE])

    async def _hand_over(self, client: aiosmtplib.SMTP, message: Message, source: bytes) -> str:
        sender = self._sender.addr_spec if self._return_path is None else self._return_path(message.id)
        options: list[str] = []
        if not is_ascii(self._sender.addr_spec, sender, message.recipient):
            if not client.supports_extension("smtputf8"):
                raise aiosmtplib.SMTPNotSupported("the server takes no address beyond ASCII")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        _, response = await client.sendmail(sender, [message.recipient], source, mail_options=options)
        return response

    async def close(self) -> None:
        """Take leave of the server on every connection, of those in use once their message is through."""
        self._is_closed = True
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
        return _Connection(await self._connected())

    async def _connected(self) -> aiosmtplib.SMTP:
        server = self._server
        opened = await open_socket(await _reachable(server), server.port, timeout=CONNECT_SECONDS)
        starttls = server.starttls
        if starttls is None and not ip_address(opened.getpeername()[0]).is_loopback:
            starttls = True
        client = aiosmtplib.SMTP(
            hostname=server.host,  # whose certificate it has to show
            sock=opened,
            username=server.user,
            password=server.password,
            use_tls=server.tls,
            start_tls=False if server.tls else starttls,
            # The default asks a resolver, which may be slow, for a name that is no business of the receiver's.
            local_hostname=self._sender.domain.encode("idna").decode(),
            timeout=COMMAND_SECONDS,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            opened.close()
            raise
        return client

    async def _put_back(self, connection: _Connection) -> None:
        connection.messages += 1
        connection.used_at = asyncio.get_running_loop().time()
        is_worn = connection.messages >= MESSAGES_PER_CONNECTION or not connection.client.is_connected
        if is_worn or self._is_closed:
            await _quit(connection.client)
        else:
            self._idle.append(connection)


async def _reachable(server: Server) -> Sequence[str]:
    if server.local is None:
        return await look_up(server.host, server.port)
    is_in_clear = server.starttls is False and not server.tls
    return await addresses(server.host, server.port, local=server.local, in_clear=is_in_clear)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        await client.quit(timeout=1)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def explain_connecting(error: Exception) -> Failure | None:
    """What it means that no connection came about: the message waits until an operator has mended that."""
    match error:
        case ForbiddenAddressError():
            words = "its address may not be reached from here"
            return Failure(AttemptStatus.FAILURE, "forbidden_address", words, is_permanent=False, fault=Fault.ACCOUNT)
        case aiosmtplib.SMTPAuthenticationError():
            return explain(error)
        case aiosmtplib.SMTPResponseException():
            return _unreachable(AttemptStatus.FAILURE, "smtp_unreachable", error)
        case OSError() | ValueError():  # those of aiosmtplib that tell of a connection that broke, too
            return explain(error)
        case aiosmtplib.SMTPException():
            # STARTTLS or AUTH is not offered. Who wants them says nothing to a server without.
            words = _words(error)
            return Failure(AttemptStatus.FAILURE, "smtp_not_offered", words, is_permanent=False, fault=Fault.ACCOUNT)
        case _:
            return None


def explain(error: Exception) -> Failure | None:
    """What an error of sending means for the message; None for a bug of ours."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPConnectError):
        # Our access to the server is at fault and not the message: it waits until an operator has mended that.
        fault = Fault.ACCOUNT if isinstance(error, aiosmtplib.SMTPAuthenticationError) else Fault.PROVIDER
        return Failure(AttemptStatus.FAILURE, "smtp_unreachable", _words(error), is_permanent=False, fault=fault)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        failure = _refusal(error.code, error.message)
        is_of_recipient = isinstance(error, aiosmtplib.SMTPRecipientRefused) and failure.is_permanent
        return replace(failure, is_bounce=is_of_recipient and _is_of_address(error.message))
    if isinstance(error, TimeoutError):
        return _unreachable(AttemptStatus.TIMEOUT, "smtp_timeout", error)
    if isinstance(error, OSError | aiosmtplib.SMTPServerDisconnected):
        return _unreachable(AttemptStatus.FAILURE, "smtp_unreachable", error)
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError | UnicodeError):
        return Failure(AttemptStatus.FAILURE, "invalid_mail", type(error).__name__, is_permanent=True)
    return None


def _refusal(code: int, words: str) -> Failure:
    """RFC 5321 §4.2.1: 4yz may pass, 5yz stays. RFC 3463: X.7.z is policy, which with 4yz means slow down."""
    is_slow_down = code == 421 or (code < 500 and words.startswith("4.7."))
    status = AttemptStatus.RATE_LIMITED if is_slow_down else AttemptStatus.FAILURE
    # 421 is the server's, whoever the recipient; any other word may be about this recipient alone.
    fault = Fault.PROVIDER if code == 421 else Fault.MESSAGE
    words = words[:LONGEST_RESPONSE]
    return Failure(status, f"smtp_{code}", words, is_permanent=code >= 500, status_code=code, fault=fault)


def _is_of_address(words: str) -> bool:
    """Whether the server says by a code that nobody is there: 550 alone is said by those who like us no more, too."""
    code = CODE.match(words)
    return code is not None and is_of_address(code[0])


def _unreachable(status: AttemptStatus, code: str, error: Exception) -> Failure:
    return Failure(status, code, _words(error), is_permanent=False, fault=Fault.PROVIDER)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_RESPONSE]
