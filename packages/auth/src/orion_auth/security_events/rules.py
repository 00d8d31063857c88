"""Every kind of security event: what it is called, how grave it is, and whether the owner is told.

A kind is added here and nowhere else, and its line to docs/security-events.md; a test compares the two. `title` and
`description` are what a user reads in his timeline; the notice that is mailed is worded by notifications' template
`security_notice`, in every language, under the same `type`. A type it does not know gets its general words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID


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


@dataclass(frozen=True)
class Wanted:
    """What a search looks for; None means any."""

    user_id: UUID | None = None
    type: str | None = None
    category: SecurityEventCategory | None = None
    severity: SecurityEventSeverity | None = None
    tag: str | None = None
    ip_address: IPv4Address | IPv6Address | None = None
    since: datetime | None = None
    until: datetime | None = None


_C = SecurityEventCategory
_S = SecurityEventSeverity

# Coming in

SIGN_IN_BLOCKED = Kind(
    "sign_in.blocked",
    _C.AUTHENTICATION,
    _S.HIGH,
    "A sign-in was stopped",
    "The right password or key was shown, but the attempt looked so unlike you that it was not let in.",
    is_notified=True,
    was_blocked=True,
)
SIGN_IN_UNFINISHED = Kind(
    "sign_in.unfinished",
    _C.AUTHENTICATION,
    _S.HIGH,
    "Somebody began to sign in and showed no second factor",
    "The first proof, such as your password, was right, on a device that is not known. Nobody got in. "
    "Change your password if it was not you.",
    is_notified=True,
    was_blocked=True,
)
SIGN_IN_SUSPICIOUS = Kind(
    "sign_in.suspicious",
    _C.AUTHENTICATION,
    _S.MEDIUM,
    "A sign-in looked unlike you",
    "It was let in, since you have no second factor that could have been asked for.",
    is_notified=True,
)
SIGNED_IN = Kind(
    "sign_in.succeeded",
    _C.AUTHENTICATION,
    _S.LOW,
    "Somebody signed in to your account",
    "You asked to be told of every sign-in.",
    is_notified=True,
)

# Passwords

PASSWORD_CHANGED = Kind("password.changed", _C.PASSWORD, _S.MEDIUM, "Your password was changed", is_notified=True)
PASSWORD_RESET = Kind(
    "password.reset", _C.PASSWORD, _S.HIGH, "Your password was reset", "All sessions were ended.", is_notified=True
)
PASSWORD_RESET_REQUESTED = Kind(
    "password.reset_requested", _C.PASSWORD, _S.LOW, "Somebody asked for a new password for your account"
)

# Second factors

TWO_FACTOR_ENABLED = Kind("two_factor.enabled", _C.TWO_FACTOR, _S.MEDIUM, "A second factor was added", is_notified=True)
TWO_FACTOR_DISABLED = Kind(
    "two_factor.disabled", _C.TWO_FACTOR, _S.HIGH, "A second factor was removed", is_notified=True
)
TWO_FACTOR_FAILED = Kind(
    "two_factor.failed",
    _C.TWO_FACTOR,
    _S.HIGH,
    "Somebody failed at your second factor",
    "The first proof, such as your password, was right, and every try at the second factor was wrong. "
    "Change your password if it was not you.",
    is_notified=True,
    was_blocked=True,
)
BACKUP_CODES_REGENERATED = Kind(
    "backup_codes.regenerated",
    _C.TWO_FACTOR,
    _S.MEDIUM,
    "New backup codes were made",
    "The earlier ones are worthless now.",
    is_notified=True,
)
BACKUP_CODE_USED = Kind(
    "backup_codes.used", _C.TWO_FACTOR, _S.MEDIUM, "A backup code was used to sign in", is_notified=True
)
PASSKEY_ADDED = Kind("passkey.added", _C.TWO_FACTOR, _S.MEDIUM, "A passkey was added", is_notified=True)
PASSKEY_REMOVED = Kind("passkey.removed", _C.TWO_FACTOR, _S.HIGH, "A passkey was removed", is_notified=True)
PASSKEY_CLONED = Kind(
    "passkey.cloned",
    _C.TWO_FACTOR,
    _S.CRITICAL,
    "A passkey seems to exist twice",
    "Its counter ran backwards, as that of a copy does. The key is not accepted any more.",
    is_notified=True,
    was_blocked=True,
)
RECOVERY_REQUESTED = Kind(
    "recovery.requested",
    _C.TWO_FACTOR,
    _S.HIGH,
    "Somebody asked to recover your account without its second factor",
    "It takes effect after a delay, in which you can refuse it.",
    is_notified=True,
)
RECOVERY_COMPLETED = Kind(
    "recovery.completed",
    _C.TWO_FACTOR,
    _S.HIGH,
    "Your account was recovered without its second factor",
    is_notified=True,
)
RECOVERY_CANCELLED = Kind("recovery.cancelled", _C.TWO_FACTOR, _S.MEDIUM, "The recovery of your account was refused")
RECOVERY_CHANGED = Kind(
    "recovery.changed", _C.TWO_FACTOR, _S.HIGH, "Where your account can be recovered was changed", is_notified=True
)

# Sessions, tokens, devices

SESSIONS_ENDED = Kind(
    "sessions.ended",
    _C.SESSION,
    _S.MEDIUM,
    "Your sessions were ended",
    "Somebody who was signed in to your account signed out everywhere else, or everywhere, or set up its first second "
    "factor, which sessions that have shown none do not outlive.",
    is_notified=True,
)
TOKEN_REUSED = Kind(
    "token.reused",
    _C.TOKEN,
    _S.HIGH,
    "A refresh token was used twice",
    "The session was ended, since a copy of its refresh token may be in the wrong hands.",
    is_notified=True,
    was_blocked=True,
)
NEW_DEVICE = Kind("device.new", _C.DEVICE, _S.MEDIUM, "Your account was used on a new device", is_notified=True)
DEVICE_TRUSTED = Kind(
    "device.trusted",
    _C.DEVICE,
    _S.MEDIUM,
    "A device is trusted",
    "Until the trust ends, it is not asked for the second factor.",
    is_notified=True,
)
DEVICE_TRUST_ENDED = Kind("device.trust_ended", _C.DEVICE, _S.LOW, "A device is no longer trusted")
DEVICE_UNBLOCKED = Kind("device.unblocked", _C.DEVICE, _S.MEDIUM, "A device may be used again")
DEVICE_REMOVED = Kind(
    "device.removed",
    _C.DEVICE,
    _S.LOW,
    "A device was removed",
    "Its sessions were ended, and the next sign-in from it is one from a new device.",
)
DEVICE_DISAVOWED = Kind(
    "device.disavowed",
    _C.DEVICE,
    _S.CRITICAL,
    "You said that a sign-in was not yours",
    "All sessions were ended, no device is trusted any more, and a new password is needed.",
    is_notified=True,
)
DEVICE_BLOCKED = Kind("device.blocked", _C.DEVICE, _S.MEDIUM, "A device was blocked", "Nobody can sign in on it.")

API_KEY_ISSUED = Kind("api_key.issued", _C.TOKEN, _S.MEDIUM, "An API key was made for your account", is_notified=True)
API_KEY_REVOKED = Kind("api_key.revoked", _C.TOKEN, _S.LOW, "An API key of yours was revoked")
API_KEY_LEAKED = Kind(
    "api_key.leaked",
    _C.TOKEN,
    _S.CRITICAL,
    "An API key of yours was found in the open",
    "Somebody has shown it to us, and it was revoked at once. Look at what was done with it, and make another one.",
    is_notified=True,
    was_blocked=True,
)

# The account

REGISTRATION_REPEATED = Kind(
    "registration.repeated",
    _C.ACCOUNT,
    _S.LOW,
    "Somebody registered with your address",
    "You have an account already, and nothing was changed. If it was you: sign in, or set a new password by a mail.",
    is_notified=True,
    was_blocked=True,
)
EMAIL_CHANGE_REQUESTED = Kind(
    "email.change_requested",
    _C.ACCOUNT,
    _S.MEDIUM,
    "Somebody asked to change your e-mail address",
    "It is changed when both addresses agree; each was sent a link, by which it can also be refused.",
)
EMAIL_CHANGE_REFUSED = Kind(
    "email.change_refused",
    _C.ACCOUNT,
    _S.HIGH,
    "The change of your e-mail address was refused",
    "Whoever reads one of the two addresses said that it was not he who had asked.",
    was_blocked=True,
)
USERNAME_CHANGED = Kind("username.changed", _C.ACCOUNT, _S.LOW, "Your username was changed")
EMAIL_CHANGED = Kind("email.changed", _C.ACCOUNT, _S.HIGH, "Your e-mail address was changed", is_notified=True)
PHONE_CHANGED = Kind("phone.changed", _C.ACCOUNT, _S.MEDIUM, "Your phone number was changed", is_notified=True)
ACCOUNT_UNLOCKED = Kind("account.unlocked", _C.ADMINISTRATION, _S.MEDIUM, "An administrator unlocked your account")
ACCOUNT_SUSPENDED = Kind(
    "account.suspended", _C.ADMINISTRATION, _S.HIGH, "Your account was suspended", is_notified=True
)
ACCOUNT_REINSTATED = Kind(
    "account.reinstated", _C.ADMINISTRATION, _S.MEDIUM, "Your account is open again", is_notified=True
)

ACCOUNT_IMPORTED = Kind(
    "account.imported", _C.ADMINISTRATION, _S.LOW, "Your account was brought over from another system"
)
ACCOUNTS_IMPORTED = Kind("accounts.imported", _C.ADMINISTRATION, _S.LOW, "Accounts were brought over, many at once")
PROOF_GIVEN = Kind("session.proof_given", _C.SESSION, _S.LOW, "You proved again who you are")
PROOF_FAILED = Kind(
    "session.proof_failed",
    _C.SESSION,
    _S.MEDIUM,
    "A wrong password or code was given for a change that needs one",
    "Somebody who was signed in was asked once more to prove who he is and could not.",
    was_blocked=True,
)

# Accounts elsewhere

SOCIAL_LINKED = Kind(
    "social.linked", _C.SOCIAL, _S.MEDIUM, "Signing in with another provider was added", is_notified=True
)
SOCIAL_UNLINKED = Kind(
    "social.unlinked", _C.SOCIAL, _S.MEDIUM, "Signing in with another provider was removed", is_notified=True
)
SOCIAL_ACCESS_ENDED = Kind(
    "social.access_ended",
    _C.SOCIAL,
    _S.LOW,
    "A linked account no longer lets us in",
    "Its provider takes our tokens no more. Signing in through it again mends that.",
)

# What operators should look at

SMS_WITHHELD = Kind(
    "rate_limit.sms_withheld",
    _C.RATE_LIMIT,
    _S.CRITICAL,
    "No more codes are sent by SMS for now, to a country or to anybody",
    "As many were asked for as may be sent in an hour or a day: somebody may be earning by them (SMS pumping).",
    was_blocked=True,
)

# What administrators and operators do

RATE_LIMIT_CHANGED = Kind(
    "rate_limit.policy_changed",
    _C.ADMINISTRATION,
    _S.MEDIUM,
    "An administrator changed how often something may be tried",
)
RISK_POLICY_CHANGED = Kind(
    "risk.policy_changed",
    _C.ADMINISTRATION,
    _S.MEDIUM,
    "An administrator changed what makes a sign-in look risky",
)
SIGNING_KEYS_ROTATED = Kind(
    "signing_keys.rotated",
    _C.ADMINISTRATION,
    _S.HIGH,
    "An operator brought in another key for access tokens",
)
TABLES_PRUNED = Kind(
    "tables.pruned",
    _C.ADMINISTRATION,
    _S.LOW,
    "An operator removed what was past its retention",
)
RATE_LIMIT_LIFTED = Kind(
    "rate_limit.lifted",
    _C.ADMINISTRATION,
    _S.LOW,
    "An administrator let somebody try again who had tried too often",
)

SESSIONS_ENDED_BY_OPERATOR = Kind(
    "sessions.ended_by_operator", _C.ADMINISTRATION, _S.MEDIUM, "An administrator signed you out everywhere"
)
FACTORS_RESET = Kind(
    "factors.reset", _C.ADMINISTRATION, _S.HIGH, "An administrator removed your second factors", is_notified=True
)
SECURITY_EVENTS_SEARCHED = Kind(
    "security_events.searched", _C.ADMINISTRATION, _S.LOW, "An administrator searched the security history"
)
SECURITY_EVENTS_EXPORTED = Kind(
    "security_events.exported", _C.ADMINISTRATION, _S.MEDIUM, "An administrator exported security history"
)

CATALOG: Mapping[str, Kind] = {kind.type: kind for kind in list(vars().values()) if isinstance(kind, Kind)}
"""Every kind by its type."""

TAGGED: Mapping[str, tuple[Kind, ...]] = {
    "intruder": (
        *(SIGN_IN_BLOCKED, SIGN_IN_UNFINISHED, SIGN_IN_SUSPICIOUS, TWO_FACTOR_FAILED, PASSKEY_CLONED, TOKEN_REUSED),
        *(DEVICE_DISAVOWED, API_KEY_LEAKED, EMAIL_CHANGE_REFUSED, RECOVERY_CANCELLED),
    ),
    "credential": (
        *(PASSWORD_CHANGED, PASSWORD_RESET, TWO_FACTOR_ENABLED, TWO_FACTOR_DISABLED, BACKUP_CODES_REGENERATED),
        *(PASSKEY_ADDED, PASSKEY_REMOVED, RECOVERY_COMPLETED, RECOVERY_CHANGED, DEVICE_TRUSTED, API_KEY_ISSUED),
        *(API_KEY_REVOKED, EMAIL_CHANGED, SOCIAL_LINKED, SOCIAL_UNLINKED, FACTORS_RESET),
    ),
}
"""What events of several categories have in common: they speak of somebody who is not the owner; what opens an account,
or spares it the second factor, was added, changed or taken off.
"""


def tags_of(kind: Kind) -> list[str]:
    """The tags under which events of this kind are found."""
    return [tag for tag, kinds in TAGGED.items() if kind in kinds]
