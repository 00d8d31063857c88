"""Attempts that were denied, written down so that a flood of them fills no disk and slows nobody."""

from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orion_core.database import Database
from orion_core.rights.denials import SeenDenials
from orion_user.audit import rules
from orion_user.audit.actions import Actor, Change, record

log = structlog.get_logger()


class Denials(SeenDenials):
    """Writes them into the trail that this service keeps."""

    async def write(self, database: Database, actor: Actor, attempt: Change, now: datetime) -> None:
        """Write down that somebody was denied something, unless that has just been done.

        Nothing that fails here changes the answer: who is denied is denied.
        """
        what = (attempt.resource_id, rules.canonical(rules.plain(attempt.new)))
        left_out = self.admit((actor.type, actor.id), what, now)
        if left_out is None:
            return
        new = {**attempt.new, **left_out}
        try:
            async with database.transaction() as transaction:
                await record(transaction, actor, replace(attempt, new=new, status="DENIED"), now)
        except (SQLAlchemyError, OSError) as error:
            log.warning("audit.denial_not_written", reason=type(error).__name__)
