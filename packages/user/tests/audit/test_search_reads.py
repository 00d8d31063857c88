"""What a page of the audit trail reads: little, however long ago the latest entry is that is asked for."""

from hashlib import md5
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import event

from orion_core.database import Database
from orion_user.audit import search_store
from orion_user.audit.rules import AuditStatus, Wanted

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

# From the middle of a month to that of the next, whatever today is, so that the entries lie in partitions of their own.
# The early ones are enough for the planner to reckon with more than a page of them: where it reckons with fewer it
# reads all there are and sorts them, which is as well when it is right.
FILL = """
    INSERT INTO audit_logs (
      id, service, actor_type, actor_id, user_id, action, resource_type, resource_id, session_id, request_id, status,
      salt, commitment, leaf_hash, timestamp
    )
    SELECT
      overlay(CAST(uuidv7() AS text) PLACING substring(CAST(uuidv7_floor(moment) AS text) FOR 13) FROM 1 FOR 13)::uuid,
      'user', 'USER', md5(who)::uuid, md5(who)::uuid, who, 'role', who, md5(who)::uuid, who,
      (CASE who WHEN 'early' THEN 'DENIED' ELSE 'SUCCESS' END)::audit_status, sha256('s'), sha256('c'), sha256('l'),
      moment
    FROM generate_series(1, 8000) AS n
    CROSS JOIN LATERAL (
      SELECT
        date_trunc('month', now()) + interval '15 days' + n * interval '5 minutes',
        CASE WHEN n <= 2000 THEN 'early' ELSE 'now' END
    ) AS entry (moment, who)
"""
EARLY = UUID(md5(b"early", usedforsecurity=False).hexdigest())
ASKED = [
    Wanted(actor_id=EARLY),
    Wanted(user_id=EARLY),
    Wanted(action="early"),
    Wanted(resource_type="role", resource_id="early"),
    Wanted(session_id=EARLY),
    Wanted(request_id="early"),
    Wanted(status=AuditStatus.DENIED),
]


@pytest.fixture
async def filled(query: "Query", owner: Database) -> None:
    await query(FILL)
    async with owner.autocommit() as connection:
        await connection.exec_driver_sql("ANALYZE audit_logs")


@pytest.mark.parametrize("forwards", [False, True])
async def test_a_page_is_found_where_it_lies(filled: None, database: Database, *, forwards: bool) -> None:
    said: list[tuple[str, Any]] = []
    async with database.autocommit() as connection:
        assert connection.sync_connection is not None

        def hear(_: Any, __: Any, words: str, values: Any, *___: Any) -> None:
            said.append((words, values))

        event.listen(connection.sync_connection, "before_cursor_execute", hear)
        for wanted in ASKED:
            search = search_store.read_on if forwards else search_store.search
            first = await search(connection, wanted, None, 50)
            assert len(await search(connection, wanted, first[-1]["id"], 50)) == 50
            words, values = said[-1]
            told = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {words}", values)
            # The four weeks lie in two months, and each partition is read one entry ahead to be merged.
            assert rows_read(told.scalar_one()[0]["Plan"]) <= 51, wanted


def rows_read(plan: dict[str, Any]) -> float:
    """Entries that were looked at, shown or not."""
    below = sum(map(rows_read, plan.get("Plans", ())))
    seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + (seen * plan["Actual Loops"] if "Relation Name" in plan else 0)
