"""Squawk, a linter of PostgreSQL migrations, run as a program on the SQL that a deploy executes."""

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from orion_db.deployment.index_statements import without_comments
from orion_db.errors import Exit, Problem
from orion_db.lint.finding import Finding
from orion_db.lint.rules import Severity
from orion_db.lint.sql import matches
from orion_db.recorder import TracedStatement
from orion_db.revisions import Phase
from orion_db.trace import Trace

EXCLUDED = {
    "prefer-text-field": "Every string has a length here (the seed document's schema says which). Making the n of a "
    "varchar(n) larger neither rewrites nor scans. text-without-length asks for the length.",
    "prefer-robust-stmts": "IF [NOT] EXISTS would let a half-made object of another shape pass for the wanted one. A "
    "transaction comes whole or not at all; every other step is recorded, and a deploy cleans up what a crash left.",
    "prefer-bigint-over-int": "Counters and sizes are as wide as what they count. Of keys narrow-key asks it.",
    "prefer-bigint-over-smallint": "As prefer-bigint-over-int.",
    "require-statement-timeout": "What may not last is the waiting for locks, and lock_timeout is set. A statement cut "
    "off midway has blocked for nothing and will again; what lasts long under a lock is found by the rules of scans "
    "and rewrites.",
}
"""Rules of squawk that this house contradicts as a whole, each with its reason."""

REPLACED = {
    "adding-field-with-default": "default-rewrites",
    "adding-foreign-key-constraint": "constraint-scans",
    "adding-not-nullable-field": "not-null-scans",
    "ban-alter-identity": "wrong-phase",
    "ban-drop-column": "wrong-phase",
    "ban-drop-constraint": "wrong-phase",
    "ban-drop-database": "not-for-migrations",
    "ban-drop-default": "wrong-phase",
    "ban-drop-domain": "wrong-phase",
    "ban-drop-extension": "wrong-phase",
    "ban-drop-function": "wrong-phase",
    "ban-drop-generated-expression": "wrong-phase",
    "ban-drop-not-null": "wrong-phase",
    "ban-drop-schema": "wrong-phase",
    "ban-drop-sequence": "wrong-phase",
    "ban-drop-table": "wrong-phase",
    "ban-drop-type": "wrong-phase",
    "ban-drop-view": "wrong-phase",
    "ban-set-schema": "wrong-phase",
    "ban-truncate-cascade": "truncate",
    "changing-column-type": "type-change-rewrites",
    "constraint-missing-not-valid": "constraint-scans",
    "disallowed-unique-constraint": "constraint-scans",
}
"""Rules of squawk that go by the text alone, and the rule of ours that asks PostgreSQL the same.

Ours knows whether the table was there before, whether a statement rewrites or scans it, what running code loses and in
which phase; `lint` leaves squawk's word out for it. Squawk itself is not kept from saying it."""

RULES = {
    "adding-required-field": Severity.ERROR,
    "adding-serial-primary-key-field": Severity.ERROR,
    "ban-alter-domain-with-add-constraint": Severity.ERROR,
    "ban-char-field": Severity.WARNING,
    "ban-concurrent-index-creation-in-transaction": Severity.ERROR,
    "ban-create-domain-with-constraint": Severity.WARNING,
    "ban-disable-trigger": Severity.ERROR,
    "ban-replica-identity": Severity.WARNING,
    "ban-uncommitted-transaction": Severity.ERROR,
    "identifier-too-long": Severity.ERROR,
    "prefer-identity": Severity.ERROR,
    "prefer-repack": Severity.WARNING,
    "prefer-timestamp-tz": Severity.ERROR,
    "renaming-column": Severity.ERROR,
    "renaming-object": Severity.ERROR,
    "renaming-table": Severity.ERROR,
    "require-concurrent-index-creation": Severity.ERROR,
    "require-concurrent-index-deletion": Severity.ERROR,
    "require-concurrent-partition-detach": Severity.ERROR,
    "require-concurrent-reindex": Severity.ERROR,
    "require-enum-value-ordering": Severity.WARNING,
    "require-lock-timeout": Severity.ERROR,
    "syntax-error": Severity.ERROR,
    "transaction-nesting": Severity.ERROR,
}
"""Rules of squawk that speak here, and how much they weigh. One of a newer squawk is an error until it is weighed."""

