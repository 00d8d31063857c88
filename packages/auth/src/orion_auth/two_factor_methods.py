"""The ways of showing a second factor: words that several slices and their rules share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class TwoFactorMethod(Enum):
    """How a second factor can be shown."""

    TOTP = "TOTP"
    SMS = "SMS"
    EMAIL = "EMAIL"
    HARDWARE_KEY = "HARDWARE_KEY"
    BACKUP_CODE = "BACKUP_CODE"


REFERENCES = {
    TwoFactorMethod.TOTP: "otp",
    TwoFactorMethod.SMS: "sms",
    TwoFactorMethod.EMAIL: "otp",
    TwoFactorMethod.HARDWARE_KEY: "hwk",
    TwoFactorMethod.BACKUP_CODE: "otp",
}
"""Authentication method references (RFC 8176 §2)."""


class ChallengePurpose(Enum):
    """What a code or a half-finished step leads to."""

    SIGN_IN = "SIGN_IN"
    STEP_UP = "STEP_UP"
    ENROLMENT = "ENROLMENT"
    EMAIL_VERIFICATION = "EMAIL_VERIFICATION"
    PHONE_VERIFICATION = "PHONE_VERIFICATION"


@dataclass(frozen=True)
class FactorPolicy:
    """What this installation allows as a second factor."""

    allowed: frozenset[TwoFactorMethod] = frozenset(TwoFactorMethod)
    is_required: bool = False
    """Of everybody; it can be required of single users besides."""
    totp_drift: int = 1
    """Time steps that the clock of an authenticator app may be apart, either way."""
    recovers_by_email: bool = True
    """Whether a code to another address can take the place of lost second factors."""


@dataclass(frozen=True)
class RecoveryContacts:
    """Where the codes go by which an account is recovered; each was shown to be its owner's."""

    email: str | None = None
    email_verified_at: datetime | None = None
    phone: str | None = None
    phone_verified_at: datetime | None = None


def references(first: Sequence[str], second: TwoFactorMethod, *, is_factor: bool = True) -> tuple[str, ...]:
    """The references of both proofs, and where the second is a factor of the account, that there were several (`mfa`).

    A code that was mailed because a sign-in looked risky is none: it shows the mailbox, which resets the password too.
    """
    return tuple(dict.fromkeys((*first, REFERENCES[second], *(("mfa",) if is_factor else ()))))


def strengthened(session: Sequence[str], shown: TwoFactorMethod) -> tuple[str, ...]:
    """The references of a session in which a second factor was shown.

    In one that began with a mail alone, a code by e-mail is the same factor again.
    """
    if shown is TwoFactorMethod.EMAIL and not set(session) - {REFERENCES[TwoFactorMethod.EMAIL]}:
        return tuple(session)
    return references(session, shown)
