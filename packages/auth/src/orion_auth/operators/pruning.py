"""`orion auth prune`: what auth does every hour by itself, now."""

import asyncio

from orion_auth.operators.desk import Desk, Done
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import TABLES_PRUNED
from orion_core.exits import Exit
from orion_core.retention.debt import count_due
from orion_core.retention.policy import Policy
from orion_core.retention.task import prune_once


async def prune_tables(desk: Desk, policy: Policy, stop: asyncio.Event, *, dry_run: bool) -> Done:
    """Remove what is due and write down what went, or count it."""
    if dry_run:
        now = await desk.database.now()
        async with desk.database.autocommit() as connection:
            due = {rule.table: (await count_due(connection, rule, now)).rows for rule in policy}
        found = {table: rows for table, rows in due.items() if rows}
        return Done(_sentence(found, "due"), {"due": found, "dry_run": True})
    ended = await prune_once(desk.database, policy, stop)
    gone = {pruned.table: pruned.rows for pruned in ended.tables if pruned.rows}
    left = {pruned.table: pruned.put_off for pruned in ended.tables if pruned.put_off}
    if gone:
        circumstances = Circumstances(details={"removed": gone})
        await security_events.note_act(desk.database, TABLES_PRUNED, desk.operator, circumstances, desk.now)
    facts = {"removed": gone, "left": left, "ended": ended.ended, "dry_run": False}
    is_left = bool(left) or ended.ended != "done"
    return Done(_sentence(gone, "removed"), facts, Exit.FOUND if is_left else Exit.OK)


def _sentence(rows: dict[str, int], what: str) -> str:
    return "\n".join(f"{table}: {count} {what}" for table, count in rows.items()) or f"Nothing is {what}."
