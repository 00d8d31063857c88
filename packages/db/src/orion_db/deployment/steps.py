"""A revision cut into steps: what can be one transaction is, and what must not lock a table out stands alone.

Decision 10 says why. The cut is made once, when a deploy comes to the revision, and is recorded with its progress: a
deploy that goes on after a crash follows the record and not this module, which may have changed meanwhile.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from orion_db.deployment.index_statements import CreateIndex, DropIndex, bare, read_index_statement, without_comments
from orion_db.errors import Exit, Problem
from orion_db.revisions import Direction, Revision

StepKind = Literal["transaction", "concurrent index", "out of transaction", "backfill"]

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_CREATE_TABLE = re.compile(
    r"CREATE\s+(?:UNLOGGED\s+|(?:GLOBAL\s+|LOCAL\s+)?TEMP(?:ORARY)?\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    rf"(?P<name>{_NAME}(?:\s*\.\s*{_NAME})?)",
    re.IGNORECASE,
)
_CREATE_VIEW = re.compile(
    rf"CREATE\s+MATERIALIZED\s+VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>{_NAME}(?:\s*\.\s*{_NAME})?)", re.IGNORECASE
)
_RENAME = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<old>{_NAME}(?:\s*\.\s*{_NAME})?)\s+RENAME\s+TO\s+(?P<new>{_NAME})",
    re.IGNORECASE,
)
_NEVER_IN_TRANSACTION = re.compile(
    r"(?:VACUUM|REINDEX\b.*\bCONCURRENTLY|ALTER\s+TABLE\b.*\bDETACH\s+PARTITION\b.*\bCONCURRENTLY)\b",
    re.IGNORECASE | re.DOTALL,
)
_FOR_THE_TRANSACTION = re.compile(r"SET\s+LOCAL\s", re.IGNORECASE)


@dataclass(frozen=True)
class MigrationStep:
    """A part of a revision that is done, and recorded, as one."""

    kind: StepKind
    statements: tuple[str, ...]
    """In order. Every kind but `transaction` has one, and that of a backfill is repeated until it finds no row.

    A transaction without any runs the file's function, which asks the database what to do.
    """

    def __str__(self) -> str:
        sql = without_comments(self.statements[0]) if self.statements else "what the file finds to do"
        first = " ".join(sql.split())
        more = f" … and {len(self.statements) - 1} more" if len(self.statements) > 1 else ""
        return f"{self.kind}: {first if len(first) <= 120 else first[:119] + '…'}{more}"


def steps(
    revision: Revision, existing_tables: Collection[str], direction: Direction = "upgrade"
) -> tuple[MigrationStep, ...]:
    """The steps of a revision, in order, on a database that has these tables and materialized views (bare names).

    None of them locks a table that exists for longer than its catalog needs: an index of such a table is built and
    dropped concurrently. A revision whose SQL cannot be known beforehand is one transaction without statements here.
    Raises Problem `index_unnamed`.
    """
    try:
        statements = revision.statements(direction)
        found = tuple(_joined(list(_classified(statements, {*existing_tables}, revision))))
    except Problem as problem:
        if problem.code != "sql_unknown":
            raise
        found = (MigrationStep("transaction", ()),)
    backfill = revision.backfill if direction == "upgrade" else None
    if backfill is not None:
        found += (MigrationStep("backfill", (backfill,)),)
    return found or (MigrationStep("transaction", ()),)


def created_tables(revision: Revision) -> set[str]:
    """Tables and materialized views that the revision makes, by their bare names; nothing when its SQL is not known."""
    try:
        statements = map(without_comments, revision.statements())
        return {
            bare(match["name"]) for sql in statements if (match := _CREATE_TABLE.match(sql) or _CREATE_VIEW.match(sql))
        }
    except Problem:
        return set()


def _classified(statements: Iterable[str], existing: set[str], revision: Revision) -> Iterable[MigrationStep]:
    """Each statement as a step of its own kind."""
    autocommit = False
    made_here: set[str] = set()
    for statement in statements:
        sql = without_comments(statement)
        if sql.upper() in ("COMMIT", "BEGIN"):
            autocommit = sql.upper() == "COMMIT"
            continue
        index = read_index_statement(statement)
        if isinstance(index, CreateIndex) and (index.concurrently or bare(index.table) in existing) and not index.only:
            yield _build(index, statement, revision)
        elif isinstance(index, DropIndex) and (index.concurrently or (existing and not _any(index.names, made_here))):
            yield from (MigrationStep("concurrent index", (f"DROP INDEX {name}",)) for name in index.names)
        elif autocommit or _NEVER_IN_TRANSACTION.match(sql):
            yield MigrationStep("out of transaction", (statement,))
        else:
            yield MigrationStep("transaction", (statement,))
        if isinstance(index, CreateIndex) and index.name:
            made_here.add(bare(index.name))
        _follow(sql, existing)


def _build(index: CreateIndex, statement: str, revision: Revision) -> MigrationStep:
    if index.name is None:
        raise Problem(
            "index_unnamed",
            Exit.REFUSED,
            f"{revision.name} makes an index on {index.table} that has no name.",
            "The table exists, so its index is built concurrently, and one that a crash cut off is found by its name.",
            "Give it a name: CREATE INDEX ix_table_column ON …",
        )
    return MigrationStep("concurrent index", (statement,))


def _any(names: Iterable[str], known: set[str]) -> bool:
    return any(bare(name) in known for name in names)


def _follow(sql: str, existing: set[str]) -> None:
    """Keep the set of tables that others may be using: what is made here is not in use, whatever it replaces."""
    if match := _CREATE_TABLE.match(sql) or _CREATE_VIEW.match(sql):
        existing.discard(bare(match["name"]))
    elif (match := _RENAME.match(sql)) and bare(match["old"]) in existing:
        existing.discard(bare(match["old"]))
        existing.add(bare(match["new"]))


def _joined(single: Iterable[MigrationStep]) -> Iterable[MigrationStep]:
    """Neighbours that are transactional become one transaction, which begins with the SET LOCAL of those before it."""
    settings: tuple[str, ...] = ()
    for transactional, group in groupby(single, key=lambda step: step.kind == "transaction"):
        if not transactional:
            yield from group
            continue
        statements = tuple(statement for step in group for statement in step.statements)
        own = tuple(entry for entry in statements if _FOR_THE_TRANSACTION.match(without_comments(entry)))
        if len(own) < len(statements):
            yield MigrationStep("transaction", settings + statements)
        settings += own
