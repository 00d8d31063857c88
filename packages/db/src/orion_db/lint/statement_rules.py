"""What is wrong with the statements of a revision, from what PostgreSQL did at each of them."""

from collections.abc import Iterator

from orion_db.deployment.index_statements import bare, without_comments
from orion_db.lint.finding import Finding, finding
from orion_db.lint.sql import altered_table, asks_for_what_it_sets, changed_tables, contains, matches
from orion_db.recorder import TracedStatement
from orion_db.trace import Trace

_BY_WORDS = (
    ("drop-cascade", r"(?:drop|alter)\b.*(?<!on delete )(?<!on update )\bcascade\b"),
    ("truncate", r"truncate\b"),
    ("lock-table", r"lock\b"),
    (
        "not-for-migrations",
        (
            r"vacuum\b|cluster\b|checkpoint|copy\b|alter system|reindex (?:\(.*\) )?(?:system|database|schema)\b"
            r"|(?:create|alter|drop) (?:database|role|user|group|tablespace|subscription)\b|(?:reassign|drop) owned"
            r"|set (?!local\b|constraints\b)|reset\b|begin\b|commit\b|rollback\b|prepare transaction|listen\b|notify\b"
        ),
    ),
)
_SCHEMA_CHANGE = r"create|alter|drop|reindex|refresh"
_ADDS_CONSTRAINT = r"\badd (?:constraint|check|unique|primary|foreign|exclude)\b|\breferences\b"
_ADDS_COLUMN = r"\badd (?!constraint\b|check\b|unique\b|primary\b|foreign\b|exclude\b)"
_TYPE_CHANGE = r"\balter (?:column )?\S+ (?:set data )?type\b"
_ONE_BATCH = r"\blimit\b|\bfetch (?:first|next)\b"


def statement_findings(trace: Trace) -> Iterator[Finding]:
    """All findings on single statements, in their order, and those on what stands in one transaction."""
    name = trace.revision.name
    for statement in trace.statements:
        for rule, pattern in _BY_WORDS:
            if matches(pattern, statement.sql):
                yield finding(name, rule, f"{_short(statement.sql)}.", statement=statement.sql)
        yield from _rewriting(name, statement)
        yield from _scanning(name, statement)
    yield from _data(trace)
    yield from _several_tables(trace)


def failure_findings(trace: Trace) -> Iterator[Finding]:
    """Why the revision does not run at all."""
    if failure := trace.failure:
        rule = "enum-label-used-at-once" if failure.sqlstate == "55P04" else "fails"
        yield finding(trace.revision.name, rule, failure.reason, statement=failure.sql)


def _rewriting(name: str, statement: TracedStatement) -> Iterator[Finding]:
    for table in statement.rewrites:
        if matches("truncate", statement.sql):
            continue
        rule = "rewrites-table"
        if contains(_TYPE_CHANGE, statement.sql):
            rule = "type-change-rewrites"
        elif altered_table(statement.sql) and contains(_ADDS_COLUMN, statement.sql):
            rule = "default-rewrites"
        what = f"writes every row of {table} anew: {_short(statement.sql)}."
        yield finding(name, rule, what, table=table, statement=statement.sql)


def _scanning(name: str, statement: TracedStatement) -> Iterator[Finding]:
    if statement.kind in ("concurrent index", "backfill") or changed_tables(statement.sql):
        return
    shut = {lock.table for lock in statement.held if lock.blocks_writes}
    for table in (table for table in statement.scans if table in shut and table not in statement.rewrites):
        if matches(r"create (?:unique )?index", statement.sql):
            continue  # squawk's require-concurrent-index-creation says it
        what = f"reads all of {table} while nobody can write to it: {_short(statement.sql)}."
        yield finding(name, _scan_rule(statement.sql), what, table=table, statement=statement.sql)


def _scan_rule(sql: str) -> str:
    if contains(r"\bset not null\b", sql):
        return "not-null-scans"
    if contains(r"\bvalidate constraint\b", sql):
        return "validates-under-lock"
    if contains(r"\battach partition\b|\bpartition of\b", sql):
        return "attach-scans"
    if contains(_ADDS_CONSTRAINT, sql):
        return "constraint-scans"
    return "scans-under-lock"


def _data(trace: Trace) -> Iterator[Finding]:
    """Rows of tables that existed before: what the revision fills of its own making is nobody else's."""
    name = trace.revision.name
    changes_schema = any(matches(_SCHEMA_CHANGE, statement.sql) for statement in trace.statements)
    for statement in trace.statements:
        table = _data_of(trace, statement)
        if table is None:
            continue
        what = f"changes rows of {table}: {_short(statement.sql)}."
        if statement.kind == "backfill":
            if not contains(_ONE_BATCH, statement.sql):
                yield finding(name, "data-without-batches", what, table=table, statement=statement.sql)
            if not asks_for_what_it_sets(statement.sql):
                yield finding(name, "backfill-without-end", what, table=table, statement=statement.sql)
            continue
        if changes_schema:
            yield finding(name, "data-in-schema-change", what, table=table, statement=statement.sql)
        if not matches(r"insert into .* values\b", statement.sql):
            yield finding(name, "data-without-batches", what, table=table, statement=statement.sql)


def _data_of(trace: Trace, statement: TracedStatement) -> str | None:
    """The table whose rows it changes, if it existed; a DO block or a function shows by the lock that it takes."""
    existing = {bare(table) for table in trace.existing}
    changed = changed_tables(statement.sql)
    if changed and not matches(r"do\b", statement.sql):
        return next((table for table in changed if table in existing), None)
    if in_block := next((table for table in changed if table in existing), None):
        return in_block
    return next((lock.table for lock in statement.locks if lock.mode == "ROW EXCLUSIVE"), None)


def _several_tables(trace: Trace) -> Iterator[Finding]:
    """One finding for a transaction, at the statement that takes the second table."""
    shut: dict[int, set[str]] = {}
    for statement in trace.statements:
        already = shut.setdefault(statement.step, set())
        count = len(already)
        already |= {lock.table for lock in statement.locks if lock.blocks_reads}
        if count < 2 <= len(already):
            what = f"shuts {', '.join(sorted(already))} in one transaction."
            yield finding(trace.revision.name, "locks-several-tables", what, statement=statement.sql)


def _short(sql: str) -> str:
    found = " ".join(without_comments(sql).split())
    return found if len(found) <= 100 else f"{found[:99]}…"
