"""What providers are given to name a message by: its id, with a MAC that also has the account that carries it.

They tell it again in their call-backs. So whoever has an account's signing secret speaks of what this account has
carried, and of nothing else.
"""

import re
from uuid import UUID

from orion_core.sealing import Keyring

PURPOSE = "message tag"
MAC_BYTES = 12
TAG = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{24})")
PARAMETER = "message"
"""By this a tag stands in the URL of a call-back, where a provider takes nothing else along."""


def tag(notification_id: UUID, keyring: Keyring, account_id: UUID) -> str:
    """What the provider of an account knows a message as; of letters that all of them take."""
    mac = keyring.mac(PURPOSE, account_id.bytes + notification_id.bytes)[:MAC_BYTES]
    return f"{notification_id.hex}.{mac.hex()}"


def notification_of(text: str, keyring: Keyring, account_id: UUID) -> UUID | None:
    """Which message a tag names; None for one that was not made for this account."""
    match = TAG.fullmatch(text)
    if match is None:
        return None
    notification_id, mac = UUID(hex=match[1]), bytes.fromhex(match[2])
    is_ours = keyring.verify_mac(PURPOSE, account_id.bytes + notification_id.bytes, mac, MAC_BYTES)
    return notification_id if is_ours else None
