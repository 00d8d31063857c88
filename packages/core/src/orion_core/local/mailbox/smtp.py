"""The SMTP sink: takes every mail for every recipient, from every user with every password (RFC 5321, RFC 4954)."""

import asyncio

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from orion_core.local.mailbox.box import Box
from orion_core.local.mailbox.messages import from_mail

MAIL_LIMIT_BYTES = 25 * 1024 * 1024


async def listen(box: Box, host: str, port: int) -> asyncio.Server:
    """Serve on the running event loop; port 0 takes a free one."""
    sink = _Sink(box)

    def session() -> SMTP:
        return SMTP(
            sink,
            data_size_limit=MAIL_LIMIT_BYTES,
            enable_SMTPUTF8=True,
            hostname="orion.mailbox",  # without one, aiosmtpd asks the resolver, which may take seconds
            ident="Orion mailbox",
            authenticator=_accept,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )

    return await asyncio.get_running_loop().create_server(session, host, port)


class _Sink:
    """aiosmtpd finds its hooks by the name of the SMTP command."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        source = content if isinstance(content, bytes) else str(content).encode()
        message = from_mail(envelope.mail_from or "", envelope.rcpt_tos, source)
        self._box.add(message)
        return f"250 2.0.0 kept as {message.id}"


def _accept(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    login = data.login.decode(errors="replace") if isinstance(data, LoginPassword) else ""
    return AuthResult(success=True, auth_data=login)
