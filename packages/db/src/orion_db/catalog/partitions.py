"""Monthly partitions, which come with time and are therefore compared by rule and not by name."""

import re
from datetime import UTC, datetime
from typing import Any

from orion_core.ids import uuid7_floor
from orion_db.catalog.compare import Difference

_NAME = re.compile(r"(?P<parent>.+)_y(?P<year>\d{4})m(?P<month>\d{2})")


def without_regular_partitions(catalog: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The catalog less the partitions that `ensure_partitions` would have made just so.

    One with another bound, owner, grant or option than the rule says stays, and so shows up as different. The parent's
    fact `months` names those that were left out.
    """
    regular = sorted(
        name
        for (kind, name), facts in catalog.items()
        if kind == "table" and _is_regular(name, facts, catalog.get(("table", parent_of(name))))
    )
    kept = {key: facts for key, facts in catalog.items() if key[0] != "table" or key[1] not in regular}
    for name in regular:
        kept["table", parent_of(name)].setdefault("months", []).append(name)
    return kept


def missing_months(
    expected: dict[tuple[str, str], dict[str, Any]], found: dict[tuple[str, str], dict[str, Any]]
) -> list[Difference]:
    """Months that should be there, as later ones are.

    That none has been made ahead lately is no drift: a deploy, or any running service, makes them.
    """
    return [
        Difference("partition", month, "missing", {"table": name, "bound": expected_bound(month)}, {})
        for (kind, name), facts in expected.items()
        if kind == "table" and "months" in facts and (live := found.get((kind, name))) is not None
        for month in facts["months"]
        if month < max(live.get("months", [""])) and month not in live["months"] and (kind, month) not in found
    ]


def expected_bound(name: str) -> str | None:
    """The bound that the partition's name promises, as pg_get_expr writes it; None when it is not a month's name."""
    match = _NAME.fullmatch(name)
    if match is None or not 1 <= int(match["month"]) <= 12:
        return None
    year, month = int(match["year"]), int(match["month"])
    first = uuid7_floor(datetime(year, month, 1, tzinfo=UTC))
    next_first = uuid7_floor(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))
    return f"FOR VALUES FROM ('{first}') TO ('{next_first}')"


def parent_of(name: str) -> str:
    """The table whose monthly partition the name says it is; "" when it is no such name."""
    match = _NAME.fullmatch(name)
    return match["parent"] if match else ""


def _is_regular(name: str, facts: dict[str, Any], parent: dict[str, Any] | None) -> bool:
    if parent is None or facts.get("bound") != expected_bound(name):
        return False
    owner = facts["owner"]
    return (
        owner == parent["owner"]
        and set(facts["grants"]) == {owner}
        and facts["persistence"] == parent["persistence"]
        and not facts.keys() & {"options", "partitioned by", "row security"}
        and facts["replica identity"] == "d"
    )
