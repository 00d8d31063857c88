"""What is needed to have a secret mailed to somebody: by an event that only notifications can open."""

from dataclasses import dataclass

from orion_core.events.outbox import Outbox
from orion_core.sealing import Keyring


@dataclass(frozen=True)
class Mailing:
    """Where mails are asked for, and how their secrets are made and guarded."""

    outbox: Outbox
    keyring: Keyring
    """Hashes codes."""
    event_keyring: Keyring
    """Seals secrets for notifications."""
    link_prefix: str
