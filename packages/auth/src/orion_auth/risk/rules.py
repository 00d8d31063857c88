"""From signals to a score with its reasons, and from the score to what is to be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

HIGHEST = 100

Verdict = Literal["ALLOW", "STEP_UP", "BLOCK"]


@dataclass(frozen=True)
class Signals:
    """What is known of an attempt whose first proof was good."""

    is_new_device: bool
    has_signed_in_before: bool


@dataclass(frozen=True)
class Reason:
    """One signal that spoke against the attempt."""

    signal: str
    weight: int
    detail: str
    """In plain words, for the user and for the administrator."""


@dataclass(frozen=True)
class Policy:
    """At which scores something happens."""

    step_up_at: int = 50
    block_at: int = 90


@dataclass(frozen=True)
class Assessment:
    """How unlike its owner an attempt is."""

    score: int
    reasons: Sequence[Reason]
    verdict: Verdict


def assess(signals: Signals, policy: Policy) -> Assessment:
    """Add up what speaks against the attempt."""
    reasons: list[Reason] = []
    if signals.is_new_device and signals.has_signed_in_before:
        reasons.append(Reason("new_device", 20, "This device has not been used with the account before."))
    score = min(HIGHEST, sum(reason.weight for reason in reasons))
    return Assessment(score, reasons, verdict(score, policy))


def verdict(score: int, policy: Policy) -> Verdict:
    """What a score means under a policy."""
    if score >= policy.block_at:
        return "BLOCK"
    return "STEP_UP" if score >= policy.step_up_at else "ALLOW"
