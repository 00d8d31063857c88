"""A change taken apart into migrations that harm nobody: what old and new code can both work with lies between.

What is added comes first; new constraints, NOT NULL among them, hold for new rows first, and for the rows that are
there when these have been read without keeping anybody from writing; what is taken away comes last.
"""

import re

from orion_db.catalog import Catalog, Difference, Key, compare
from orion_db.catalog.read import Facts
from orion_db.plan.compatibility import compatibility
from orion_db.roles import quoted

_KEPT = ("table", "column", "enum", "type", "function", "sequence", "view")
"""What code speaks of; it goes in the second step, with what hangs on it."""


def steps_between(current: Catalog, wanted: Catalog) -> list[tuple[str, Catalog]]:
    """The catalogs to lead to one after the other, each with what is added to the migration's name for it."""
    middle = between(current, wanted)
    if middle is None:
        return _in_turn(current, wanted, "")
    return [*_in_turn(current, middle, ""), *_in_turn(middle, wanted, " cleanup")]


def _in_turn(current: Catalog, goal: Catalog, suffix: str) -> list[tuple[str, Catalog]]:
    """The goal, after what lets its new constraints and NOT NULL hold without a table being read under a lock.

    A column that is to be NOT NULL has a CHECK first, validated like others; where one is, SET NOT NULL reads nothing.
    """
    checks = _checks_for_not_null(current, goal)
    nullable = {need for check in checks.values() for need in check["needs"]}
    proven = {key: facts | ({"not null": False} if key in nullable else {}) for key, facts in goal.items()} | checks
    unvalidated = _not_validated(current, proven)
    found = [(suffix, unvalidated), (f"{suffix} validate", proven)] if unvalidated else []
    return [*found, (f"{suffix} not null", goal)] if checks else found or [(suffix, goal)]


def _checks_for_not_null(current: Catalog, goal: Catalog) -> dict[Key, Facts]:
    """A CHECK for each column that is there, may be NULL, and is to be NOT NULL."""
    found: dict[Key, Facts] = {}
    for key, facts in goal.items():
        was = current.get(key)
        if key[0] != "column" or was is None or was["not null"] or not facts["not null"]:
            continue
        name = f"ck_{facts['table']}_{key[1].rpartition('.')[2]}_not_null"[:63]
        found["constraint", f"{facts['table']}.{name}"] = {
            **{fact: facts[fact] for fact in ("table", "on")},
            "sql": quoted(name),
            "definition": f"CHECK (({facts['sql']} IS NOT NULL))",
            "validated": True,
            "needs": [key],
        }
    return found


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


def _not_validated(current: Catalog, goal: Catalog) -> Catalog | None:
    """The goal, with the new constraints of tables that are there not validated; None when there are no such."""
    new = [
        key
        for key, facts in goal.items()
        if key[0] == "constraint"
        and ("table", facts["table"]) in current
        and str(current.get(key, {}).get("definition", "")).removesuffix(" NOT VALID") != facts["definition"]
        and _can_be_validated_later(facts, goal["table", facts["table"]])
    ]
    loose = {key: {"definition": f"{goal[key]['definition']} NOT VALID", "validated": False} for key in new}
    return {key: facts | loose.get(key, {}) for key, facts in goal.items()} if new else None


def _can_be_validated_later(constraint: Facts, table: Facts) -> bool:
    """A foreign key of a partitioned table can since PostgreSQL 18 only."""
    definition = str(constraint["definition"])
    return definition.startswith("CHECK ") or (definition.startswith("FOREIGN KEY ") and "partitioned by" not in table)


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
