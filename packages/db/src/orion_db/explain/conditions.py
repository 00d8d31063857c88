"""The conditions in a plan, read back from PostgreSQL's writing of them; EXPLAIN VERBOSE names every column whole."""

import re
from dataclasses import dataclass
from typing import Literal

Use = Literal["equal", "range", "pattern", "null", "expression"]


@dataclass(frozen=True)
class Condition:
    """What one part of a filter, joined to the others by AND, asks of a column."""

    column: str
    use: Use
    sql: str
    """As an index's predicate would have it, without the table's name."""
    constant: bool = False
    """The same in every call: IS NULL, a boolean column. Good for the WHERE of a partial index."""
    other: str | None = None
    """`alias.column` that it is compared with, when that is a column of another table."""


_NAME = r'(?:[a-z_][\w$]*|"(?:[^"]|"")+")'
_COLUMN = rf"\(*(?P<alias>{_NAME})\.(?P<column>{_NAME})\)*(?:::[\w ]+(?:\(\d+\))?(?:\[\])?)?\)*"
_COMPARISON = re.compile(
    rf"{_COLUMN} (?P<operator>=|<|<=|>|>=|~~|~~\*|~|~\*|@>|<@|&&) (?P<value>(?:ANY )?.+)", re.DOTALL
)
_NULL = re.compile(rf"{_COLUMN} (?P<test>IS NULL|IS NOT NULL)")
_BOOLEAN = re.compile(rf"(?P<negation>NOT )?{_COLUMN}")
_ANY_COLUMN = re.compile(rf"(?P<alias>{_NAME})\.(?P<column>{_NAME})")
_USES: dict[str, Use] = {"=": "equal", "<": "range", "<=": "range", ">": "range", ">=": "range"}


def read_conditions(written: str, alias: str) -> list[Condition]:
    """What `written` (a Filter, a Join Filter) asks of the columns of `alias`; alternatives (OR) are left out."""
    found = (_read(part, alias) for part in split_and(written) if len(_split(part, " OR ")) == 1)
    return [condition for condition in found if condition is not None]


def split_and(written: str) -> list[str]:
    """The parts that AND joins at the outermost level."""
    return _split(written, " AND ")


def _split(written: str, word: str) -> list[str]:
    written = _bared(written.strip())
    parts: list[str] = []
    depth, quoted, start, place = 0, False, 0, 0
    while place < len(written):
        letter = written[place]
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if depth == 0 and written.startswith(word, place):
                parts.append(_bared(written[start:place].strip()))
                start = place + len(word)
        place += 1
    return [*parts, _bared(written[start:].strip())]


def _bared(written: str) -> str:
    """Without the parentheses around all of it."""
    while written.startswith("(") and _closes_at_end(written):
        written = written[1:-1].strip()
    return written


def _closes_at_end(written: str) -> bool:
    depth, quoted = 0, False
    for place, letter in enumerate(written):
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return place == len(written) - 1
    return False


def _read(part: str, alias: str) -> Condition | None:
    if match := _NULL.fullmatch(part):
        if match["alias"] == alias:
            return Condition(match["column"], "null", f"{match['column']} {match['test']}", constant=True)
    elif match := _BOOLEAN.fullmatch(part):
        if match["alias"] == alias:
            sql = f"{match['negation'] or ''}{match['column']}"
            return Condition(match["column"], "equal", sql, constant=True)
    elif match := _COMPARISON.fullmatch(part):
        return _comparison(part, match, alias)
    elif any(match["alias"] == alias for match in _ANY_COLUMN.finditer(part)):
        column = next(match["column"] for match in _ANY_COLUMN.finditer(part) if match["alias"] == alias)
        return Condition(column, "expression", part.replace(f"{alias}.", ""))
    return None


def _comparison(part: str, match: re.Match[str], alias: str) -> Condition | None:
    value, left = match["value"].strip(), (match["alias"], match["column"])
    other = _COLUMN_ALONE.fullmatch(value)
    if left[0] != alias:  # the column may stand on the right: a.id = b.user_id
        if other is None or other["alias"] != alias or match["operator"] != "=":
            return None
        return Condition(other["column"], "equal", part, other=".".join(left))
    if other is not None:
        if other["alias"] == alias:
            return None  # two columns of one row: no index finds those
        return Condition(left[1], _USES.get(match["operator"], "pattern"), part, other=f"{other[1]}.{other[2]}")
    return Condition(left[1], _USES.get(match["operator"], "pattern"), part.replace(f"{alias}.", ""))


_COLUMN_ALONE = re.compile(_COLUMN)
