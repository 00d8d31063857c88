"""The table `schema_checkups`: what each examination of a database found, and how large its tables were then."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.doctor.finding import Finding

KEEP_DAYS = 400
"""Checkups older than that are deleted when a new one is written: a year can be compared with the year before."""

_CREATE_LOCK = int.from_bytes(b"orichk")
"""Key of the advisory lock under which the table is made: CREATE TABLE IF NOT EXISTS alone can race with itself."""


@dataclass(frozen=True)
class TableSize:
    """How large a table is, all of its partitions together."""

    bytes: int
    """With indexes and TOAST."""
    rows: int
    """As the last VACUUM or ANALYZE estimated; 0 when there was none yet."""


@dataclass(frozen=True)
class Checkup:
    """One examination, as it was written down."""

    taken_at: datetime
    taken_by: str
    """The login that asked for it."""
    score: int
    findings: tuple[dict[str, Any], ...]
    """Each as `Finding` has it: check, severity, object, what, numbers."""
    sizes: dict[str, TableSize]
    """By table name."""


async def record_checkup(
    connection: AsyncConnection, score: int, findings: Sequence[Finding], sizes: Mapping[str, TableSize]
) -> None:
    """Write a checkup down, in the transaction that the caller has begun as the owner; make the table if there is none.

    Checkups older than `KEEP_DAYS` go.
    """
    await _create_table(connection)
    await connection.execute(
        text("""
        INSERT INTO public.schema_checkups (taken_at, score, findings, sizes)
        VALUES (clock_timestamp(), :score, CAST(:findings AS jsonb), CAST(:sizes AS jsonb))
        ON CONFLICT (taken_at) DO NOTHING  -- two in the same microsecond found the same"""),
        {
            "score": score,
            "findings": json.dumps([_kept(finding) for finding in findings]),
            "sizes": json.dumps({table: asdict(size) for table, size in sizes.items()}),
        },
    )
    await connection.execute(
        text("DELETE FROM public.schema_checkups WHERE taken_at < now() - make_interval(days => :days)"),
        {"days": KEEP_DAYS},
    )


async def read_checkups(connection: AsyncConnection, limit: int = 1000) -> list[Checkup]:
    """The newest `limit` checkups, the oldest of them first; none when none was ever written."""
    exists = await connection.execute(text("SELECT to_regclass('public.schema_checkups') IS NOT NULL"))
    if not exists.scalar_one():
        return []
    rows = await connection.execute(
        text("""
        SELECT taken_at, taken_by, score, findings::text, sizes::text
        FROM public.schema_checkups
        ORDER BY taken_at DESC                        -- pk_schema_checkups
        LIMIT :limit"""),
        {"limit": limit},
    )
    return [_checkup(*row) for row in reversed(rows.all())]


async def read_sizes(connection: AsyncConnection) -> dict[str, TableSize]:
    """The sizes of all tables of ours now, partitions added to the table that they are of."""
    rows = await connection.execute(_SIZES)
    return {name: TableSize(int(size), int(count)) for name, size, count in rows}


def _kept(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "object": finding.object,
        "what": finding.what,
        "numbers": finding.numbers,
    }


def _checkup(taken_at: datetime, taken_by: str, score: int, findings: str, sizes: str) -> Checkup:
    return Checkup(
        taken_at,
        taken_by,
        score,
        tuple(json.loads(findings)),
        {table: TableSize(size["bytes"], size["rows"]) for table, size in json.loads(sizes).items()},
    )


async def _create_table(connection: AsyncConnection) -> None:
    exists = await connection.execute(text("SELECT to_regclass('public.schema_checkups') IS NOT NULL"))
    if exists.scalar_one():
        return
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
    await connection.execute(
        text("""
        CREATE TABLE IF NOT EXISTS public.schema_checkups (
          taken_at timestamptz CONSTRAINT pk_schema_checkups PRIMARY KEY,
          taken_by varchar(63) NOT NULL DEFAULT session_user,
          score smallint NOT NULL CONSTRAINT ck_schema_checkups_score CHECK (score BETWEEN 0 AND 100),
          findings jsonb NOT NULL,
          sizes jsonb NOT NULL
        )""")
    )
    await connection.execute(
        text("COMMENT ON TABLE public.schema_checkups IS 'What orion db doctor found, over time; kept by orion db'")
    )


_SIZES = text("""
SELECT
  whole.name,
  coalesce(sum(pg_total_relation_size(leaf.oid)), 0)::bigint,
  sum(greatest(leaf.reltuples, 0))::bigint
FROM pg_class AS leaf
JOIN pg_namespace AS n ON n.oid = leaf.relnamespace
CROSS JOIN LATERAL (
  SELECT coalesce(pg_partition_root(leaf.oid), leaf.oid)::regclass::text AS name
) AS whole
WHERE leaf.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY 1
ORDER BY 1
""")
