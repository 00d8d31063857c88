"""Indexes and keys as PostgreSQL writes them out, taken apart again."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from orion_db.catalog import Catalog

_INDEX = re.compile(r"CREATE (?P<unique>UNIQUE )?INDEX .+? ON (?:ONLY )?\S+ USING (?P<method>\w+) \(")
_KEY = re.compile(r"(?P<kind>PRIMARY KEY|UNIQUE|FOREIGN KEY) (?:NULLS NOT DISTINCT )?\(")
_ORDER_AND_CLASS = re.compile(r'("(?:[^"]|"")+"|[\w$]+)(?: .*)?')


@dataclass(frozen=True)
class IndexParts:
    """What an index is made of. Keys are as PostgreSQL writes them: column or expression, collation, class, order."""

    table: str
    name: str
    unique: bool
    method: str
    keys: tuple[str, ...]
    rest: str
    """INCLUDE, NULLS NOT DISTINCT, WITH: what follows the keys, less the predicate."""
    predicate: str
    constraint: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; an expression stands as it is."""
        return tuple(match[1] if (match := _ORDER_AND_CLASS.fullmatch(key)) else key for key in self.keys)


@dataclass(frozen=True)
class ForeignKeyParts:
    """A foreign key's own side."""

    table: str
    name: str
    columns: tuple[str, ...]


def read_indexes(catalog: Catalog) -> Iterator[IndexParts]:
    """All indexes of the catalog."""
    for (kind, name), facts in catalog.items():
        if kind != "index" or not (match := _INDEX.match(facts["definition"])):
            continue
        keys, rest = _parenthesized(facts["definition"], match.end())
        rest, _, predicate = rest.partition(" WHERE ")
        unique, constraint = match["unique"] is not None, "constraint" in facts
        yield IndexParts(facts["table"], name, unique, match["method"], keys, rest.strip(), predicate, constraint)


def read_foreign_keys(catalog: Catalog) -> Iterator[ForeignKeyParts]:
    """All foreign keys of the catalog."""
    for (kind, name), facts in catalog.items():
        match = _KEY.match(facts["definition"]) if kind == "constraint" else None
        if match and match["kind"] == "FOREIGN KEY":
            keys, _ = _parenthesized(facts["definition"], match.end())
            yield ForeignKeyParts(facts["table"], name.rpartition(".")[2], keys)


def read_primary_keys(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Columns of the primary key of every table that has one."""
    return {
        facts["table"]: _parenthesized(facts["definition"], facts["definition"].index("(") + 1)[0]
        for (kind, _), facts in catalog.items()
        if kind == "constraint" and facts["definition"].startswith("PRIMARY KEY")
    }


def _parenthesized(definition: str, start: int) -> tuple[tuple[str, ...], str]:
    """What stands between the parenthesis that ends at `start` and its partner, cut at commas; and what follows."""
    parts, depth, begin, quote = list[str](), 0, start, ""
    for position in range(start, len(definition)):
        letter = definition[position]
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        elif letter == "," and depth == 0:
            parts.append(definition[begin:position].strip())
            begin = position + 1
        elif letter == "(":
            depth += 1
        elif letter == ")":
            if depth == 0:
                return (*parts, definition[begin:position].strip()), definition[position + 1 :]
            depth -= 1
    return (*parts, definition[begin:].strip()), ""
