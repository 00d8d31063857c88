"""The words of an SQL statement, without what stands in quotes and comments."""

import re

from orion_db.index_statements import bare, without_comments

_QUOTED = re.compile(r"'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$", re.DOTALL)
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TABLE = rf"(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)"
_CHANGED = (
    re.compile(rf"(?:with .*?\)\s*)?update (?:only )?{_TABLE}", re.IGNORECASE),
    re.compile(rf"(?:with .*?\)\s*)?delete from (?:only )?{_TABLE}", re.IGNORECASE),  # noqa: S608 - a pattern
    re.compile(rf"(?:with .*?\)\s*)?merge into (?:only )?{_TABLE}", re.IGNORECASE),
    re.compile(rf"(?:with .*?\)\s*)?insert into {_TABLE}", re.IGNORECASE),
)
_IN_BLOCK = re.compile(rf"\b(?:update|delete\s+from|insert\s+into|merge\s+into)\s+(?:only\s+)?{_TABLE}", re.IGNORECASE)
_ALTERED = re.compile(rf"alter table (?:if exists )?(?:only )?{_TABLE}", re.IGNORECASE)


def words(statement: str) -> str:
    """The statement on one line: no comments, literals and bodies emptied, identifiers as they are typed."""
    return " ".join(_QUOTED.sub("''", without_comments(statement)).split())


def matches(pattern: str, statement: str) -> bool:
    """Whether the words of the statement begin with the pattern, in capitals or not."""
    return re.match(pattern, words(statement), re.IGNORECASE) is not None


def contains(pattern: str, statement: str) -> bool:
    """Whether the pattern stands anywhere in the words of the statement."""
    return re.search(pattern, words(statement), re.IGNORECASE) is not None


def changed_table(statement: str) -> str | None:
    """The table whose rows an UPDATE, DELETE, MERGE or INSERT changes; None of another statement."""
    found = words(statement)
    return next((bare(match["table"]) for pattern in _CHANGED if (match := pattern.match(found))), None)


def changed_tables_in_block(statement: str) -> set[str]:
    """The tables whose rows a DO block changes, as far as its text tells; none of another statement."""
    return {bare(match["table"]) for match in _IN_BLOCK.finditer(statement)} if matches(r"do\b", statement) else set()


def altered_table(statement: str) -> str:
    """The table of an ALTER TABLE; "" of another statement."""
    match = _ALTERED.match(words(statement))
    return bare(match["table"]) if match else ""
