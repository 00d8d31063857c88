"""The words of an SQL statement, without what stands in quotes and comments."""

import re

from orion_db.index_statements import bare, without_comments

_QUOTED = re.compile(r"'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$", re.DOTALL)
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TABLE = rf"(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)"
_CHANGED = re.compile(
    r"(?:(?<!for )(?<!key )(?<!do )\bupdate|\bdelete\s+from|\bmerge\s+into|\binsert\s+into)\s+(?:only\s+)?" + _TABLE,
    re.IGNORECASE,
)
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


def changed_tables(statement: str) -> tuple[str, ...]:
    """The tables whose rows an UPDATE, DELETE, MERGE or INSERT changes, in a CTE too; none of another statement.

    Of a DO block as far as its text tells.
    """
    if matches(r"do\b", statement):
        found = statement
    elif matches(r"(?:with|update|delete|merge|insert)\b", statement):
        found = words(statement)
    else:
        return ()
    return tuple(dict.fromkeys(bare(match["table"]) for match in _CHANGED.finditer(found)))


def altered_table(statement: str) -> str:
    """The table of an ALTER TABLE; "" of another statement."""
    match = _ALTERED.match(words(statement))
    return bare(match["table"]) if match else ""
