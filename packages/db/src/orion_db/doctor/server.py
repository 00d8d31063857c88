"""What all judgements know of the server and the database: version, settings, time, and who is asking."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Catalog
from orion_db.connections import server_version
from orion_db.doctor.finding import Severity
from orion_db.doctor.outside import Outside
from orion_db.production import is_marked
from orion_db.targets import Target

_UNITS = {"B": 1, "kB": 1 << 10, "8kB": 8 << 10, "MB": 1 << 20, "16MB": 16 << 20, "GB": 1 << 30}


@dataclass(frozen=True)
class Server:
    """The surroundings of an examination."""

    target: Target = field(repr=False)
    version: int
    """`server_version_num`."""
    now: datetime
    sees_all: bool
    """Whether the login sees the sessions and statements of others: a superuser, or a member of pg_monitor."""
    production: bool
    """Whether the database is marked as a production one (`orion_db.production`)."""
    settings: Mapping[str, tuple[str, str]]
    """Of pg_settings: value and unit, by name."""
    extensions: Mapping[str, str]
    """Extensions of this database, with the schema that each is in."""
    exact: bool
    """Whether bloat can be measured (pgstattuple), not only estimated."""
    memory_bytes: int | None
    """Of the machine or container, when the server runs where we do; None: unknown."""
    statistics_since: datetime | None
    """Since when the database's statistics count; None: unknown."""
    outside: Outside = field(default_factory=Outside, repr=False)
    """What is known that is not in the database."""
    ours: Catalog | None = None
    """What the migrations make; None: not read, or not to be had."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What a check's query may name."""
        service = self.target.service
        return {
            "service": service.service_role,
            "owner": service.owner_role,
            "login": self.target.login,
            "service_login": self.target.service_login,
            "now": self.now,
        }

    def in_production(self, severity: Severity) -> Severity:
        """The severity where it matters; elsewhere worth knowing only."""
        return severity if self.production else Severity.INFO

    def text(self, setting: str) -> str:
        """A setting as pg_settings has it; "" when this version has none of that name, or it may not be seen."""
        return self.settings.get(setting, ("", ""))[0]

    def number(self, setting: str, default: float = 0) -> float:
        """A setting's number in its own unit."""
        value = self.text(setting)
        return float(value) if value else default

    def bytes(self, setting: str) -> int:
        """A setting's size."""
        value, unit = self.settings.get(setting, ("0", ""))
        return int(value) * _UNITS.get(unit, 1)

    def is_off(self, setting: str) -> bool:
        return self.text(setting) == "off"

    def makes(self, kind: str, name: str) -> bool:
        """Whether the migrations make that object; when that is not known, they may."""
        return self.ours is None or (kind, name.replace('"', "")) in self.ours


async def read_server(connection: AsyncConnection, target: Target, now: datetime | None, outside: Outside) -> Server:
    """Look around. `now` is the server's clock unless it is handed in."""
    row = (await connection.execute(_ABOUT, {"database": target.database})).mappings().one()
    settings = await connection.execute(text("SELECT name, setting, coalesce(unit, '') FROM pg_settings"))
    extensions = await connection.execute(
        text("SELECT extname, extnamespace::regnamespace::text AS schema FROM pg_extension")
    )
    found: dict[str, str] = {row.extname: row.schema for row in extensions}
    since = await connection.execute(_MIGRATED_AT) if row["migrated"] else None
    return Server(
        target=target,
        version=await server_version(connection),
        now=now or row["now"],
        sees_all=row["sees_all"],
        production=await is_marked(connection, target.database),
        settings={name: (setting, unit) for name, setting, unit in settings},
        extensions=found,
        exact="pgstattuple" in found and row["scans"],
        memory_bytes=_memory() if row["same_host"] and _is_local_process(row["pid"]) else None,
        statistics_since=row["stats_reset"] or (since.scalar_one_or_none() if since else None),
        outside=outside,
    )


_ABOUT = text("""
SELECT
  clock_timestamp() AS now,
  pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
  pg_has_role(current_user, 'pg_stat_scan_tables', 'USAGE') AS scans,
  inet_server_addr() IS NOT DISTINCT FROM inet_client_addr() AS same_host,
  pg_backend_pid() AS pid,
  (SELECT stats_reset FROM pg_stat_database WHERE datname = :database) AS stats_reset,
  to_regclass('public.schema_migrations') IS NOT NULL AS migrated
""")

_MIGRATED_AT = text("SELECT min(applied_at) FROM public.schema_migrations")
"""Statistics that were never reset count since the database was made, which is nowhere recorded; this is close."""


def _is_local_process(pid: int) -> bool:
    """Whether our backend runs on this machine: a tunnel's end has the same addresses, and no such process."""
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _memory() -> int | None:
    """The machine's memory, or the container's limit where that is lower."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        words = limit.read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(words)) if words.isdigit() else machine
