"""What can be done with suppressions."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Transaction
from orion_core.sealing import Keyring
from orion_notifications import audit_trail
from orion_notifications.audit_trail import Entry
from orion_notifications.kinds import Category, Channel
from orion_notifications.suppressions import store
from orion_notifications.suppressions.rules import Suppression, SuppressionReason

PURPOSE = "suppressed recipient"
NO_DETAILS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Hasher:
    """Makes of an address what the list keeps of it."""

    keys: tuple[bytes, ...] = field(repr=False)

    def hashes(self, recipient: str) -> list[bytes]:
        """The hashes of an address under every key; what is written has the first."""
        message = recipient.strip().lower().encode()
        return [hmac.digest(key, message, "sha256") for key in self.keys]


@lru_cache(8)
def hasher_of(keyring: Keyring) -> Hasher:
    """With every key of the ring, the active one first. Kept: deriving the keys takes longer than all their work."""
    return Hasher(tuple(keyring.derive(PURPOSE)))


async def suppress(
    connection: AsyncConnection,
    hasher: Hasher,
    channel: Channel,
    recipient: str,
    reason: SuppressionReason,
    *,
    category: Category | None = None,
    expires_at: datetime | None = None,
    details: Mapping[str, Any] = NO_DETAILS,
) -> bool:
    """Have an address get nothing by a channel any more, of one category or of any, until a moment or for ever.

    False when it gets nothing already, for a reason that is as grave.
    """
    values = {
        "channel": channel.name,
        "recipient_hash": hasher.hashes(recipient)[0],
        "category": category and category.name,
        "reason": reason.name,
        "expires_at": expires_at,
        "metadata": orjson.dumps(dict(details)).decode(),
    }
    return await store.suppress(connection, values)


async def tell(transaction: Transaction, channel: Channel, reason: SuppressionReason, now: datetime) -> None:
    """Have the audit trail tell that an address gets nothing by a channel any more, and not which."""
    new = {"channel": channel.name, "category": None, "reason": reason.name}
    await audit_trail.record(transaction, Entry("suppression.create", "suppression", new=new), now)


async def suppressions_of(
    connection: AsyncConnection, hasher: Hasher, channel: Channel, recipient: str
) -> list[Suppression]:
    """What stops an address from being written to."""
    rows = await store.find(connection, channel, hasher.hashes(recipient))
    return [Suppression(row["category"], row["reason"], row["expires_at"]) for row in rows]


async def suppressions_of_all(
    connection: AsyncConnection, hasher: Hasher, channel: Channel, recipients: Iterable[str]
) -> dict[str, list[Suppression]]:
    """The same of several addresses; those that nothing stops are left out."""
    whose = {one: recipient for recipient in recipients for one in hasher.hashes(recipient)}
    found: dict[str, list[Suppression]] = {}
    for row in await store.find_many(connection, channel, list(whose)) if whose else ():
        suppression = Suppression(row["category"], row["reason"], row["expires_at"])
        found.setdefault(whose[row["recipient_hash"]], []).append(suppression)
    return found


async def release(
    connection: AsyncConnection,
    hasher: Hasher,
    channel: Channel,
    recipient: str,
    category: Category | None,
    *,
    reason: SuppressionReason | None = None,
) -> bool:
    """Have an address written to again, if it is suppressed for this reason (None: for any); whether it was."""
    return await store.release(connection, channel, hasher.hashes(recipient), category, reason) > 0


async def stop(
    connection: AsyncConnection, hasher: Hasher, channel: Channel, recipient: str, account_id: UUID, now: datetime
) -> bool:
    """Heed a STOP that was sent to an account with a provider; whether that is news.

    It is kept by which accounts it came: a STOP names no message, so a call-back of one account, whoever makes it, must
    not undo what another was told.
    """
    stopped = {str(account_id): now.isoformat()}
    reason, details = SuppressionReason.UNSUBSCRIBE, {store.STOPPED: stopped}
    is_news = await suppress(connection, hasher, channel, recipient, reason, details=details)
    if not is_news:
        await store.add_stop(connection, channel, hasher.hashes(recipient), stopped)
    return is_news


async def start(
    connection: AsyncConnection, hasher: Hasher, channel: Channel, recipient: str, account_id: UUID
) -> None:
    """Take back a STOP that was sent to the same account, and nothing else: what another account was told, what an
    operator or a bounce has said is not to be taken back by this one's reader.
    """
    await store.take_stop_back(connection, channel, hasher.hashes(recipient), account_id)
