"""Every kind of security event: what it is called, how grave it is, and whether the owner is told.

A kind is added here and nowhere else. `title` and `description` are what a user reads in his timeline; the notice that
is mailed is worded by notifications' template `security_notice`, in every language, under the same `type`.
"""

from dataclasses import dataclass
from enum import Enum


class SecurityEventCategory(Enum):
    """What part of an account it concerns."""

    AUTHENTICATION = "AUTHENTICATION"
    PASSWORD = "PASSWORD"
    TWO_FACTOR = "TWO_FACTOR"
    SESSION = "SESSION"
    TOKEN = "TOKEN"
    DEVICE = "DEVICE"
    ACCOUNT = "ACCOUNT"
    RATE_LIMIT = "RATE_LIMIT"
    SOCIAL = "SOCIAL"
    ADMINISTRATION = "ADMINISTRATION"


class SecurityEventSeverity(Enum):
    """How soon somebody should look."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True)
class Kind:
    """One kind of security event."""

    type: str
    category: SecurityEventCategory
    severity: SecurityEventSeverity
    title: str
    description: str | None = None
    is_notified: bool = False
    """Whether the owner gets a message about it."""
    was_blocked: bool = False
    """Whether what was tried was prevented."""


TOKEN_REUSED = Kind(
    "token.reused",
    SecurityEventCategory.TOKEN,
    SecurityEventSeverity.HIGH,
    "A refresh token was used twice",
    "The session was ended, since a copy of its refresh token may be in the wrong hands.",
    is_notified=True,
    was_blocked=True,
)
REGISTRATION_REPEATED = Kind(
    "registration.repeated",
    SecurityEventCategory.ACCOUNT,
    SecurityEventSeverity.LOW,
    "Somebody registered with your address",
    was_blocked=True,
)
SIGN_IN_BLOCKED = Kind(
    "sign_in.blocked",
    SecurityEventCategory.AUTHENTICATION,
    SecurityEventSeverity.HIGH,
    "A sign-in was stopped",
    "The right password or key was shown, but the attempt looked so unlike you that it was not let in.",
    is_notified=True,
    was_blocked=True,
)
SIGN_IN_SUSPICIOUS = Kind(
    "sign_in.suspicious",
    SecurityEventCategory.AUTHENTICATION,
    SecurityEventSeverity.MEDIUM,
    "A sign-in looked unlike you",
    "It was let in, since you have no second factor that could have been asked for.",
    is_notified=True,
)
TWO_FACTOR_FAILED = Kind(
    "two_factor.failed",
    SecurityEventCategory.TWO_FACTOR,
    SecurityEventSeverity.HIGH,
    "Somebody failed at your second factor",
    "The first proof, such as your password, was right, and every try at the second factor was wrong. "
    "Change your password if it was not you.",
    is_notified=True,
    was_blocked=True,
)
NEW_DEVICE = Kind(
    "device.new",
    SecurityEventCategory.DEVICE,
    SecurityEventSeverity.MEDIUM,
    "Your account was used on a new device",
    is_notified=True,
)
RATE_LIMIT_CHANGED = Kind(
    "rate_limit.policy_changed",
    SecurityEventCategory.ADMINISTRATION,
    SecurityEventSeverity.MEDIUM,
    "An administrator changed how often something may be tried",
)
RATE_LIMIT_LIFTED = Kind(
    "rate_limit.lifted",
    SecurityEventCategory.ADMINISTRATION,
    SecurityEventSeverity.LOW,
    "An administrator let somebody try again who had tried too often",
)
SOCIAL_LINKED = Kind(
    "social.linked",
    SecurityEventCategory.SOCIAL,
    SecurityEventSeverity.MEDIUM,
    "An account elsewhere was linked to yours",
    "From now on whoever has that account can sign in to yours.",
    is_notified=True,
)
SOCIAL_UNLINKED = Kind(
    "social.unlinked",
    SecurityEventCategory.SOCIAL,
    SecurityEventSeverity.MEDIUM,
    "An account elsewhere is no longer linked to yours",
    is_notified=True,
)
SOCIAL_ACCESS_ENDED = Kind(
    "social.access_ended",
    SecurityEventCategory.SOCIAL,
    SecurityEventSeverity.LOW,
    "A linked account no longer lets us in",
    "Its provider takes our tokens no more. Signing in through it again mends that.",
)
EMAIL_CHANGED = Kind(
    "email.changed",
    SecurityEventCategory.ACCOUNT,
    SecurityEventSeverity.HIGH,
    "The e-mail address of your account was changed",
    "Whoever reads the old and the new address has agreed.",
    is_notified=True,
)
