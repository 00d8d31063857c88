"""The words of an SQL statement, without what stands in quotes and comments."""

import re

from orion_db.deployment.index_statements import bare, without_comments

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


def asks_for_what_it_sets(statement: str) -> bool:
    """Whether an UPDATE names a column that it sets anywhere but in SET itself; True of another statement."""
    text = words(statement)
    update = re.search(r"\bupdate\s.*?\sset\s", text, re.IGNORECASE)
    if update is None:
        return True
    assignments, rest = _assignments(text[update.end() :])
    columns = {name for part in assignments for name in _names(part.partition("=")[0])}
    return not columns.isdisjoint(_names(f"{text[: update.start()]} {rest}"))


def _names(text: str) -> set[str]:
    return {name.strip('"').lower() for name in re.findall(_NAME, text)}


def _assignments(text: str) -> tuple[list[str], str]:
    """What stands between SET and the clause that follows, cut at commas; and the rest."""
    parts, depth = [""], 0
    for match in re.finditer(r"[()]|,|[^(),\s]+|\s+", text):
        token = match[0]
        if depth == 0 and token.lower() in ("from", "where", "returning"):
            return parts, text[match.start() :]
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return parts, ""
