"""A change that adds and takes away, taken apart: what old and new code can both work with lies between."""

import re

from orion_db.catalog import Catalog, Difference, Key, compare
from orion_db.catalog.read import Facts
from orion_db.plan.compatibility import compatibility

_KEPT = ("table", "column", "enum", "type", "function", "sequence", "view")
"""What code speaks of; it goes in the second step, with what hangs on it."""


def taken_away(current: Catalog, wanted: Catalog) -> list[Difference]:
    """Tables and columns that go, by the differences that say so; partitions go with their table."""
    return [
        difference
        for difference in compare(wanted, current)
        if difference.change == "extra" and difference.kind in ("table", "column") and "bound" not in difference.found
    ]


def between(current: Catalog, wanted: Catalog) -> Catalog | None:
    """The schema that old and new code can both work with, when the change takes away what new code cannot leave be.

    Everything new is there, and everything old; and a column that only one of them writes may be null. None when one
    step is enough: nothing goes, or the new code runs on the old schema.
    """
    gone = taken_away(current, wanted)
    if not gone or not compatibility(wanted, current):
        return None
    middle = {key: dict(facts) for key, facts in wanted.items()}
    for key, facts in current.items():
        if key not in wanted and (key[0] in _KEPT or any(_hangs_on(facts, difference) for difference in gone)):
            middle[key] = dict(facts)
    for key, facts in middle.items():
        if key[0] == "column" and _is_written_by_one_only(key, facts, current, wanted):
            facts["not null"] = False
    return middle


def _hangs_on(facts: Facts, gone: Difference) -> bool:
    """Whether the constraint, index, trigger or partition belongs to the table that goes, or speaks of the column."""
    if gone.kind == "table":
        return facts.get("table") == gone.name or gone.name in facts.get("parent", [])
    column = re.escape(gone.name.rpartition(".")[2])
    of_its_table = facts.get("table") == gone.found["table"]
    return of_its_table and re.search(rf"\b{column}\b", str(facts.get("definition", ""))) is not None


def _is_written_by_one_only(key: Key, facts: Facts, current: Catalog, wanted: Catalog) -> bool:
    """Whether it must be given a value, its table stays, and the other code does not know it."""
    if not facts["not null"] or facts.keys() & {"default", "generated", "identity"}:
        return False
    table = ("table", str(facts["table"]))
    return table in current and table in wanted and (key in current) != (key in wanted)
