"""Whether somebody who has shown a first proof comes in."""

from dataclasses import dataclass
from typing import Literal

from orion_auth.identities.rules import Standing
from orion_auth.risk.rules import Verdict

Reason = Literal["UNKNOWN_IDENTITY", "WRONG_PASSWORD", "UNVERIFIED", "LOCKED", "SUSPENDED"]

Step = Literal["ADMIT", "CHALLENGE", "BLOCK"]


@dataclass(frozen=True)
class Decision:
    """What comes of an attempt: in, or not and why. FAILED: not proved who; BLOCKED: proved, but may not come in."""

    outcome: Literal["SUCCESS", "FAILED", "BLOCKED"]
    reason: Reason | None = None


@dataclass(frozen=True)
class Proof:
    """What somebody has shown of who they are."""

    amr: tuple[str, ...]
    """Authentication method references (RFC 8176)."""
    is_multi_factor: bool = False
    """Two factors in one, such as a passkey that has verified its user."""
    is_by_email: bool = False
    """Came by e-mail, so that a code by e-mail would be the same factor again."""
    password_is_breached: bool = False
    """It was a password, and it is known from a breach."""


def decide(standing: Standing | None, proof_is_good: bool) -> Decision:
    """Decide on a first proof; `standing` is None for an identity that is not there.

    Only somebody who knows the password learns that an account is locked or suspended.
    """
    if standing is None:
        return Decision("FAILED", "UNKNOWN_IDENTITY")
    if not proof_is_good:
        return Decision("FAILED", "WRONG_PASSWORD")
    return Decision("SUCCESS") if standing == "GOOD" else Decision("BLOCKED", standing)


def next_step(
    proof: Proof,
    verdict: Verdict,
    *,
    has_second_factor: bool,
    device_is_trusted: bool,
    device_is_blocked: bool,
    can_mail_code: bool = False,
    must_enrol: bool = False,
) -> Step:
    """What follows a good first proof of an identity in good standing.

    A trusted device spares its owner the second factor, unless the attempt looks risky. Who has none is asked for a
    code that is mailed to him when the attempt looks risky; where that cannot be done, the attempt is told to him.
    Who must have a second factor and has none sets one up now, unless the attempt looks risky: whoever stole a password
    would set up his own.
    """
    if verdict == "BLOCK" or device_is_blocked:
        return "BLOCK"
    if proof.is_multi_factor:
        return "ADMIT"
    if not has_second_factor and must_enrol:
        return "CHALLENGE" if verdict == "ALLOW" else "BLOCK"
    if not has_second_factor:
        return "CHALLENGE" if verdict == "STEP_UP" and can_mail_code else "ADMIT"
    return "ADMIT" if device_is_trusted and verdict == "ALLOW" else "CHALLENGE"
