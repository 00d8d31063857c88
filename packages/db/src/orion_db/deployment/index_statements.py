"""CREATE INDEX and DROP INDEX recognised in SQL, so that they can be run without locking the table out."""

import re
from dataclasses import dataclass

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
"""Pattern of a name as SQL writes it, with or without a schema."""

_CREATE = re.compile(
    rf"CREATE\s+(?P<unique>UNIQUE\s+)?INDEX\s+(?P<concurrently>CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?:(?!ON\b)(?P<name>{_NAME})\s+)?ON\s+(?P<only>ONLY\s+)?(?P<table>{QUALIFIED})\s*(?P<rest>(?:USING\b|\().*)",
    re.IGNORECASE | re.DOTALL,
)
_DROP = re.compile(
    rf"DROP\s+INDEX\s+(?P<concurrently>CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?"
    rf"(?P<names>{QUALIFIED}(?:\s*,\s*{QUALIFIED})*)(?:\s+RESTRICT)?\s*",
    re.IGNORECASE,
)
_LITERAL_OR_COMMENT = re.compile(
    r"""(?P<literal>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)|--[^\n]*|/\*.*?\*/""", re.DOTALL
)


@dataclass(frozen=True)
class CreateIndex:
    """`CREATE [UNIQUE] INDEX name ON table rest`; names as they are written, quotes included."""

    name: str | None
    table: str
    rest: str
    """From the method or the columns on."""
    unique: bool
    concurrently: bool
    only: bool


@dataclass(frozen=True)
class DropIndex:
    """`DROP INDEX names`, without CASCADE."""

    names: tuple[str, ...]
    concurrently: bool


def read_index_statement(statement: str) -> CreateIndex | DropIndex | None:
    """What the statement does to indexes; None when it is another statement, or one that is best left as it is."""
    sql = without_comments(statement)
    if match := _CREATE.fullmatch(sql):
        flags = {flag: match[flag] is not None for flag in ("unique", "concurrently", "only")}
        return CreateIndex(match["name"], match["table"], match["rest"].strip(), **flags)
    if match := _DROP.fullmatch(sql):
        return DropIndex(tuple(re.findall(QUALIFIED, match["names"])), match["concurrently"] is not None)
    return None


def without_comments(statement: str) -> str:
    """The statement without comments and the semicolon at its end; what stands in quotes is left alone."""
    return _LITERAL_OR_COMMENT.sub(lambda match: match["literal"] or " ", statement).strip().removesuffix(";").strip()


def bare(name: str) -> str:
    """The name as the catalog has it, without a schema: `public."Goods"` is Goods, `GOODS` is goods."""
    last = re.findall(_NAME, name)[-1]
    return last[1:-1].replace('""', '"') if last.startswith('"') else last.lower()
