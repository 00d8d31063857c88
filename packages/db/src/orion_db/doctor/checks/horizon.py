"""What keeps dead rows from being removed: the oldest xmin, and whoever holds it."""

from datetime import datetime, timedelta

from orion_db.doctor.advice import literal, mb, span
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server

OLD_TRANSACTIONS = 100_000
"""So many transactions were begun since: that many dead rows at least cannot be removed in a busy database."""

PREPARED = timedelta(minutes=5)
RETAINED_BYTES = 64 << 20

_HOLDERS = """
SELECT 'session' AS kind, pid::text AS name, application_name AS who, age(backend_xmin) AS age
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
  AND backend_type <> 'walsender'
UNION ALL
SELECT 'slot', slot_name, coalesce(database, 'a replica'), greatest(age(xmin), age(catalog_xmin))
FROM pg_replication_slots
WHERE coalesce(xmin, catalog_xmin) IS NOT NULL AND (database IS NULL OR database = current_database())
UNION ALL
SELECT 'prepared transaction', gid, owner, age(transaction)
FROM pg_prepared_xacts
WHERE database = current_database()
UNION ALL
SELECT 'replica', pid::text, application_name, age(backend_xmin)
FROM pg_stat_replication
WHERE backend_xmin IS NOT NULL
ORDER BY age DESC
"""

_FIXES = {
    "session": "SELECT pg_terminate_backend({name})",
    "slot": "SELECT pg_drop_replication_slot({literal})",
    "prepared transaction": "ROLLBACK PREPARED {literal}",
    "replica": "-- on the replica: end its long query, or ALTER SYSTEM SET hot_standby_feedback = off",
}


def _holder(row: Row, server: Server) -> Finding | None:
    if row["age"] < OLD_TRANSACTIONS:
        return None
    limit = server.number("autovacuum_freeze_max_age", 200_000_000)
    return Finding(
        check="",
        severity=Severity.CRITICAL if row["age"] >= limit / 2 else Severity.WARNING,
        object=f"{row['kind']} {row['name']}",
        what=f"{row['kind']} {row['name']} ({row['who'] or 'no name'}) holds an xmin {row['age']} transactions old",
        numbers={"age": row["age"]},
        fix=(_FIXES[row["kind"]].format(name=row["name"], literal=literal(row["name"])),),
    )


_PREPARED = """
SELECT gid AS name, owner, prepared AS prepared_at
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY prepared
"""


def _prepared(row: Row, server: Server) -> Finding | None:
    prepared_at: datetime = row["prepared_at"]
    age = server.now - prepared_at
    if age < PREPARED:
        return None
    return Finding(
        check="",
        severity=Severity.CRITICAL if age >= timedelta(hours=1) else Severity.WARNING,
        object=row["name"],
        what=f"prepared by {row['owner']} {span(age)} ago, and neither committed nor rolled back since",
        numbers={"seconds": int(age.total_seconds())},
        fix=("-- or COMMIT PREPARED, as its transaction manager knows", f"ROLLBACK PREPARED {literal(row['name'])}"),
    )


_SLOTS = """
SELECT
  slot_name AS name, slot_type AS type, wal_status,
  pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn
  )::bigint AS retained
FROM pg_replication_slots
WHERE NOT active AND NOT temporary AND (database IS NULL OR database = current_database())
ORDER BY 1
"""


def _slot(row: Row, server: Server) -> Finding | None:
    retained = row["retained"] or 0
    if row["wal_status"] != "lost" and retained < RETAINED_BYTES:
        return None
    most = server.bytes("max_slot_wal_keep_size") if server.number("max_slot_wal_keep_size", -1) >= 0 else None
    return Finding(
        check="",
        severity=Severity.WARNING if most is not None else Severity.CRITICAL,
        object=row["name"],
        what=f"nobody reads this {row['type']} slot, and {mb(retained)} of WAL are kept for it; "
        + (f"at most {mb(most)} will be" if most is not None else "nothing limits that but the disk"),
        numbers={"retained_bytes": retained},
        fix=(f"SELECT pg_drop_replication_slot({literal(row['name'])})",),
    )


CHECKS = (
    Check(
        id="xmin-held",
        title="Somebody keeps VACUUM from removing dead rows",
        why="Rows that died after the oldest xmin stay, however often they are vacuumed; queues suffer first.",
        todo="End who holds it: the finding names it.",
        read=rows(_HOLDERS),
        judge=each(_holder),
        weight=5,
    ),
    Check(
        id="prepared-transaction",
        title="Forgotten prepared transaction",
        why="It holds its locks and keeps VACUUM back, over restarts too, until somebody decides.",
        todo="Ask the transaction manager; Orion prepares none.",
        read=rows(_PREPARED),
        judge=each(_prepared),
        weight=6,
    ),
    Check(
        id="inactive-slot",
        title="Replication slot that nobody reads",
        why="The server keeps all WAL since the slot's last reader left, until the disk is full and it stops.",
        todo="Start its reader again or drop it; set max_slot_wal_keep_size.",
        read=rows(_SLOTS),
        judge=each(_slot),
        weight=6,
    ),
)
