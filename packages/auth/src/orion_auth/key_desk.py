"""What giving tokens for API keys works with."""

from dataclasses import dataclass

from orion_auth.user_feed import UserFeed
from orion_core.api_key_uses import Uses
from orion_core.api_keys import Stage


@dataclass(frozen=True)
class KeyDesk:
    """Put together once by `app`."""

    stage: Stage
    """What the keys of this installation say of where they open something."""
    feed: UserFeed
    """Where auth hears of keys; what it has not heard from for long, it cannot rely on."""
    uses: Uses
