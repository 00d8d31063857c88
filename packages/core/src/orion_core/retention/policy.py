"""What an installation keeps and for how long: the tables' declarations, and what its settings say otherwise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import MetaData, Table

from orion_core.retention.declarations import Months, Rows, retention_of

EXAMPLE = "90 days"

LONGEST = timedelta(days=36_500)

_UNITS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "year": timedelta(days=365),
}
_DURATION = re.compile(r"([1-9][0-9]{0,5}) (hour|day|week|year)s?")


@dataclass(frozen=True)
class Due:
    """A table of which something is to go, and after how long."""

    table: str
    rule: Rows | Months
    keep: timedelta
    referrers: tuple[tuple[str, str], ...] = ()
    """Tables and columns with a foreign key to this table. A month goes when none of them refers to it any more."""

    def before(self, now: datetime) -> datetime:
        """What was due or made before this moment goes."""
        return now - self.keep


Policy = tuple[Due, ...]


def read_policy(metadata: MetaData, overrides: Mapping[str, str] | None = None) -> Policy:
    """What goes from the tables of `metadata`, those that refer to others first. `overrides`: `{"table": "90 days"}`.

    Raises ValueError, with words for the operator, for a table that has no retention to set, and for a duration that
    cannot be read or is below the table's minimum.
    """
    chosen = dict(overrides or {})
    policy = tuple(
        _due(table, rule, chosen.pop(table.name, None), metadata)
        for table in reversed(metadata.sorted_tables)
        if isinstance(rule := retention_of(table), Rows | Months)
    )
    if chosen:
        raise ValueError(_unknown(next(iter(chosen)), metadata, policy))
    return policy


def parse_duration(words: str) -> timedelta:
    """`90 days`, `1 year` (365 days), `12 hours`, `2 weeks`. Raises ValueError."""
    match = _DURATION.fullmatch(words.strip())
    if match is None:
        raise ValueError(f"{words!r} is no duration; write a number of hours, days, weeks or years, as in {EXAMPLE!r}")
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > LONGEST:
        raise ValueError(f"{words!r} is longer than a hundred years")
    return duration


def in_words(duration: timedelta) -> str:
    """The same form: `90 days`, `36 hours`, `7 years`, `0 days`."""
    unit = next(unit for unit in ("year", "day", "hour") if not duration % _UNITS[unit] and (duration or unit == "day"))
    number = duration // _UNITS[unit]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _due(table: Table, rule: Rows | Months, words: str | None, metadata: MetaData) -> Due:
    keep = rule.keep
    if words is not None:
        try:
            keep = parse_duration(words)
        except ValueError as error:
            raise ValueError(f"{table.name}: {error}") from None
        if keep < rule.at_least:
            raise ValueError(
                f"{table.name}: {words!r} is too short; its rows are kept for at least {in_words(rule.at_least)}"
            )
    return Due(table.name, rule, keep, _referrers(table, metadata))


def _referrers(table: Table, metadata: MetaData) -> tuple[tuple[str, str], ...]:
    keys = (key for other in metadata.sorted_tables for key in other.foreign_keys)
    return tuple((key.parent.table.name, key.parent.name) for key in keys if key.column.table is table)


def _unknown(name: str, metadata: MetaData, policy: Policy) -> str:
    possible = f"possible are {', '.join(sorted(due.table for due in policy))}"
    if name in metadata.tables:
        return f"{name} has no retention that could be set: its rows are not removed by age; {possible}"
    return f"there is no table {name!r}; {possible}"
