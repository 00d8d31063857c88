"""Where mails come back to: each has a return path of its own (VERP), with the notification's id and a MAC.

So nobody can have an address silenced by writing to us.
"""

import re
from uuid import UUID

from orion_core.sealing import Keyring

PURPOSE = "bounce address"
MAC_BYTES = 8
ADDRESS = re.compile(r"\bb\+([0-9a-f]{32})\.([0-9a-f]{16})@", re.IGNORECASE)


def return_path(notification_id: UUID, keyring: Keyring, domain: str) -> str:
    """Where a mail comes back to when it cannot be delivered."""
    mac = keyring.mac(PURPOSE, notification_id.bytes)[:MAC_BYTES]
    return f"b+{notification_id.hex}.{mac.hex()}@{domain}"


def notification_of(text: str, keyring: Keyring) -> UUID | None:
    """Whose return path stands in `text`; None where there is none that we made."""
    for match in ADDRESS.finditer(text):
        notification_id = UUID(hex=match[1])
        if keyring.verify_mac(PURPOSE, notification_id.bytes, bytes.fromhex(match[2]), MAC_BYTES):
            return notification_id
    return None
