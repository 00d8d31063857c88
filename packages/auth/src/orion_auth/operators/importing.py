"""`orion auth import`: a file of users, streamed."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import typer

from orion_auth.imports.actions import LONGEST_LINE, Line, Report, read_line, take_in
from orion_auth.operators.desk import Desk, Done, say
from orion_core.exits import Exit

BATCH = 100
"""Lines of one transaction: what is lost, and done again, when an import is cut off."""


async def import_users(desk: Desk, file: BinaryIO, *, first_line: int, dry_run: bool, as_json: bool) -> Done:
    """Take in every line from `first_line` on, and tell what became of those that were not simply taken in."""
    counts: Counter[str] = Counter(CREATED=0, EXISTS=0, REFUSED=0)
    lines = (line for line in _lines(file) if line.number >= first_line)
    while batch := list(itertools.islice(lines, BATCH)):
        reports = await take_in(
            desk.database, desk.outbox, batch, operator=desk.operator, now=desk.now, dry_run=dry_run
        )
        counts.update(report.outcome for report in reports)
        for report in reports:
            _tell(report, as_json=as_json)
    facts = {"created": counts["CREATED"], "exist": counts["EXISTS"], "refused": counts["REFUSED"], "dry_run": dry_run}
    sentence = (
        f"{counts['CREATED']} {'would be ' if dry_run else ''}created, {counts['EXISTS']} there already, "
        f"{counts['REFUSED']} refused."
    )
    return Done(sentence, facts, Exit.FOUND if counts["REFUSED"] else Exit.OK)


def _lines(file: BinaryIO) -> Iterator[Line]:
    """The lines that are not empty. Of one that is too long no more is held than its limit."""
    number, is_rest = 0, False
    while text := file.readline(LONGEST_LINE + 2):
        if not is_rest:
            number += 1
            if text.strip():
                yield read_line(number, text)
        is_rest = not text.endswith(b"\n")


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        facts = {"line": report.line, "outcome": report.outcome, "user_id": report.user_id, "reason": report.reason}
        say({name: fact for name, fact in facts.items() if fact is not None})
    elif report.outcome == "REFUSED":
        typer.echo(f"line {report.line}: {report.reason}", err=True)