_RENAMES = ("renaming-column", "renaming-object", "renaming-table")

INCLUDED = ("ban-disable-trigger", "ban-replica-identity")
"""Rules that squawk leaves off by default and that we want."""


@dataclass(frozen=True)
class Script:
    """A revision as the SQL that a deploy sends, and which of its lines are which statement."""

    sql: str
    statements: dict[int, TracedStatement]
    """By the line (from 0) on which it begins."""

    def statement_at(self, line: int) -> TracedStatement | None:
        before = [start for start in self.statements if start <= line]
        return self.statements[max(before)] if before else None


def script(trace: Trace) -> Script:
    """Write out what was traced. Comments are left out: an acceptance stands in `accepted`, not in one of them."""
    lines: list[str] = ["SET lock_timeout = '2s';"]
    starts: dict[int, TracedStatement] = {}
    for _, group in groupby(trace.statements, key=lambda statement: statement.step):
        step = list(group)
        in_transaction = step[0].kind in ("transaction", "backfill")
        lines += ["BEGIN;", "SET LOCAL lock_timeout = '2s';"] if in_transaction else []
        for statement in step:
            starts[len(lines)] = statement
            lines += f"{without_comments(statement.sql)};".splitlines()
        lines += ["COMMIT;"] if in_transaction else []
    return Script("\n".join(lines) + "\n", starts)


async def run_squawk(sql: str, server_version: int, *, exclude: tuple[str, ...]) -> list[dict[str, Any]]:
    """What squawk says of the SQL: its JSON, for a server of that `server_version_num`. Raises Problem."""
    words = ["--reporter", "json", "--pg-version", str(server_version // 10000), "--stdin-filepath", "revision.sql"]
    words += [word for rule in exclude for word in ("--exclude", rule)]
    words += [word for rule in INCLUDED for word in ("--include", rule)]
    process = await asyncio.create_subprocess_exec(
        _program(), *words, cwd="/", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=-1
    )  # in the root directory no .squawk.toml of somebody's project is near
    out, err = await process.communicate(sql.encode())
    try:
        return json.loads(out)
    except ValueError:
        raise Problem(
            "squawk_failed",
            Exit.FAILED,
            "squawk did not answer with JSON.",
            err.decode(errors="replace").strip()[:500],
            "Compare its version with the one that packages/db/pyproject.toml names.",
        ) from None


async def squawk_findings(trace: Trace, server_version: int, phase: Phase) -> list[Finding]:
    """Squawk's findings on a traced revision, less those that a rule of ours decides with more knowledge."""
    written = script(trace)
    if not written.statements:
        return []
    told = await run_squawk(written.sql, server_version, exclude=tuple(EXCLUDED))
    found = [_finding(trace, written, entry) for entry in told if entry["rule_name"] not in REPLACED]
    found = [entry for entry in found if not (entry.rule in _RENAMES and _is_judged(entry.statement, phase))]
    # What stands as a plain DROP INDEX in a step of its own is a partitioned one: CONCURRENTLY is not to be had.
    steps = {statement.sql for statement in trace.statements if statement.kind == "concurrent index"}
    return [f for f in found if not (f.rule == "require-concurrent-index-deletion" and f.statement in steps)]


def _is_judged(rename: str, phase: Phase) -> bool:
    """Whether a rename needs no word of squawk's: in phase pre, wrong-phase tells what running code loses by it.

    Names of indexes and constraints are in no statement of running code.
    """
    return phase == "pre" or matches(r"alter index\b|alter table\b.* rename constraint\b", rename)


def _finding(trace: Trace, written: Script, told: dict[str, Any]) -> Finding:
    rule, statement = str(told["rule_name"]), written.statement_at(int(told["line"]))
    return Finding(
        trace.revision.name,
        rule,
        RULES.get(rule, Severity.ERROR),
        str(told["message"]),
        str(told["help"] or f"https://squawkhq.com/docs/{rule}"),
        statement=statement.sql if statement else "",
    )


def _program() -> str:
    beside = Path(sys.executable).with_name("squawk")
    found = str(beside) if beside.exists() else shutil.which("squawk")
    if found is None:
        raise Problem(
            "squawk_missing",
            Exit.USAGE,
            "The program squawk is not installed.",
            "It comes with the Python package squawk-cli, which orion-db asks for.",
            "Run `make setup`, or pip install squawk-cli.",
        )
    return found
