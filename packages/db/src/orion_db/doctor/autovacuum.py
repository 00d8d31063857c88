"""When autovacuum would come to a table (PostgreSQL documentation, chapter 24.1.6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from orion_db.doctor.server import Server


@dataclass(frozen=True)
class Changes:
    """What happened to a table since it was last cared for."""

    rows: float
    """`reltuples`: -1 before the first VACUUM or ANALYZE, when autovacuum reckons with none."""
    frozen_share: float = 0
    """Pages that are frozen, from 0 to 1: since version 18 new rows are weighed against the others."""


def vacuum_threshold(server: Server, options: Mapping[str, str], changes: Changes) -> float:
    """Dead rows beyond which autovacuum vacuums the table."""
    wanted = _sum(server, options, "autovacuum_vacuum_threshold", "autovacuum_vacuum_scale_factor", _rows(changes))
    most = _number(server, options, "autovacuum_vacuum_max_threshold", -1)  # since version 18; -1: no limit
    return min(wanted, most) if most >= 0 else wanted


def insert_threshold(server: Server, options: Mapping[str, str], changes: Changes) -> float | None:
    """Inserted rows beyond which autovacuum vacuums the table; None: it never does because of these."""
    if _number(server, options, "autovacuum_vacuum_insert_threshold", -1) < 0:
        return None
    weighed = _rows(changes) * (1 - changes.frozen_share if server.version >= 180000 else 1)
    return _sum(server, options, "autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_insert_scale_factor", weighed)


def analyze_threshold(server: Server, options: Mapping[str, str], changes: Changes) -> float:
    """Changed rows beyond which autovacuum analyzes the table."""
    return _sum(server, options, "autovacuum_analyze_threshold", "autovacuum_analyze_scale_factor", _rows(changes))


def is_disabled(options: Mapping[str, str]) -> bool:
    """Whether the table's own options keep autovacuum from it. A boolean option may be spelled in many ways."""
    return options.get("autovacuum_enabled", "true").lower() in ("false", "off", "no", "0", "f", "n")


def _rows(changes: Changes) -> float:
    return max(changes.rows, 0)


def _sum(server: Server, options: Mapping[str, str], base: str, scale: str, rows: float) -> float:
    return _number(server, options, base, 0) + _number(server, options, scale, 0) * rows


def _number(server: Server, options: Mapping[str, str], name: str, default: float) -> float:
    """The table's option before the server's setting."""
    return float(options[name]) if name in options else server.number(name, default)
