"""The catalog in the parts that statements are about, and what becomes of each part that is not as wanted."""

from typing import Literal

from orion_db.catalog import Catalog, Key
from orion_db.catalog.read import Facts
from orion_db.repair.statement import ByHand, changed

Fate = Literal["change", "replace", "retype"] | ByHand
"""Changed in place; dropped and made anew; changed in place, but what stands on it must go meanwhile; or by hand."""

_BELONGING = ("column", "constraint", "index", "trigger", "policy", "rule")

_CARRIED = ("valid", "clustered", "replica identity", "comment")

_RANKS = (
    *("database", "setting", "schema", "default grants", "extension", "collation", "enum", "type", "sequence"),
    *(
        "function",
        "table",
        "column",
        "default",
        "sequence owner",
        "constraint",
        "index",
        "statistics",
        "view",
        "rule",
        "trigger",
    ),
    *("policy", "publication", "event trigger"),
)


def rank(node: tuple[str, Key]) -> int:
    """Where a statement stands when nothing else says so: types before tables, tables before what belongs to them."""
    verb, (kind, _) = node
    place = _RANKS.index(kind)
    return place if verb == "make" else -place


def parts(catalog: Catalog) -> Catalog:
    """Defaults and ties of sequences to columns as things of their own; indexes of constraints as facts of these."""
    found: Catalog = {}
    for key, read in catalog.items():
        kind, name = key
        needs: list[Key] = list(read["needs"])
        if kind == "index" and "constraint" in read:
            continue
        if kind in _BELONGING:
            needs.append(_home(catalog, read))
        facts = {**read, "needs": [need for need in needs if not children_of(key, need)]}
        if kind == "column" and "default" in facts:
            default = facts.pop("default")
            facts.pop("default needs", None)
            found["default", name] = {
                **{fact: facts[fact] for fact in ("table", "on", "sql")},
                "expression": default,
                "needs": [key, *(need for need in read["default needs"] if need != key)],
            }
        if kind == "sequence" and (owner := _owner(catalog, facts)):
            facts["needs"].remove(owner)
            found["sequence owner", name] = {
                "owner": facts.pop("owned by"),
                "sql": facts["sql"],
                "whole": f"owner of {facts['sql']}",
                "needs": [key, owner],
            }
        found[key] = facts
    for (kind, _), facts in catalog.items():
        if kind == "index" and "constraint" in facts:
            owner = found.get(("constraint", f"{facts['table']}.{facts['constraint']}"))
            if owner is not None:
                owner |= {f"index {fact}": facts[fact] for fact in _CARRIED if fact in facts}
                owner["index definition"] = facts["definition"]
    return found


def children_of(key: Key, other: Key) -> bool:
    """Whether `other` belongs to the table `key`: a partition key is made of columns that come with the table."""
    return key[0] in ("table", "type") and other[0] in _BELONGING and other[1].startswith(f"{key[1]}.")


def goes_with(verb: str, key: Key, catalog: Catalog) -> Key | None:
    """The thing that the object comes and goes with, without a statement of its own."""
    kind, _ = key
    facts = catalog[key]
    if kind == "default":
        return facts["needs"][0]
    if kind == "column":
        return _home(catalog, facts)
    if kind == "sequence" and "owned by" in facts:
        return next(need for need in facts["needs"] if need[0] == "column")
    if verb == "make" or kind not in _BELONGING:
        return None
    refers = kind == "constraint" and facts["definition"].startswith("FOREIGN KEY")
    return None if refers else _home(catalog, facts)


def fate(kind: str, old: Facts, new: Facts) -> Fate:
    """What is to be done with a thing of which some fact is not as wanted."""
    if kind == "enum":
        return _enum(old, new)
    if kind == "column":
        return _column(old, new)
    if kind == "table" and changed(old, new, "partitioned by", "kind"):
        return ByHand("", "", "a table cannot be partitioned, or cease to be, in place: make it anew and copy the rows")
    if kind == "type" and changed(old, new, "base", "kind"):
        return ByHand("", "", "the type that a domain is made of cannot be changed in place")
    if kind == "function":
        return "replace" if _head(old) != _head(new) else "change"
    if kind == "constraint":
        return _constraint(old, new)
    if kind == "index":
        return "replace" if changed(old, new, "definition", "valid", "table") else "change"
    if kind in ("policy", "collation"):
        return "replace"
    if kind == "view":
        return "replace" if changed(old, new, "definition", "materialized") else "change"
    if kind == "event trigger":
        return "replace" if changed(old, new, "event", "tags", "function") else "change"
    return "replace" if "definition" in new and changed(old, new, "definition") else "change"


def is_shaken_by_type(dependent: Key, facts: Facts) -> bool:
    """Whether it keeps PostgreSQL from changing the type of a column that it depends on."""
    if dependent[0] == "constraint":  # a foreign key compares two columns, and both may be about to change
        return bool(facts["definition"].startswith("FOREIGN KEY"))
    return dependent[0] in ("view", "policy", "rule", "trigger", "default", "function") or "generated" in facts


def _home(catalog: Catalog, facts: Facts) -> Key:
    table: str = facts["table"]
    return next((key for kind in ("table", "view", "type") if (key := (kind, table)) in catalog), ("table", table))


def _owner(catalog: Catalog, facts: Facts) -> Key | None:
    """The column that the sequence goes with by OWNED BY; that of an identity column is a part of it."""
    if "owned by" not in facts:
        return None
    owner = next((need for need in facts["needs"] if need[0] == "column"), None)
    return owner if owner is not None and "identity" not in catalog[owner] else None


def _enum(old: Facts, new: Facts) -> Fate:
    labels: list[str] = new["labels"]
    only_more = [label for label in labels if label in old["labels"]] == old["labels"]
    return "change" if only_more else "retype"


def _column(old: Facts, new: Facts) -> Fate:
    if changed(old, new, "generated") and "generated" in new:
        return "replace"
    return "retype" if changed(old, new, "type", "collation") else "change"


def _constraint(old: Facts, new: Facts) -> Fate:
    if old["definition"].removesuffix(" NOT VALID") != new["definition"].removesuffix(" NOT VALID"):
        return "replace"
    loses = old.get("validated") and not new.get("validated")
    return "replace" if loses or changed(old, new, "index valid", "index definition") else "change"


def _head(facts: Facts) -> list[str]:
    """What CREATE OR REPLACE FUNCTION cannot change: arguments and result."""
    return str(facts.get("source", "")).splitlines()[:2]
