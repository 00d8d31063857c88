"""What should be there and is not (a backup), and what should be gone and is not (rows past their retention)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.retention.debt import count_due
from orion_core.retention.declarations import Months
from orion_core.retention.policy import in_words, read_policy
from orion_db.backups import read_backups
from orion_db.doctor.advice import span
from orion_db.doctor.check import Check, Row, each
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.errors import Exit, Problem

DEBT_AGE = timedelta(days=1)
"""Services prune hourly: what is due for longer is nobody's."""

COUNTED = 10_000
BACKUP_AGE = timedelta(days=2)


async def _debts(connection: AsyncConnection, server: Server) -> Sequence[Row]:
    service = server.target.service
    try:
        policy = read_policy(service.metadata, server.outside.retention)
    except (KeyError, ValueError) as error:  # tables that declare nothing; a setting that prune explains
        if isinstance(error, KeyError):
            return ()
        raise Problem("retention_unreadable", Exit.USAGE, f"{service.retention_variable} is wrong: {error}.") from None
    rows: list[Row] = []
    for due in policy:
        debt = await count_due(connection, due, server.now - DEBT_AGE, limit=COUNTED)
        months = isinstance(due.rule, Months)
        rows.append(
            {
                "table": debt.table,
                "rows": debt.rows,
                "oldest": debt.oldest,
                "keep": due.keep,
                "months": months,
                "referenced": bool(due.referrers),
            }
        )
    return rows


def _debt(row: Row, server: Server) -> Finding | None:
    if not row["rows"]:
        return None
    count = f"{row['rows']}" if row["rows"] < COUNTED else f"more than {COUNTED}"
    since: datetime | None = row["oldest"]
    oldest = f", the oldest of {since:%Y-%m-%d}" if since else ""
    return Finding(
        check="",
        # A month goes as a whole, and not while others refer to it: that is no neglect.
        severity=Severity.INFO if row["referenced"] else Severity.WARNING,
        object=row["table"],
        table=row["table"],
        what=f"{count} rows are kept beyond {in_words(row['keep'])}{oldest}",
        numbers={"rows": row["rows"]},
        fix=(f"-- orion db prune {server.target.service.name}",),
    )


async def _backups(_: AsyncConnection, server: Server) -> Sequence[Row]:
    vault = server.outside.vault
    if vault is None:
        return ()
    found = await asyncio.to_thread(read_backups, vault, server.target.database)
    proved = [backup for backup in found if backup.verified is not None and backup.verified.ok]
    newest, newest_proved = (max((backup.at for backup in of), default=None) for of in (found, proved))
    return [{"folder": str(vault.folder), "newest": newest, "proved": newest_proved}]


def _backup(row: Row, server: Server) -> Finding | None:
    newest, proved = row["newest"], row["proved"]
    service, database = server.target.service.name, server.target.database
    if proved is not None and server.now - proved <= BACKUP_AGE:
        return None
    if newest is None:
        what, fix = f"there is no backup in {row['folder']}", f"-- orion db backup {service}"
    elif server.now - newest > BACKUP_AGE:
        what, fix = f"the newest backup is {span(server.now - newest)} old", f"-- orion db backup {service}"
    else:
        what, fix = "the newest backups were never proved to be restorable", f"-- orion db backup verify {service}"
    return Finding(
        check="",
        severity=server.in_production(Severity.CRITICAL),
        object=database,
        what=what,
        numbers={"newest": newest.isoformat() if newest else None, "proved": proved.isoformat() if proved else None},
        fix=(fix,),
    )


CHECKS = (
    Check(
        id="retention-debt",
        title="Rows are kept beyond their time",
        why="What is kept too long costs space, and may be a breach of what users were told.",
        todo="Prune; running services do it hourly, so look why they did not.",
        read=_debts,
        judge=each(_debt),
        weight=3,
    ),
    Check(
        id="backup",
        title="No recent backup that was proved",
        why="A backup that nobody has restored is a hope. Outside of production this is worth knowing only.",
        todo="Take one and verify it, daily.",
        read=_backups,
        judge=each(_backup),
        weight=10,
    ),
)
