"""What can be done with suppressions."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.sealing import Keyring
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
