"""Attempts that were denied, written down so that a flood of them fills no disk and slows nobody."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.database import Database
from orion_user.audit.actions import Actor, Change, record

WINDOW = timedelta(minutes=1)
"""The same attempt is written down once in it; how often it came meanwhile stands in the next entry."""
MOST_IN_A_WINDOW = 300
"""Entries of all attempts together, of one process."""
MOST_KNOWN = 10_000
"""Attempts that are told apart; whoever makes up more is not remembered longer."""

log = structlog.get_logger()


@dataclass
class _Seen:
    written_at: datetime
    left_out: int = 0


class Denials:
    """What one process has written down lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()
        self._window_began: datetime | None = None
        self._written = 0

    async def write(self, database: Database, actor: Actor, permission: str, where: str | None, now: datetime) -> None:
        """Write down that somebody was denied a permission, unless that has just been done.

        Nothing that fails here changes the answer: who is denied is denied.
        """
        left_out = self.admit((actor.type, actor.id, permission, where), now)
        if left_out is None:
            return
        new = {"permission": permission, "where": where} | ({"left_out": left_out} if left_out else {})
        change = Change("access.denied", "permission", permission, user_id=None, new=new, status="DENIED")
        try:
            async with database.transaction() as transaction:
                await record(transaction, actor, change, now)
        except (SQLAlchemyError, OSError) as error:
            log.warning("audit.denial_not_written", reason=type(error).__name__)

    def admit(self, attempt: Hashable, now: datetime) -> int | None:
        """How often the attempt was left out since it was written last; None to leave it out now."""
        seen = self._seen.get(attempt)
        if seen is not None and now < seen.written_at + WINDOW:
            seen.left_out += 1
            return None
        if self._window_began is None or now >= self._window_began + WINDOW:
            self._window_began, self._written = now, 0
        if self._written >= MOST_IN_A_WINDOW:
            return None
        self._written += 1
        self._seen[attempt] = _Seen(now)
        self._seen.move_to_end(attempt)
        if len(self._seen) > MOST_KNOWN:
            self._seen.popitem(last=False)
        return 0 if seen is None else seen.left_out
