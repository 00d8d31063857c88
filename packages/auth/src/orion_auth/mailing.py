"""What is needed to have a secret sent to somebody: by an event that only notifications can open."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_contracts.account_messages import AccountMessageRequested, MessageSecrets, Purpose, message_place
from orion_core.database import Transaction
from orion_core.events.outbox import Outbox
from orion_core.ids import uuid7
from orion_core.sealing import Keyring
from orion_core.tables import IpAddress


@dataclass(frozen=True)
class Letter:
    """A message with a secret in it, to one address of a user."""

    purpose: Purpose
    channel: Literal["EMAIL", "SMS"]
    recipient: str
    user_id: UUID
    locale: str
    secrets: MessageSecrets
    expires_at: datetime
    ip_address: IpAddress | None
    """From where it was asked for."""


@dataclass(frozen=True)
class Mailing:
    """Where mails are asked for, and how their secrets are made and guarded."""

    outbox: Outbox
    keyring: Keyring
    """Hashes codes."""
    event_keyring: Keyring
    """Seals secrets for notifications."""
    link_prefix: str

    async def send(self, transaction: Transaction, letter: Letter, now: datetime) -> None:
        """Have the letter sent, if `transaction` is committed."""
        place = message_place(letter.purpose, letter.user_id)
        event = AccountMessageRequested(
            user_id=letter.user_id,
            message_id=uuid7(),
            purpose=letter.purpose,
            channel=letter.channel,
            recipient=letter.recipient,
            locale=letter.locale,
            requested_at=now,
            ip_address=letter.ip_address,
            expires_at=letter.expires_at,
            secrets=self.event_keyring.seal_text(letter.secrets.model_dump_json(exclude_none=True), place),
        )
        await self.outbox.record(transaction, event, now)
