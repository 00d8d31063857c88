"""What may become of a user, and how users are looked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


class UserStatus(Enum):
    """PENDING until an address is verified; DELETED is put away and can be restored until it is purged."""

    PENDING = auto()
    ACTIVE = auto()
    SUSPENDED = auto()
    DELETED = auto()


INITIAL_ROLE = "user"
"""Name of the role that everybody is given with the profile."""


def status_once_suspended(status: UserStatus) -> UserStatus:
    """What a user is after auth has shut them out; whoever is deleted stays so."""
    return status if status is UserStatus.DELETED else UserStatus.SUSPENDED


def status_once_reinstated(status: UserStatus, *, is_verified: bool) -> UserStatus:
    """What a user is after their suspension has ended."""
    if status is not UserStatus.SUSPENDED:
        return status
    return UserStatus.ACTIVE if is_verified else UserStatus.PENDING


def status_once_verified(status: UserStatus) -> UserStatus:
    """What a user is after an address of theirs was verified; nothing but waiting for that ends by it."""
    return UserStatus.ACTIVE if status is UserStatus.PENDING else status


PURGE_DELAY = timedelta(days=30)
"""How long a deleted user can be restored."""


def status_once_restored(before: UserStatus | None, *, is_verified: bool) -> UserStatus:
    """What a user is after they were restored: suspended if they were, else what their address tells."""
    if before is UserStatus.SUSPENDED:
        return UserStatus.SUSPENDED
    return UserStatus.ACTIVE if is_verified else UserStatus.PENDING


class Sort(Enum):
    """By what a listing is ordered; a minus sign turns it round. `last_login_at` lists those who have signed in."""

    CREATED = "created_at"
    CREATED_LAST = "-created_at"
    EMAIL = "email"
    EMAIL_LAST = "-email"
    LOGIN = "last_login_at"
    LOGIN_LAST = "-last_login_at"

    @property
    def column(self) -> str:
        """The column it goes by; ties by the id."""
        return self.value.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest come first."""
        return self.value.startswith("-")


@dataclass(frozen=True)
class Wanted:
    """Which users are looked for; all of it has to be met. Deleted ones only when that status is asked for."""

    text: str | None = None
    """In a name, an address or a username."""
    is_prefix: bool = False
    """At its beginning."""
    statuses: tuple[UserStatus, ...] = ()
    is_verified: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    login_from: datetime | None = None
    login_before: datetime | None = None

    @property
    def is_of_living(self) -> bool:
        """Whether no deleted user is meant."""
        return UserStatus.DELETED not in self.statuses

    @property
    def is_narrowed(self) -> bool:
        """Whether something is asked for beside the words."""
        moments = (self.created_from, self.created_before, self.login_from, self.login_before)
        return bool(self.statuses) or self.is_verified is not None or any(moments)


def pattern(text: str, *, is_prefix: bool) -> str:
    """What ILIKE looks for; what has a meaning to it stands for itself."""
    literal = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{literal}%" if is_prefix else f"%{literal}%"


NETWORKS: dict[str, tuple[str, ...]] = {
    "bluesky": ("bsky.app",),
    "facebook": ("facebook.com",),
    "github": ("github.com",),
    "gitlab": ("gitlab.com",),
    "instagram": ("instagram.com",),
    "linkedin": ("linkedin.com",),
    "mastodon": (),
    "tiktok": ("tiktok.com",),
    "x": ("x.com", "twitter.com"),
    "youtube": ("youtube.com",),
}
"""The social networks that are linked to, each with its hosts; one without hosts is on any."""


def is_on_network(network: str, host: str) -> bool:
    """Whether a page of that host is one of the network."""
    hosts = NETWORKS[network]
    return not hosts or any(host == name or host.endswith(f".{name}") for name in hosts)
