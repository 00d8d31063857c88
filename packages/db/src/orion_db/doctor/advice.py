"""How findings word things: sizes, durations, names, statements."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from orion_db.roles import quoted

if TYPE_CHECKING:
    from orion_db.doctor.server import Server


def mb(size: float) -> str:
    """A size as people say it: `512 kB`, `3.4 MB`, `12.1 GB`."""
    for unit, bytes_of in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size / 1024:.0f} kB"


def span(duration: timedelta) -> str:
    """A duration as people say it, in its largest two units."""
    seconds = int(duration.total_seconds())
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def literal(value: str) -> str:
    """The words as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def name_list(columns: Iterable[str]) -> str:
    """Column names as SQL."""
    return ", ".join(quoted(column) for column in columns)


def concurrently(definition: str) -> str:
    """CREATE INDEX, as pg_get_indexdef writes it, without blocking writes."""
    for beginning in ("CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if definition.startswith(beginning):
            return beginning + "CONCURRENTLY " + definition.removeprefix(beginning)
    return definition


def put_into_migration(server: "Server") -> str:
    """The line before a statement that would be drift if it were run by hand."""
    service = server.target.service.name
    return f"-- the migrations decide about this: orion db migrate {service} --create-only --name …, and put there:"
