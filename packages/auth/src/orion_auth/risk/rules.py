"""From signals to a score with its reasons, and from the score to what is to be done.

A score is the sum of the weights of what speaks against an attempt, at most 100. Signals are what was known then; they
are kept with the attempt, so that another policy can be tried on it later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Literal

from orion_auth.location import Location

HIGHEST = 100

Verdict = Literal["ALLOW", "STEP_UP", "BLOCK"]

FASTEST = 900.0
"""Kilometres an hour: an airliner. Whoever was faster was not in both places."""
EARTH_RADIUS = 6371.0
LONG_ABSENCE = timedelta(days=90)
MANY_ATTEMPTS = 20
"""From one address in one minute."""
MANY_FAILURES_OF_ACCOUNT = 5
MANY_FAILURES_FROM_ADDRESS = 10
MANY_ACCOUNTS = 10
"""In one hour, each of the three."""
ENOUGH_HISTORY = 10
"""Sign-ins from which on somebody has hours of his own."""
RARE = 0.02
"""Share of a user's sign-ins within two hours of this one; below it the hour is unusual."""
HOURS_AROUND = 2

DEFAULT_WEIGHTS: Mapping[str, int] = {
    "blocked_device": 100,
    "impossible_travel": 50,
    "breached_password": 40,
    "anonymising_network": 25,
    "changed_device": 25,
    "new_country": 25,
    "account_failures": 20,
    "address_failures": 20,
    "new_device": 20,
    "shared_address": 20,
    "velocity": 20,
    "long_absence": 10,
    "unusual_hour": 10,
}
"""Every signal, and what it weighs unless an administrator says otherwise."""

STRANGERS_DOING = frozenset({"account_failures", "address_failures", "shared_address", "velocity"})
"""Signals that somebody else can bring about: by wrong passwords, and from a network that both are in."""


@dataclass(frozen=True)
class Signals:
    """What is known of an attempt whose first proof was good."""

    has_signed_in_before: bool
    is_new_device: bool
    device_has_changed: bool = False
    device_is_blocked: bool = False
    is_new_country: bool = False
    speed: float | None = None
    """Kilometres an hour since the last sign-in, at least; None when a place is unknown."""
    attempts_from_address: int = 0
    failures_of_account: int = 0
    failures_from_address: int = 0
    other_accounts_from_address: int = 0
    share_of_hour: float | None = None
    """Of the user's earlier sign-ins, those within two hours of this one; None when there are too few to tell."""
    days_away: int = 0
    password_is_breached: bool = False
    network_is_anonymising: bool = False


@dataclass(frozen=True)
class Reason:
    """One signal that spoke against the attempt."""

    signal: str
    weight: int
    detail: str
    """In plain words, for the user and for the administrator; tells nothing of others."""


@dataclass(frozen=True)
class Policy:
    """What each signal weighs, and at which scores something happens."""

    step_up_at: int = 50
    block_at: int = 90
    weights: Mapping[str, int] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    version: int = 0
    """Of the row it was read from; 0 for the one in the code."""


@dataclass(frozen=True)
class Assessment:
    """How unlike its owner an attempt is."""

    score: int
    reasons: Sequence[Reason]
    verdict: Verdict
    signals: Signals | None = None
    policy_version: int = 0

    @property
    def is_by_new_device(self) -> bool:
        """Whether somebody who has signed in before comes from a device that is new, whatever that weighs."""
        if self.signals is None:
            return any(reason.signal == "new_device" for reason in self.reasons)
        return self.signals.has_signed_in_before and self.signals.is_new_device


def assess(signals: Signals, policy: Policy) -> Assessment:
    """Add up what speaks against the attempt.

    On a device of the owner's, what strangers do is a reason to ask for more and none to stop him: they could shut him
    out.
    """
    details = _details(signals)
    reasons = [
        Reason(signal, policy.weights[signal], details[signal])
        for signal in DEFAULT_WEIGHTS
        if signal in details and policy.weights.get(signal, 0) > 0
    ]
    score = min(HIGHEST, sum(reason.weight for reason in reasons))
    found = verdict(score, policy)
    if found == "BLOCK" and not signals.is_new_device and not signals.device_has_changed:
        own = sum(reason.weight for reason in reasons if reason.signal not in STRANGERS_DOING)
        found = "BLOCK" if own >= policy.block_at else "STEP_UP"
    return Assessment(score, reasons, found, signals, policy.version)


def verdict(score: int, policy: Policy) -> Verdict:
    """What a score means under a policy."""
    if score >= policy.block_at:
        return "BLOCK"
    return "STEP_UP" if score >= policy.step_up_at else "ALLOW"


def _details(signals: Signals) -> dict[str, str]:
    """What speaks against an attempt, in plain words."""
    back = signals.has_signed_in_before
    return {
        signal: detail
        for signal, speaks, detail in (
            ("blocked_device", signals.device_is_blocked, "The owner has blocked this device."),
            (
                "impossible_travel",
                signals.speed is not None and signals.speed > FASTEST,
                "The last sign-in was so far away that nobody could have travelled here since.",
            ),
            ("breached_password", signals.password_is_breached, "The password is known from a breach elsewhere."),
            ("anonymising_network", signals.network_is_anonymising, "The address belongs to an anonymising network."),
            ("changed_device", signals.device_has_changed, "The device looks like another one than before."),
            ("new_country", back and signals.is_new_country, "The account has not been used in this country before."),
            (
                "account_failures",
                signals.failures_of_account >= MANY_FAILURES_OF_ACCOUNT,
                "Wrong passwords were tried for the account shortly before.",
            ),
            (
                "address_failures",
                signals.failures_from_address >= MANY_FAILURES_FROM_ADDRESS,
                "Many sign-ins from this address failed shortly before.",
            ),
            (
                "new_device",
                back and signals.is_new_device,
                "This device has not been used with the account before.",
            ),
            (
                "shared_address",
                signals.other_accounts_from_address >= MANY_ACCOUNTS,
                "Many accounts were tried from this address shortly before.",
            ),
            (
                "velocity",
                signals.attempts_from_address >= MANY_ATTEMPTS,
                "Sign-ins come from this address faster than people type.",
            ),
            (
                "long_absence",
                signals.days_away >= LONG_ABSENCE.days,
                "The account had not been used for a long time.",
            ),
            (
                "unusual_hour",
                signals.share_of_hour is not None and signals.share_of_hour < RARE,
                "The account is hardly ever used at this hour.",
            ),
        )
        if speaks
    }


def distance(one: Location, other: Location) -> float:
    """Kilometres between two points along the surface of a round Earth (haversine)."""
    a, b = radians(one.latitude), radians(other.latitude)
    half = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half)))


def slowest_speed(one: Location, at: datetime, other: Location, now: datetime) -> float:
    """Kilometres an hour that it took at least: each place may be off by its accuracy.

    At the same moment it is as fast as within a second.
    """
    apart = max(0.0, distance(one, other) - one.accuracy - other.accuracy)
    return apart / (max(1.0, (now - at).total_seconds()) / 3600)


def share_of_hour(hours: Mapping[int, int], hour: int) -> float | None:
    """The share of sign-ins within two hours of `hour`, on the circle of the day: 23 is next to 0 (UTC)."""
    total = sum(hours.values())
    if total < ENOUGH_HISTORY:
        return None
    near = sum(count for at, count in hours.items() if min((at - hour) % 24, (hour - at) % 24) <= HOURS_AROUND)
    return near / total
