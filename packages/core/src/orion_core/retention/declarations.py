"""What a table can say of how long its rows are kept: `info={"retention": Rows(...)}` beside its columns.

A row goes by itself (`Rows`), with its month (`Months`), with the row that it belongs to (`Follows`), or never
(`Forever`). Every table of every service says one of these; a test asks for it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData, Table


@dataclass(frozen=True)
class Rows:
    """A row goes once `column` is more than `keep` in the past; one where it is null stays."""

    column: str
    keep: timedelta
    why: str
    where: str = "true"
    """SQL that must hold beside. `:before` in it is the moment that `column` is compared with."""
    at_least: timedelta = timedelta()
    """No setting makes `keep` shorter."""


@dataclass(frozen=True)
class Months:
    """A month's partition goes once all of the month is more than `keep` in the past, by the time in the ids.

    So a row stays for up to a month longer. `at_least` is also known to the database, in the function
    `retention_minimum`, which a service cannot change: a month that is younger cannot be dropped, whatever asks for it.
    """

    keep: timedelta
    why: str
    at_least: timedelta
    write_down: str = ""
    """SQL that is run before anything goes, to remember what went; `:floor` is the first id that stays."""


@dataclass(frozen=True)
class Follows:
    """A row goes with the row of `table` that it refers to (ON DELETE CASCADE)."""

    table: str
    why: str


@dataclass(frozen=True)
class Forever:
    """No row goes by its age."""

    why: str


Retention = Rows | Months | Follows | Forever


def retention_of(table: Table) -> Retention:
    """What `table` says; KeyError, naming the table, when it says nothing."""
    declared: Any = table.info.get("retention")
    if not isinstance(declared, Retention):
        raise KeyError(f"{table.name} does not say how long its rows are kept")
    return declared


def retention_minimum(metadata: MetaData) -> str:
    """CREATE FUNCTION `retention_minimum(regclass)`: how long the months of a table are kept at least.

    In hours: an interval of days has another length where clocks are changed.
    """
    minimums = {
        table.name: rule.at_least for table in metadata.tables.values() if (rule := _months_of(table)) is not None
    }
    cases = "".join(
        f"\n    WHEN '{name}' THEN interval '{minimums[name] // timedelta(hours=1)} hours'" for name in sorted(minimums)
    )
    return f"""
CREATE FUNCTION retention_minimum(parent regclass) RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE (SELECT relname FROM pg_class WHERE oid = parent AND relnamespace = 'public'::regnamespace){cases}
    ELSE NULL::interval
  END
$$
"""  # noqa: S608


def _months_of(table: Table) -> Months | None:
    declared: Any = table.info.get("retention")
    return declared if isinstance(declared, Months) else None
