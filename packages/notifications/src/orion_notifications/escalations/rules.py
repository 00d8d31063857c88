"""Whether a message that goes through one channel after the other has arrived, and if not, what comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

LOOK_AGAIN = timedelta(seconds=5)
"""How often a message that is still on its way is looked at; one that may come back ever less often."""
OVERDUE_SHARE = 8
"""One that is overdue, as behind a paused channel or a long queue, is looked at after this part of the time it is."""
PUT_OFF = timedelta(minutes=5)
"""How long one that could not go on is left alone."""
MOST_FAILURES = 12
"""After so many, an hour, nothing is tried any more: what failed every time will fail the next time too."""
WAITING = frozenset({"QUEUED", "PROCESSING"})
ARRIVED = frozenset({"SENT", "DELIVERED"})
DIGESTED = "digested"
"""The error code of a message that was taken back because a digest tells of it."""


class EscalationRule(Enum):
    """When it is enough."""

    FIRST = auto()
    ESCALATE = auto()


@dataclass(frozen=True)
class Standing:
    """Where one of its messages stands; `sent_at` is for one in a digest when the digest was made."""

    status: str
    sent_at: datetime | None
    due_at: datetime | None = None
    error_code: str | None = None


class Move(Enum):
    """What to do now."""

    END = auto()
    WAIT = auto()
    NEXT = auto()


@dataclass(frozen=True)
class Step:
    """What to do, and when to look again."""

    move: Move
    at: datetime | None = None


def step(
    rule: EscalationRule, last: Standing, *, is_seen: bool, has_next: bool, after: timedelta, now: datetime
) -> Step:
    """What follows from where the last message stands; `is_seen` is whether any of them was seen."""
    if is_seen:
        return Step(Move.END)
    following = Step(Move.NEXT if has_next else Move.END)
    if last.status in WAITING:
        due_at = last.due_at or now
        return Step(Move.WAIT, max(now + LOOK_AGAIN, now + (now - due_at) / OVERDUE_SHARE, due_at))
    is_in_digest = last.status == "CANCELLED" and last.error_code == DIGESTED
    if last.status == "CANCELLED" and not is_in_digest:
        return Step(Move.END)  # whoever took it back wants it told by no other way either
    if last.status not in ARRIVED and not is_in_digest:
        return following
    sent_at = last.sent_at or now
    if rule is EscalationRule.FIRST:
        return _first(last, sent_at, has_next=has_next, after=after, now=now)
    if now < sent_at + after and has_next:
        return Step(Move.WAIT, sent_at + after)
    return following


def _first(last: Standing, sent_at: datetime, *, has_next: bool, after: timedelta, now: datetime) -> Step:
    """A channel has not worked whose message comes back, as mails do seconds or minutes after they left."""
    if last.status != "SENT" or not has_next or now >= sent_at + after:
        return Step(Move.END)
    return Step(Move.WAIT, min(sent_at + after, now + max(LOOK_AGAIN, now - sent_at)))


def look_after_failure(failures: int, now: datetime) -> datetime | None:
    """When one that could not go on, so many times by now, is looked at again; None when it is given up."""
    return None if failures >= MOST_FAILURES else now + PUT_OFF


def remaining(channels: Sequence[str], tried: Mapping[str, object]) -> list[str]:
    """The channels that are left, in their order."""
    return [channel for channel in channels if channel not in tried]
