"""DETACH PARTITION … CONCURRENTLY, which can be cut off between its two transactions and is then to be finalized.

PostgreSQL documentation, ALTER TABLE: a detach that was cut off leaves the partition "pending detach", and neither the
same statement nor another such one on the table runs until FINALIZE has.
"""

import re

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.deployment.index_statements import QUALIFIED, without_comments

_DETACH = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?P<table>{QUALIFIED})\s+DETACH\s+PARTITION\s+(?P<partition>{QUALIFIED})"
    r"\s+CONCURRENTLY",
    re.IGNORECASE,
)

_STATE = text("""
SELECT to_regclass(:partition) IS NOT NULL AS exists, bool_or(inhdetachpending) AS pending
FROM pg_inherits WHERE inhrelid = to_regclass(:partition) AND inhparent = to_regclass(:table)
""")


async def statement_left(connection: AsyncConnection, statement: str) -> str | None:
    """What is left to run of the statement: itself, FINALIZE of a detach that was cut off, or nothing of a done one."""
    match = _DETACH.fullmatch(without_comments(statement))
    if match is None:
        return statement
    found = (await connection.execute(_STATE, match.groupdict())).one()
    if found.pending:
        return f"ALTER TABLE {match['table']} DETACH PARTITION {match['partition']} FINALIZE"
    return None if found.exists and found.pending is None else statement
