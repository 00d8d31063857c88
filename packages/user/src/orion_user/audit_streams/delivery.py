"""Delivering: every copy of the service looks every few seconds; a lease lets one of them deliver a stream.

What has arrived is written down after it has: a process that is killed in between delivers it once more, under the
same id. Nothing is passed over, since a stream goes by checkpoints, which have no gaps.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from orion_core.background import pause
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.outbound import ForbiddenAddressError, open_connection
from orion_core.sealing import Keyring, SealError, place
from orion_user.audit import actions as audit
from orion_user.audit.actions import Covered
from orion_user.audit_streams import rules, store

EVERY_SECONDS = 5.0
LEASE = timedelta(minutes=2)
IN_A_ROW = 20
"""Deliveries under one lease: much less than it lasts, if each takes as long as it may."""
PATIENCE_SECONDS = 5.0

log = structlog.get_logger()


class RefusedError(Exception):
    """The receiver does not take it."""


@dataclass(frozen=True)
class Courier:
    """What delivering needs."""

    database: Database
    http: httpx.AsyncClient
    """Asks nobody who may not be reached (`orion_core.outbound`)."""
    keyring: Keyring = field(repr=False)
    clock: Clock
    local: bool
    """Whether a receiver may be on this machine or in a private network."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`."""
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.deliver_one():
                    pass
            except (SQLAlchemyError, OSError) as error:
                log.warning("audit.streams_put_off", reason=str(getattr(error, "orig", None) or error))
            await pause(stop, EVERY_SECONDS)

    async def deliver_one(self) -> bool:
        """Deliver what is due of one stream; whether there was one."""
        now = self.clock()
        head = await audit.latest_checkpoint(self.database)
        if head is None:
            return False
        async with self.database.autocommit() as connection:
            row = await store.lease(connection, head["number"], now, now + LEASE)
        if row is None:
            return False
        outcome: dict[str, object] = {"failures": 0, "next_attempt_at": None, "error": None}
        try:
            await self._deliver(row)
        except (RefusedError, ForbiddenAddressError, httpx.HTTPError, httpx.InvalidURL, OSError, SealError) as error:
            failures = row["failures"] + 1
            reason = f"{type(error).__name__}: {error}"[:500].replace("\0", "")
            log.warning("audit.stream_failed", stream=row["name"], failures=failures, reason=reason)
            outcome = {
                "failures": failures,
                "next_attempt_at": self.clock() + rules.pause_after(failures),
                "error": reason,
            }
        async with self.database.autocommit() as connection:
            await store.release(connection, row, outcome)
        return True

    async def _deliver(self, row: RowMapping) -> None:
        at = (row["position"], row["arrived"])
        for _ in range(IN_A_ROW):
            covered = await audit.covered_after(self.database, at[0])
            if covered is None:
                return
            part = covered.entries[at[1] : at[1] + rules.AT_ONCE]
            if part:
                await self._send(row, covered, part, at)
            reached = at[1] + len(part)
            following = (covered.number, 0) if reached >= len(covered.entries) else (at[0], reached)
            values = {"position": following[0], "arrived": following[1], "delivered_at": self.clock()}
            async with self.database.autocommit() as connection:
                if not await store.advance(connection, row, at, values):
                    return
            at = following

    async def _send(
        self, row: RowMapping, covered: Covered, part: list[dict[str, object]], at: tuple[int, int]
    ) -> None:
        if not rules.is_webhook(row["url"]):
            frames = [rules.syslog_frame(socket.gethostname(), entry) for entry in part]
            await send_to_syslog(row["url"], frames, local=self.local)
            return
        secret = self.keyring.open(row["secret"], place("audit_streams", "secret", row["id"]))
        body = rules.webhook_body(row["name"], covered.checkpoint, part)
        delivery = f"{row['id']}-{covered.number}-{at[1]}"
        headers = rules.webhook_headers(secret, delivery, int(self.clock().timestamp()), body)
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            self.http.stream("POST", row["url"], content=body, headers=headers, follow_redirects=False) as answer,
        ):
            if not answer.is_success:
                raise RefusedError(f"the receiver answered {answer.status_code}")


async def send_to_syslog(url: str, frames: list[bytes], *, local: bool) -> None:
    """Write frames to a syslog server, and close the connection well: the protocol knows no other receipt.

    ForbiddenAddressError when the server is where nothing is sent to.
    """
    parts = urlsplit(url)
    context = ssl.create_default_context() if parts.scheme == "syslog+tls" else None
    port = parts.port or rules.SYSLOG_PORTS[parts.scheme]
    async with asyncio.timeout(PATIENCE_SECONDS):
        writer = await open_connection(parts.hostname or "", port, context, local=local, timeout=PATIENCE_SECONDS)
        try:
            writer.writelines(frames)
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
