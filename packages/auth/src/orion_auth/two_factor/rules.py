"""Which second factors somebody may be asked for, and what makes one of them good."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pyotp.totp import TOTP

from orion_auth.two_factor_methods import FactorPolicy, TwoFactorMethod

CHALLENGE_LIFETIME = timedelta(minutes=10)
"""Of a half-finished sign-in and of the codes sent for it (OWASP ASVS 5.0, 6.5.5: at most ten minutes)."""

CODES_PER_CHALLENGE = 3
"""Codes sent out for one half-finished sign-in."""

TOTP_PERIOD = 30
"""Seconds of a time step (RFC 6238 §4.1)."""

SENT = frozenset({TwoFactorMethod.SMS, TwoFactorMethod.EMAIL})
"""What a code is sent out for."""

BACKUP_CODES = 10
"""Made at once."""

BACKUP_CODE_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
BACKUP_CODE_LENGTH = 24
"""Letters that are not mistaken for each other. 118 bits, so that what is kept needs no slow hash (ASVS 5.0, 6.5.2: 112
at least): a slow one would have to be made for each code that is left, with every try."""

_STRONGEST = (TwoFactorMethod.HARDWARE_KEY, TwoFactorMethod.TOTP, TwoFactorMethod.SMS, TwoFactorMethod.EMAIL)


@dataclass(frozen=True)
class Enrolled:
    """What somebody has as second factors."""

    is_enabled: bool = False
    verified: frozenset[TwoFactorMethod] = frozenset()
    """Those that he has shown once; backup codes are counted apart."""
    primary: TwoFactorMethod | None = None
    backup_codes: int = 0
    """How many are left."""
    is_required: bool = False
    """Whether this user must have one, or wants to be asked for one."""


def offered(enrolled: Enrolled, policy: FactorPolicy, *, is_by_email: bool) -> tuple[TwoFactorMethod, ...]:
    """What somebody may be asked for after a first proof, his own preference first.

    After a proof that came by e-mail, a code by e-mail would be the same factor again. What the policy has forbidden
    since it was enrolled is asked for only where nothing else is left: a weak second factor is better than none.
    """
    if not enrolled.is_enabled:
        return ()
    fit = enrolled.verified - {TwoFactorMethod.EMAIL} if is_by_email else enrolled.verified
    methods = sorted(fit & policy.allowed or fit, key=lambda method: (method != enrolled.primary, method.value))
    return (*methods, TwoFactorMethod.BACKUP_CODE) if enrolled.backup_codes else tuple(methods)


def must_enrol(enrolled: Enrolled, policy: FactorPolicy) -> bool:
    """Whether somebody must have a second factor and has none that the policy allows."""
    has_one = enrolled.is_enabled and bool(enrolled.verified & policy.allowed)
    return (policy.is_required or enrolled.is_required) and not has_one


def enrollable(policy: FactorPolicy) -> tuple[TwoFactorMethod, ...]:
    """What somebody may set up in the middle of a sign-in who must have a second factor and has none."""
    methods = (TwoFactorMethod.TOTP, TwoFactorMethod.HARDWARE_KEY)
    return tuple(method for method in methods if method in policy.allowed) or (TwoFactorMethod.TOTP,)


def still_counts(method: TwoFactorMethod, enrolled: Enrolled, *, must_enrol: bool) -> bool:
    """Whether what was offered when a sign-in began may finish it now that the user has `enrolled`.

    One that was set up meanwhile is not replaced by whoever was to set one up; nor does a code finish it that was sent
    by a way which was taken off the account, or because there was no second factor yet.
    """
    if must_enrol:
        return not enrolled.is_enabled
    return not enrolled.is_enabled or method not in SENT or method in enrolled.verified


def may_remove(enrolled: Enrolled, method: TwoFactorMethod, policy: FactorPolicy) -> bool:
    """Whether somebody can do without a method: what is required must be left by another one."""
    return not must_enrol(replace(enrolled, verified=enrolled.verified - {method}), policy)


def next_primary(enrolled: Enrolled, removed: TwoFactorMethod) -> TwoFactorMethod | None:
    """The primary method once one is removed; None when it was the last."""
    left = enrolled.verified - {removed}
    return enrolled.primary if enrolled.primary in left else strongest(left)


def strongest(methods: Collection[TwoFactorMethod]) -> TwoFactorMethod | None:
    """The one that is asked for first where nobody has said which; None where there is none."""
    return min(methods, key=_STRONGEST.index, default=None)


def normalise_backup_code(text: str) -> str:
    """A backup code as it is hashed, however it was typed."""
    return "".join(filter(str.isalnum, text.lower()))


def spoken_backup_code(letters: str) -> str:
    """A backup code as it is shown."""
    return "-".join(letters[start : start + 6] for start in range(0, len(letters), 6))


def matching_step(secret: str, code: str, now: datetime, last_step: int | None, drift: int) -> int | None:
    """The time step that `code` belongs to, when the clock allows it and no such step was accepted before.

    `drift` is how many steps the clock may be apart, either way (RFC 6238 §5.2).
    """
    otp = TOTP(secret)
    present = int(now.timestamp()) // TOTP_PERIOD
    steps = range(present - drift, present + drift + 1)
    right = [step for step in steps if hmac.compare_digest(otp.generate_otp(step).encode(), code.encode())]
    return max((step for step in right if last_step is None or step > last_step), default=None)
