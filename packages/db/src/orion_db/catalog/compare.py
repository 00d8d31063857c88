"""How a database differs from what it should be."""

from dataclasses import dataclass
from typing import Any, Literal

SOURCE = "source"
"""A function as it was typed, layout and all."""

NOT_COMPARED = frozenset(
    {SOURCE, "sql", "on", "whole", "index", "at", "number", "needs", "default needs", "stored as", "months"}
)
"""Facts that say how to write an object, and not what it is."""

_CHILDREN = ("column", "constraint", "index", "trigger", "policy", "rule")


@dataclass(frozen=True)
class Difference:
    """One object that is not as it should be; only the facts that differ are told."""

    kind: str
    name: str
    change: Literal["missing", "extra", "changed"]
    expected: dict[str, Any]
    found: dict[str, Any]

    def __str__(self) -> str:
        if self.change != "changed":
            return f"{self.change} {self.kind} {self.name}"
        facts = sorted(self.expected.keys() | self.found.keys())
        told = (f"{fact}: {self.found.get(fact)!r} instead of {self.expected.get(fact)!r}" for fact in facts)
        return f"changed {self.kind} {self.name} ({'; '.join(told)})"


def compare(
    expected: dict[tuple[str, str], dict[str, Any]], found: dict[tuple[str, str], dict[str, Any]]
) -> list[Difference]:
    """Differences of `found` from `expected`, by kind and name.

    Of a table that is missing or extra, its columns, constraints, indexes and the like are not told one by one.
    """
    differences = [
        difference
        for key in sorted(expected.keys() | found.keys())
        if (difference := _difference(key, expected.get(key), found.get(key)))
    ]
    whole = {(d.change, d.name) for d in differences if d.kind in ("table", "view")}
    constraints = {(d.change, d.name.rpartition(".")[2]) for d in differences if d.kind == "constraint"}
    return [d for d in differences if not _is_implied(d, whole, constraints)]


def _difference(
    key: tuple[str, str], expected: dict[str, Any] | None, found: dict[str, Any] | None
) -> Difference | None:
    if found is None:
        return Difference(*key, "missing", compared(expected or {}), {})
    if expected is None:
        return Difference(*key, "extra", {}, compared(found))
    facts = (expected.keys() | found.keys()) - NOT_COMPARED
    differing = {fact for fact in facts if expected.get(fact) != found.get(fact)}
    if not differing:
        return None
    return Difference(
        *key,
        "changed",
        {fact: value for fact, value in expected.items() if fact in differing},
        {fact: value for fact, value in found.items() if fact in differing},
    )


def compared(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts by which an object is compared."""
    return {name: value for name, value in facts.items() if name not in NOT_COMPARED}


def _is_implied(difference: Difference, whole: set[tuple[str, str]], constraints: set[tuple[str, str]]) -> bool:
    """Whether another difference says it already: its table's, or (of an index) its constraint's."""
    if difference.kind not in _CHILDREN or difference.change == "changed":
        return False
    facts = difference.expected or difference.found
    if (difference.change, facts.get("table", "")) in whole:
        return True
    return difference.kind == "index" and (difference.change, facts.get("constraint", "")) in constraints
