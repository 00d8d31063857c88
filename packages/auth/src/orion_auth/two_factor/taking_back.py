"""Taking off an account what was set up since somebody else came in: second factors, and ways to do without them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from orion_auth.passkeys import actions as passkeys
from orion_auth.two_factor import store
from orion_auth.two_factor.actions import enrolled
from orion_auth.two_factor.rules import strongest
from orion_auth.two_factor_methods import TwoFactorMethod
from orion_core.database import Transaction

_CONTACTS = ("recovery_email", "recovery_phone")


async def take_back(transaction: Transaction, user_id: UUID, since: datetime, now: datetime) -> int:
    """Remove what was first shown at `since` or later, and say how much that was. The caller holds the user.

    What the owner set up himself meanwhile goes too: nobody can tell the two apart.
    """
    connection = transaction.connection
    removed = await passkeys.remove_since(transaction, user_id, since)
    row = await store.find_factors(connection, user_id)
    if row is None:
        return removed
    values: dict[str, Any] = {}
    present = await enrolled(user_id).alone(connection)
    late = {method for method in store.CLEARED if _is_late(row, f"{method.value.lower()}_verified_at", since)}
    for method in late:
        values |= store.CLEARED[method]
    left = present.verified - late
    if not await passkeys.count(connection, user_id):
        left -= {TwoFactorMethod.HARDWARE_KEY}
        values["hardware_key_verified_at"] = None
    primary = present.primary if present.primary in left else strongest(left)
    values |= {"primary_method": primary, "is_enabled": primary is not None}
    for contact in _CONTACTS:
        if _is_late(row, f"{contact}_verified_at", since):
            values |= {contact: None, f"{contact}_verified_at": None}
            removed += 1
    await store.change(connection, user_id, values)
    if primary is None or _is_late(row, "backup_codes_generated_at", since):
        await store.replace_backup_codes(connection, user_id, [], now)
    return removed + len(late)


def _is_late(row: Any, column: str, since: datetime) -> bool:
    moment: datetime | None = getattr(row, column)
    return moment is not None and moment >= since
