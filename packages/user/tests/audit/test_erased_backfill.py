"""The backfill of 0026: every erased entry says when, and the trail is gone over once, in however many batches."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from orion_core.database import Database
from orion_db.revisions import read_revisions
from orion_user.service import service

if TYPE_CHECKING:
    from packages.user.tests.conftest import Query

[REVISION] = [found for found in read_revisions(Path(service.migrations)) if found.name == "0026_audit_erased"]
BACKFILL = (REVISION.backfill or "").replace("OFFSET 4999", "OFFSET 49")
"""In ranges of fifty, so that few entries make many of them."""

FILL = """
    INSERT INTO audit_logs (
      id, service, actor_type, action, resource_type, status, salt, commitment, leaf_hash, erased_at
    )
    SELECT
      uuidv7_floor(now() + n * interval '30 minutes'), 'user', 'SYSTEM', 'a.b', 'x', 'SUCCESS',
      CASE WHEN n % :every <> 0 THEN sha256('s') END, sha256('c'), sha256('l'),
      CASE WHEN n % :every = 0 THEN now() - interval '1 hour' END
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
LEFT = "SELECT count(*) FROM audit_logs WHERE erased_at IS NOT NULL AND updated_at <> erased_at"


async def gone_over(owner: Database) -> tuple[int, int]:
    """Batch after batch in one session, as a deploy does: how many found something, and how many pages were read."""
    batches = pages = 0
    async with owner.autocommit() as connection:
        await connection.exec_driver_sql("ANALYZE audit_logs")
        await connection.exec_driver_sql("SET enable_seqscan = off")  # as the planner decides of many entries
        left = (await connection.exec_driver_sql(LEFT)).scalar_one()
        while True:
            told = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {BACKFILL}")
            plan = json.loads(json.dumps(told.scalar_one()))[0]["Plan"]
            pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            before, left = left, (await connection.exec_driver_sql(LEFT)).scalar_one()
            if before == left:
                return batches, pages
            batches += 1


async def test_four_times_the_trail_is_four_times_the_work(query: "Query", owner: Database) -> None:
    await query(FILL, first=1, last=1_000, every=10)
    batches, pages = await gone_over(owner)
    assert (batches, await query(LEFT)) == (20, [(0,)])
    assert (await gone_over(owner))[0] == 0, "another session finds nothing either"
    await query(FILL, first=1_001, last=5_000, every=10)
    more, more_pages = await gone_over(owner)
    assert (more, await query(LEFT)) == (80, [(0,)])
    assert more_pages < 8 * pages, "were each batch to go over all before it, it would be twenty times"


async def test_what_lies_far_apart_is_found_whatever_its_id(query: "Query", owner: Database) -> None:
    await query(FILL, first=1, last=3_000, every=1_499)
    for id_ in ("00000000-0000-0000-0000-000000000001", "ffffffff-ffff-4fff-bfff-ffffffffffff"):
        await query(
            """
            INSERT INTO audit_logs (
              id, service, actor_type, action, resource_type, status, commitment, leaf_hash, erased_at
            )
            VALUES (CAST(:id AS uuid), 'user', 'SYSTEM', 'a.b', 'x', 'SUCCESS', sha256('c'), sha256('l'), '2026-01-01')
            """,
            id=id_,
        )
    assert (await gone_over(owner))[0] == 4
    assert await query(LEFT) == [(0,)]
