"""How much of each channel a worker takes: a lane for each, so that a slow provider holds up nobody but itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orion_notifications.delivery.lease_store import LATEST_COMMIT, Ask
from orion_notifications.delivery.messages import Claimed
from orion_notifications.kinds import Channel, Priority

LARGEST_BATCH = 500
"""Of a channel that waits for nobody. Twice as many are no faster, and hold up other channels twice as long."""
SMALLEST_BATCH = 10
BATCH_SECONDS = 0.25
"""How long such a batch may keep the worker from looking for something more urgent."""
AGED_SHARE = 8
"""Every so many-th place goes to what has waited longest, of NORMAL and of LOW each."""


@dataclass
class Lane:
    """What a worker has in hand of one channel, and what more it may take."""

    channel: Channel
    slots: int
    reserved: int = 0
    """Of the slots, those for URGENT alone."""
    is_at_once: bool = False
    is_dead: bool = False
    """Nothing is set up to send by it."""
    in_hand: int = 0
    ordinary_in_hand: int = 0
    more_urgent: bool = False
    more_ordinary: bool = False
    """The last claim took all that it had asked for: there may be more."""
    turn: int = 0
    since: dict[Priority, datetime] = field(default_factory=dict[Priority, datetime])

    @property
    def room(self) -> int:
        """Free slots."""
        return self.slots - self.in_hand

    @property
    def ordinary_room(self) -> int:
        """Free slots that need not be kept for URGENT."""
        return max(0, min(self.room, self.slots - self.reserved - self.ordinary_in_hand))

    @property
    def is_worth_a_claim(self) -> bool:
        """Whether it is time to ask for more: small claims cost as much as large ones."""
        is_enough = self.ordinary_room >= max(1, self.slots // 4)
        return (self.more_ordinary and is_enough) or (self.more_urgent and self.room > 0)

    def ask(self, *, everything: bool) -> Ask | None:
        """What to claim; with `everything` from the oldest on, and not from where the last claim began.

        Places for what has waited longest are kept from URGENT too, or a flood of that would starve all others; where
        there are too few to share, in every `AGED_SHARE`th claim.
        """
        if self.room <= 0:
            return None
        self.turn += 1
        ordinary = self.ordinary_room
        aged = ordinary // AGED_SHARE or int(ordinary > 0 and self.turn % AGED_SHARE == 0)
        urgent = max(0, self.room - 2 * aged)
        return Ask(self.channel, self.room, urgent, ordinary, aged, {} if everything else self.since)

    def take(self, asked: Ask, claimed: Sequence[Claimed]) -> None:
        """Note what a claim has brought."""
        urgent = sum(each.priority is Priority.URGENT for each in claimed)
        self.more_urgent = urgent >= asked.urgent
        if asked.ordinary:
            self.more_ordinary = len(claimed) - urgent >= asked.ordinary or len(claimed) >= asked.room
        self.in_hand += len(claimed)
        for priority in Priority:
            due = [each.due_at for each in claimed if each.priority is priority]
            if due:
                self.since[priority] = min(due) - LATEST_COMMIT
                if priority is not Priority.URGENT:
                    self.ordinary_in_hand += len(due)

    def release(self, claimed: Claimed) -> None:
        """Note that one is done with."""
        self.in_hand -= 1
        self.ordinary_in_hand -= claimed.priority is not Priority.URGENT

    def size(self, messages: int, seconds: float) -> None:
        """Take as many at once as take no longer than `BATCH_SECONDS`, going by what the last batch took."""
        fitting = int(BATCH_SECONDS / (seconds / messages)) if seconds > 0 else LARGEST_BATCH
        self.slots = max(SMALLEST_BATCH, min(LARGEST_BATCH, fitting, self.slots * 2))
