"""Whether code that runs goes on when a schema changes under it, decided from two catalogs.

"Running code" is what was written for the catalog before: it reads and writes the columns that it knew, by name, as the
service's role. What it cannot know of, it does not use.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from orion_db.catalog import Catalog
from orion_db.plan.definitions import IndexParts, read_indexes

Facts = dict[str, Any]

_LENGTH = re.compile(r"(character varying|bit varying|varbit)(?:\((\d+)\))?")
_NUMERIC = re.compile(r"numeric(?:\((\d+),(\d+)\))?")
_INTEGERS = ("smallint", "integer", "bigint")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_LABELS = re.compile(r"ARRAY\[(.*?)\]")
_GONE = {
    "schema": "is gone: whatever running code has in it cannot be found",
    "extension": "is gone, with its types, functions and operators",
    "table": "is gone: statements of running code that name it fail",
    "view": "is gone: statements of running code that name it fail",
    "sequence": "is gone: running code takes numbers from it",
    "enum": "is gone: running code that names the type in a cast fails",
    "type": "is gone: running code that names the type in a cast fails",
    "function": "is gone: statements of running code that call it fail",
}
_GRANTED = ("database", "schema", "table", "column", "view", "sequence", "enum", "type", "function")


@dataclass(frozen=True)
class Break:
    """Something that running code may rely on, and loses."""

    kind: str
    name: str
    why: str
    lasting: bool = True
    """It fails until new code replaces it; otherwise once in each connection, and then it goes on."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.why}"


def compatibility(before: Catalog, after: Catalog) -> tuple[Break, ...]:
    """All that running code may rely on and loses between the two; nothing when the change only adds."""
    found = [*_gone(before, after), *_columns(before, after), *_constraints(before, after), *_unique(before, after)]
    found += [*_labels(before, after), *_grants(before, after), *_row_security(before, after)]
    found += _changed_views(before, after)
    return tuple(sorted(found, key=lambda entry: (entry.kind, entry.name)))


def _gone(before: Catalog, after: Catalog) -> Iterator[Break]:
    for kind, name in before.keys() - after.keys():
        if kind in _GONE:
            yield Break(kind, name, _GONE[kind])
        elif kind == "column" and ("table", before[kind, name]["table"]) in after:
            yield Break(kind, name, "is gone: statements of running code that read or write it fail")
    for key, facts in before.items():
        if key[0] == "table" and "parent" in facts and key in after and "parent" not in after[key]:
            yield Break("table", key[1], "is no partition any more: running code no longer finds its rows")


def _columns(before: Catalog, after: Catalog) -> Iterator[Break]:
    for key, now in after.items():
        if key[0] != "column" or ("table", now["table"]) not in before:
            continue
        was = before.get(key)
        if was is None:
            if now["not null"] and not _fills_itself(now):
                why = "is new, NOT NULL and without a default: INSERTs of running code, which leave it out, fail"
                yield Break("column", key[1], why)
        else:
            yield from (Break("column", key[1], *entry) for entry in _narrowed(before, key[1], was, now))


def _narrowed(before: Catalog, name: str, was: Facts, now: Facts) -> Iterator[tuple[str, bool]]:
    if now["not null"] and not was["not null"] and not _was_checked(before, name, was["table"]):
        yield "is NOT NULL now: running code that writes NULL into it fails", True
    if was["type"] != now["type"]:
        change = f"was {was['type']} and is {now['type']}"
        if _widened(was["type"], now["type"]):
            yield f"{change}: statements that running code has prepared fail once in each connection", False
        else:
            yield f"{change}: running code reads and writes values of the former type", True
    if _fills_itself(was) and not _fills_itself(now):
        consequence = "fail" if now["not null"] else "store NULL"
        yield f"has lost its default: INSERTs of running code that leave it out {consequence}", True
    always = now.get("identity") == "a" and was.get("identity") != "a"
    if always or ("generated" in now and "generated" not in was):
        yield "is generated now: running code that writes it fails", True


def _fills_itself(column: Facts) -> bool:
    return any(fact in column for fact in ("default", "identity", "generated"))


def _was_checked(before: Catalog, name: str, table: str) -> bool:
    """Whether a CHECK has kept NULL out already, as the safe way to NOT NULL has it."""
    column = before["column", name].get("sql") or name.rpartition(".")[2]
    return any(
        key[0] == "constraint" and facts["table"] == table and f"({column} IS NOT NULL)" in facts["definition"]
        and " OR " not in facts["definition"]
        for key, facts in before.items()
    )  # fmt: skip


def _widened(was: str, now: str) -> bool:
    """Whether every value of the one type is one of the other, as clients see it."""
    if was in _INTEGERS and now in _INTEGERS:
        return _INTEGERS.index(was) < _INTEGERS.index(now)
    old, new = _LENGTH.fullmatch(was), _LENGTH.fullmatch(now)
    if old and (now == "text" and old[1] == "character varying"):
        return True
    if old and new and old[1] == new[1]:
        return new[2] is None or (old[2] is not None and int(new[2]) >= int(old[2]))
    old, new = _NUMERIC.fullmatch(was), _NUMERIC.fullmatch(now)
    if old and new:
        return new[1] is None or (
            old[1] is not None and int(new[2]) >= int(old[2]) and int(new[1]) - int(new[2]) >= int(old[1]) - int(old[2])
        )
    return False


