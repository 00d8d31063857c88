"""Writing down that a mail was read, and telling it."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError

from orion_core.database import Database
from orion_notifications.engagements import store
from orion_notifications.engagements.links import Target
from orion_notifications.engagements.rules import MOST_RECORDED, EngagementKind, Seen, agent_of, machine_reason

log = structlog.get_logger()


async def allows(database: Database, user_id: UUID | None) -> bool:
    """Whether whoever gets a mail lets it be known that he reads it; where that cannot be asked, he does not."""
    if user_id is None:
        return True
    try:
        async with database.autocommit() as connection:
            return not await store.refuses(connection, user_id)
    except (SQLAlchemyError, OSError) as error:
        log.warning("engagements.not_asked", reason=type(error).__name__)
        return False


async def record(
    database: Database, target: Target, user_agent: str, *, is_head: bool = False, is_ahead: bool = False
) -> None:
    """Write down that somebody or something asked. Whoever asked has his answer already, whatever becomes of this."""
    kind = EngagementKind.CLICK if target.number else EngagementKind.OPEN
    agent = agent_of(user_agent)
    try:
        async with database.transaction() as transaction:
            connection = transaction.connection
            facts = await store.facts(connection, target.notification_id, target.number)
            if facts is None:
                return
            links = facts["others"] + (kind is EngagementKind.CLICK)
            machine = machine_reason(Seen(agent, is_head, is_ahead, facts["since_sent"], links))
            if facts["readers" if machine is None else "machines"] >= MOST_RECORDED:
                return
            whose = {"id": target.notification_id, "user_id": facts["user_id"]}
            what = {"kind": kind.name, "link": target.number, "agent": agent.name, "machine": machine}
            await store.add(connection, whose | what)
            if machine == "many_links":
                await store.correct(connection, target.notification_id, machine)
    except (SQLAlchemyError, OSError) as error:
        log.warning("engagements.not_recorded", reason=type(error).__name__)


async def of_message(database: Database, notification_id: UUID) -> Sequence[RowMapping]:
    """What was recorded of a message."""
    async with database.autocommit() as connection:
        return await store.of_message(connection, notification_id)
