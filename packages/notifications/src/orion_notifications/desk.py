"""What having a message sent needs besides the database."""

from dataclasses import dataclass

from orion_core.sealing import Keyring
from orion_core.wakeup import Wakeup


@dataclass(frozen=True)
class Desk:
    """The key for secrets, and whom to wake."""

    keyring: Keyring
    queue: Wakeup
