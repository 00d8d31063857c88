"""A statement as somebody typed it: whether it may be explained, and its placeholders."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orion_db.errors import Exit, Problem

# What stands in quotes or in a comment is no word of the statement (PostgreSQL documentation, chapter 4.1).
_TOKEN = re.compile(
    r"""
    (?P<opaque>
      [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'
      | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
      | --[^\n]* | /\*.*?\*/
    )
    | (?P<cast>::)
    | :(?P<name>[A-Za-z_]\w*)
    | \$(?P<number>\d+)
    | "(?P<quoted>(?:[^"]|"")*)"
    | (?P<word>[A-Za-z_][\w$]*)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)

_CALL = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*\(", re.DOTALL)

_READS = frozenset({"select", "values", "table", "with"})
_WRITES = frozenset({"insert", "update", "delete", "merge"})

_LASTING = re.compile(
    r"pg_(terminate|cancel)_backend|pg_(reload_conf|rotate_logfile|switch_wal|promote|logical_emit_message"
    r"|create_restore_point|backup_start|backup_stop|wal_replay_\w+|stat_reset\w*|stat_statements_reset"
    r"|(create|drop|copy)_\w*slot\w*|replication_slot_advance|replication_origin_\w+|file_write|file_unlink"
    r"|execute_server_program|try_advisory_lock(_shared)?|advisory_lock(_shared)?)|lo_(export|import)|dblink\w*|nextval|setval",
)
"""Functions whose effect outlives a rollback, or reaches beyond this database.

Against accidents: who hides a call in a function of his own could as well run it himself, with the same rights.
"""


@dataclass(frozen=True)
class Statement:
    """One statement that EXPLAIN takes, with `$1`, `$2`, … for the values that are not known."""

    sql: str
    reads_only: bool
    lasting: tuple[str, ...]
    """Functions called in it whose effect no rollback takes back."""
    unknown: int = 0
    """How many values are not known; then only the generic plan can be shown."""


def read_statement(typed: str, values: Mapping[str, str | None]) -> Statement:
    """The statement with the values put in as literals, so that it is planned for just these.

    A placeholder is `:name` or `$1`; its value is found under `name` or `1`. Raises Problem `not_explainable` for
    more than one statement and for anything but a query or a change of rows, and `no_such_placeholder`.
    """
    words, lasting, ends = _words(typed)
    if not words:
        raise _refused("There is no statement in it.")
    if len(ends) > 1 or (ends and typed[ends[0] + 1 :].strip()):
        raise _refused("It is more than one statement.")
    if words[0] not in _READS | _WRITES:
        raise _refused(f"{words[0].upper()} is not a query and changes no rows.")
    sql, unknown, left_over = _filled(typed.rstrip().rstrip(";") if ends else typed, values)
    if left_over:
        raise Problem(
            "no_such_placeholder",
            Exit.USAGE,
            f"The statement has no placeholder {min(left_over)!r}.",
            "",
            "Write it as :name or $1 in the statement, and give it with --set name=value or --set 1=value.",
        )
    changes = not _WRITES.isdisjoint(words) or words[0] not in _READS
    locks = re.search(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", " ".join(words)) is not None
    return Statement(sql, not (changes or locks), tuple(lasting), unknown)


def recorded_statement(sql: str) -> Statement:
    """A statement of a service's own, whose values travel beside it."""
    words, lasting, _ = _words(sql)
    locks = "for update" in " ".join(words) or "for no key update" in " ".join(words) or "share" in words
    return Statement(sql, _WRITES.isdisjoint(words) and not locks, tuple(lasting))


def literal(value: str | None) -> str:
    """The value as an SQL literal of no type yet: PostgreSQL finds it from what stands beside it."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _words(sql: str) -> tuple[list[str], list[str], list[int]]:
    """Words in lower case, the functions among them whose effect lasts, and where semicolons are."""
    words: list[str] = []
    lasting: list[str] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(sql):
        if match["word"]:
            words.append(match["word"].lower())
        name = match["quoted"] or (match["word"] or "").lower()
        if _LASTING.fullmatch(name) and _CALL.match(sql, match.end()):
            lasting.append(name)
        if match["end"]:
            ends.append(match.start())
    return words, lasting, ends


def _filled(sql: str, values: Mapping[str, str | None]) -> tuple[str, int, set[str]]:
    numbers: dict[str, int] = {}
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        name = match["name"] or match["number"]
        if name is None:
            return match[0]
        if name in values:
            used.add(name)
            return literal(values[name])
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    filled: Callable[[re.Match[str]], str] = fill
    return _TOKEN.sub(filled, sql), len(numbers), set(values) - used


def _refused(why: str) -> Problem:
    return Problem(
        "not_explainable",
        Exit.REFUSED,
        "This cannot be explained.",
        why,
        "Give one SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE or MERGE: those are run in a transaction that is "
        "rolled back. Transaction control, DDL, COPY, DO and CALL could leave something behind.",
    )
