"""What is told to somebody who still lacks a second factor."""

from datetime import datetime
from typing import Literal

from pydantic import Field, StrictBool

from orion_core.http.shapes import RequestShape, ResponseShape

Method = Literal["TOTP", "SMS", "EMAIL", "HARDWARE_KEY", "BACKUP_CODE"]


class SecondFactorNeeded(ResponseShape):
    """The first proof was good, and a second factor is needed before the session begins."""

    challenge: str
    """Names the half-finished sign-in; a secret of whoever began it."""
    methods: list[Method]
    """Any one of these will do; the one that its owner prefers comes first."""
    expires_in: int
    """Seconds until it has to be begun anew."""
    must_enrol: bool = False
    """A second factor is required and there is none: POST /auth/v1/challenges/enrolments gives an app to set up, whose
    first code begins the session, and /auth/v1/challenges/passkey-enrolments takes a key."""


class VerifiedMethod(ResponseShape):
    """A method that was shown when it was set up."""

    method: Method
    verified_at: datetime


class TwoFactorState(ResponseShape):
    """The second factors of the caller."""

    is_enabled: bool
    is_required: bool
    """Whether the account must have one."""
    primary_method: Method | None
    """Asked for first."""
    methods: list[VerifiedMethod]
    phone: str | None
    """Where codes are sent to."""
    backup_codes_left: int
    backup_codes_made_at: datetime | None


class TotpSetUp(ResponseShape):
    """A secret for an authenticator app, shown this once."""

    secret: str
    """In base32, for typing."""
    uri: str
    """`otpauth://totp/…`, what the QR code says."""
    qr_svg: str
    """The QR code as an SVG element."""


class Phone(RequestShape):
    """A phone to send codes to."""

    phone: str = Field(min_length=4, max_length=40, examples=["+47 912 34 567"])


class CodeOnItsWay(ResponseShape):
    """A code was sent."""

    detail: str


class SmsCodeOnItsWay(CodeOnItsWay):
    """A code was sent by SMS, which is the weakest way there is."""

    warning: str
    """What to tell the user before he relies on it (OWASP ASVS 5.0, 6.6.1)."""


class Confirmation(RequestShape):
    """The code of a method that is being set up."""

    method: Literal["TOTP", "SMS", "EMAIL"]
    code: str = Field(min_length=1, max_length=32, repr=False, examples=["042317"])


class PrimaryMethod(RequestShape):
    """The method to be asked for first."""

    method: Literal["TOTP", "SMS", "EMAIL", "HARDWARE_KEY"]


class BackupCodes(ResponseShape):
    """Codes for when no other method is at hand, each good once. They are shown this once."""

    codes: list[str]


class Requirement(RequestShape):
    """Whether one user must have a second factor."""

    is_required: StrictBool