def _constraints(before: Catalog, after: Catalog) -> Iterator[Break]:
    """New or other rules of a table that running code writes to. Unique ones are looked at as indexes."""
    for key, now in after.items():
        table = now.get("table", "")
        if key[0] != "constraint" or ("table", table) not in before:
            continue
        definition, was = now["definition"], before.get(key)
        if definition.startswith(("PRIMARY KEY", "UNIQUE")) or _same_rule(was, definition):
            continue
        if _speaks_of_new_columns(before, after, table, definition) or _known(before, table, now):
            continue
        yield Break("constraint", key[1], f"forbids what running code may write: {_without_validity(definition)}")


def _same_rule(was: Facts | None, definition: str) -> bool:
    """Whether it is the rule that was there, or one that lets more values of a list in."""
    if was is None:
        return False
    old, new = _without_validity(was["definition"]), _without_validity(definition)
    if old == new:
        return True
    old_lists, new_lists = _LABELS.findall(old), _LABELS.findall(new)
    same_form = _LABELS.sub("", old) == _LABELS.sub("", new)
    pairs = zip(old_lists, new_lists, strict=False)
    return same_form and all(set(a.split(", ")) <= set(b.split(", ")) for a, b in pairs)


def _known(before: Catalog, table: str, now: Facts) -> bool:
    """Whether the table had the same rule under another name."""
    return any(
        key[0] == "constraint" and facts["table"] == table and _same_rule(facts, now["definition"])
        for key, facts in before.items()
    )


def _without_validity(definition: str) -> str:
    return definition.removesuffix(" NOT VALID")


def _speaks_of_new_columns(before: Catalog, after: Catalog, table: str, definition: str) -> bool:
    """Whether every column that it names is new, so that running code does not write them."""
    own_side = definition.partition(" REFERENCES ")[0]
    words = set(re.findall(r"[\w$]+", _LITERAL.sub("", own_side)))
    columns = {
        key[1].rpartition(".")[2]: key in before
        for key, facts in after.items()
        if key[0] == "column" and facts["table"] == table
    }
    named = [known for name, known in columns.items() if name in words]
    return bool(named) and not any(named)


def _unique(before: Catalog, after: Catalog) -> Iterator[Break]:
    """Unique indexes, which forbid when they come, and fail ON CONFLICT when they go."""
    old, new = ({_identity(index): index for index in read_indexes(c) if index.unique} for c in (before, after))
    for identity in new.keys() - old.keys():
        index = new[identity]
        if ("table", index.table) in before and not _speaks_of_new_columns(
            before, after, index.table, ", ".join(index.keys)
        ):
            yield Break("index", index.name, f"forbids what running code may write twice: ({', '.join(index.keys)})")
    for identity in old.keys() - new.keys():
        index = old[identity]
        columns_stay = ("table", index.table) in after and not any(
            ("column", f"{index.table}.{column}") in before and ("column", f"{index.table}.{column}") not in after
            for column in index.columns
        )
        if columns_stay:
            why = f"is gone: ON CONFLICT ({', '.join(index.columns)}) of running code fails, and doubles can come"
            yield Break("index", index.name, why)


def _identity(index: IndexParts) -> tuple[object, ...]:
    return (index.table, index.keys, index.predicate)


def _labels(before: Catalog, after: Catalog) -> Iterator[Break]:
    for key, was in before.items():
        if key[0] == "enum" and key in after:
            old, new = _texts(was["labels"]), _texts(after[key]["labels"])
            gone = [label for label in old if label not in new]
            if gone:
                yield Break("enum", key[1], f"has lost {', '.join(gone)}: running code that writes it fails")


def _texts(labels: list[str] | None) -> list[str]:
    return labels or []


def _grants(before: Catalog, after: Catalog) -> Iterator[Break]:
    for key, was in before.items():
        if key[0] not in _GRANTED or key not in after:
            continue
        now = after[key]
        for role, privileges in was.get("grants", {}).items():
            lost = _held(privileges) - _held(now.get("grants", {}).get(role, []))
            if lost and role not in (was.get("owner"), now.get("owner")):
                yield Break(key[0], key[1], f"no longer grants {', '.join(sorted(lost))} to {role}")


def _held(privileges: list[str]) -> set[str]:
    return {privilege.rstrip("*") for privilege in privileges}


def _row_security(before: Catalog, after: Catalog) -> Iterator[Break]:
    secured = {key[1] for key, facts in after.items() if key[0] == "table" and "row security" in facts}
    for table in secured & {key[1] for key in before if key[0] == "table"}:
        if "row security" not in before["table", table]:
            yield Break("table", table, "has row security now: running code sees and writes only what policies allow")
    changed: Callable[[tuple[str, str]], bool] = lambda key: before.get(key) != after.get(key)  # noqa: E731
    for key in before.keys() | after.keys():
        facts = before.get(key) or after[key]
        if key[0] == "policy" and changed(key) and facts["table"] in secured and key in before:
            yield Break("policy", key[1], "is another or gone: running code sees and writes other rows")


def _changed_views(before: Catalog, after: Catalog) -> Iterator[Break]:
    for key, was in before.items():
        if key[0] == "view" and key in after and was["definition"] != after[key]["definition"]:
            yield Break("view", key[1], "is another: running code may read what it no longer gives")
