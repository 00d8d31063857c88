"""What the server did since its statistics began: cache, temporary files, checkpoints."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from orion_db.doctor.advice import mb
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

LEAST_BLOCKS = 1_000_000
"""8 GB of traffic: before that a ratio says how cold the cache was."""

GOOD_HITS = 0.95
POOR_HITS = 0.85
SPILLED_A_DAY = 1 << 30
LEAST_CHECKPOINTS = 20

_CACHE = """
SELECT 'tables' AS of, sum(heap_blks_hit) AS hit, sum(heap_blks_read) AS read FROM pg_statio_user_tables
UNION ALL
SELECT 'indexes', sum(idx_blks_hit), sum(idx_blks_read) FROM pg_statio_user_indexes
"""


def _cache(row: Row, _: Server) -> Finding | None:
    hit, total = float(row["hit"] or 0), float((row["hit"] or 0) + (row["read"] or 0))
    if total < LEAST_BLOCKS or hit / total >= GOOD_HITS:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING if hit / total < POOR_HITS else Severity.INFO,
        object=row["of"],
        what=f"{hit / total:.1%} of the blocks of {row['of']} were found in shared_buffers; {GOOD_HITS:.0%} is usual",
        numbers={"hit_ratio": round(hit / total, 4), "blocks": int(total)},
        fix=("-- look for tables that are read whole (check missing-index) first, then at shared_buffers",),
    )


_SPILLS = """
SELECT temp_files AS files, temp_bytes AS bytes, datname AS database
FROM pg_stat_database WHERE datname = current_database()
"""


def _spills(row: Row, server: Server) -> Finding | None:
    since = server.statistics_since
    if since is None or server.now - since < timedelta(hours=1):
        return None
    days = (server.now - since) / timedelta(days=1)
    a_day = float(row["bytes"]) / max(days, 1)
    if a_day < SPILLED_A_DAY:
        return None
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=row["database"],
        what=f"{mb(a_day)} a day go through {row['files']} temporary files: sorts and hashes beyond work_mem "
        f"({server.text('work_mem')} kB)",
        numbers={"bytes_a_day": round(a_day), "files": row["files"]},
        fix=("-- log_temp_files = '10MB' names the statements; give work_mem to the role or the transaction of these",),
    )


_CHECKPOINTS_UNTIL_16 = """
SELECT checkpoints_timed AS timed, checkpoints_req AS requested, stats_reset FROM pg_stat_bgwriter
"""

_CHECKPOINTS = """
SELECT num_timed AS timed, num_requested AS requested, stats_reset FROM pg_stat_checkpointer
"""


def _checkpoint_query(server: Server) -> str:
    return _CHECKPOINTS if server.version >= 170000 else _CHECKPOINTS_UNTIL_16


def _checkpoints(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    row = found[0]
    total, requested = row["timed"] + row["requested"], row["requested"]
    if total < LEAST_CHECKPOINTS or requested < total * 0.3 or row["stats_reset"] is None:
        return
    apart = (server.now - row["stats_reset"]).total_seconds() / total
    if apart > server.number("checkpoint_timeout", 300):
        return
    size = server.bytes("max_wal_size")
    yield Finding(
        check="",
        severity=Severity.WARNING,
        object="max_wal_size",
        what=f"{requested} of {total} checkpoints came because max_wal_size ({mb(size)}) was full, "
        f"one every {apart:.0f} s",
        numbers={"timed": row["timed"], "requested": requested, "seconds_apart": round(apart)},
        fix=(f"ALTER SYSTEM SET max_wal_size = '{max(size * 4, 4 << 30) >> 20}MB'", "SELECT pg_reload_conf()"),
        undo=("ALTER SYSTEM RESET max_wal_size", "SELECT pg_reload_conf()"),
    )


CHECKS = (
    Check(
        id="cache-hits",
        title="Cache is too small for what is read",
        why="What is not in shared_buffers comes from the system's cache at best, from the disk at worst.",
        todo="Take away needless reading first; then give the server more memory.",
        read=rows(_CACHE),
        judge=each(_cache),
        weight=3,
    ),
    Check(
        id="temporary-files",
        title="Sorts and hashes spill to disk",
        why="Each is several times slower than in memory, and fills the disk that the data needs.",
        todo="Find the statements by log_temp_files; an index that sorts is better than memory.",
        read=rows(_SPILLS),
        judge=each(_spills),
        weight=2,
    ),
    Check(
        id="checkpoints",
        title="Checkpoints come too often",
        why="After each, the first change of a page writes the whole page to WAL: writes double.",
        todo="Raise max_wal_size until checkpoints come by checkpoint_timeout.",
        read=rows(_checkpoint_query),
        judge=_checkpoints,
        weight=2,
    ),
)
