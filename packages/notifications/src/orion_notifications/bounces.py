"""Mails that are refused at the door since nobody is at their address: it is written to no more, as after a report."""

from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.clock import Clock
from orion_core.database import Database
from orion_notifications.delivery.messages import Message, NotDeliveredError, Receipt, Send
from orion_notifications.kinds import Channel
from orion_notifications.suppressions import actions as suppressions
from orion_notifications.suppressions.actions import Hasher
from orion_notifications.suppressions.rules import SuppressionReason

log = structlog.get_logger()


@dataclass(frozen=True)
class Bouncing:
    """The channel EMAIL, which takes down what its servers say of addresses."""

    send_plain: Send
    database: Database
    hasher: Hasher
    clock: Clock

    async def send(self, message: Message) -> Receipt:
        """Hand it over; raises what the channel does."""
        try:
            return await self.send_plain(message)
        except NotDeliveredError as error:
            if error.failure.suppresses:
                await self._silence(message.recipient)
            raise

    async def _silence(self, recipient: str) -> None:
        reason = SuppressionReason.BOUNCE
        try:
            async with self.database.transaction() as transaction:
                if await suppressions.suppress(transaction.connection, self.hasher, Channel.EMAIL, recipient, reason):
                    await suppressions.tell(transaction, Channel.EMAIL, reason, self.clock())
        except (SQLAlchemyError, OSError) as error:  # the server says so again at the next message
            log.warning("bounces.not_suppressed", reason=type(error).__name__)
