"""All rules over the revisions of a service, with what is accepted told apart."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from orion_core.service import Service
from orion_db.connections import maintenance_connection, owner_connection, server_version
from orion_db.errors import Exit
from orion_db.history import read_history
from orion_db.lint import squawk
from orion_db.lint.catalog_rules import catalog_findings, phase_findings
from orion_db.lint.file_rules import RevisionFile, file_findings, read_file
from orion_db.lint.finding import Finding, finding
from orion_db.lint.rules import RULES, Severity
from orion_db.lint.statement_rules import failure_findings, statement_findings
from orion_db.progress import Progress, silent
from orion_db.result import Result
from orion_db.revisions import Revision, read_revisions
from orion_db.targets import Target
from orion_db.trace import Trace, trace, unknown_revision

_NEVER_ACCEPTED = frozenset({"fails", "acceptance-without-reason", "acceptance-unknown", "acceptance-unused"})


@dataclass(frozen=True)
class Linting(Result):
    """What is wrong with the revisions that were looked at."""

    revisions: tuple[str, ...]
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    """Findings that the revision's file accepts; each with its reason."""
    not_tried: tuple[str, ...] = ()
    """Revisions behind one that does not run; of these only the files were read."""

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.findings or self.not_tried else Exit.OK

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(found for found in self.findings if found.severity is Severity.ERROR)

    def in_words(self) -> list[str]:
        count = f"{len(self.revisions)} migrations"
        if self.findings:
            warnings = len(self.findings) - len(self.errors)
            lines = [f"{len(self.errors)} errors and {warnings} warnings in {count}"]
        else:
            lines = [f"nothing found in {count}"]
        for found in self.findings:
            lines += [str(found), f"  do instead: {found.instead}"]
        lines += [f"not tried, as one before it does not run: {name}" for name in self.not_tried]
        return lines + [f"accepted {found.rule} in {found.revision}: {found.accepted}" for found in self.accepted]


async def lint(
    target: Target,
    *,
    revisions: Collection[str] | None = None,
    pending: bool = False,
    progress: Progress = silent,
) -> Linting:
    """Look at the named revisions (default: all; `pending`: those that the database has not).

    Works on a scratch database of the target's server and touches nothing of the target. Raises Problem
    `unknown_revision`, `squawk_missing`, `may_not_create_databases`, and those of connecting.
    """
    known = read_revisions(target.service.migrations)
    if problem := unknown_revision(revisions or (), known):
        raise problem
    chosen = [revision for revision in known if revisions is None or revision.name in revisions]
    if pending:
        applied = await _applied(target)
        chosen = [revision for revision in chosen if revision.name not in applied]
    traces = await trace(target, known, {revision.name for revision in chosen}, progress)
    return await judge(target, chosen, traces)


async def judge(target: Target, chosen: Sequence[Revision], traces: Sequence[Trace]) -> Linting:
    """The findings on revisions that have been traced already."""
    async with maintenance_connection(target, "lint") as connection:
        version = await server_version(connection)
    by_name = {found.revision.name: found for found in traces}
    findings: list[Finding] = []
    for revision in chosen:
        file = read_file(revision.name, revision.file)
        found = list(file_findings(revision, file))
        if traced := by_name.get(revision.name):
            found += await _traced_findings(traced, file, version, target.service)
        findings += _weighed(file, found, complete=traced is not None and traced.failure is None)
    return Linting(
        target.service.name,
        tuple(revision.name for revision in chosen),
        tuple(found for found in findings if not found.accepted),
        tuple(found for found in findings if found.accepted),
        tuple(revision.name for revision in chosen if revision.name not in by_name),
    )


async def _applied(target: Target) -> set[str]:
    async with owner_connection(target, "lint") as connection, connection.begin():
        return {entry.name for entry in await read_history(connection)}


async def _traced_findings(traced: Trace, file: RevisionFile, version: int, service: Service) -> list[Finding]:
    found = [*failure_findings(traced), *statement_findings(traced)]
    if traced.failure is None:
        found += catalog_findings(traced, service)
        found += phase_findings(traced, file.phase)
    found += await squawk.squawk_findings(traced, version, file.phase)
    return [_placed(entry, traced, file) for entry in found]


def _placed(found: Finding, traced: Trace, file: RevisionFile) -> Finding:
    """With the statement that it is about, and its line in the file."""
    statement = found.statement or next((s.sql for s in traced.statements if found.table and found.table in s.sql), "")
    line = found.line or (file.line_of(statement) if statement else None)
    return replace(found, statement=statement, line=line)


def _weighed(file: RevisionFile, found: list[Finding], *, complete: bool) -> Iterator[Finding]:
    """The findings, those that are accepted with their reason, and what is wrong with the acceptances themselves."""
    accepted = file.accepted()
    for entry in found:
        yield replace(entry, accepted="" if entry.rule in _NEVER_ACCEPTED else accepted.get(entry.rule, ""))
    value = file.constant("accepted")
    line = value.lineno if value else None
    for rule, reason in accepted.items():
        if rule in _NEVER_ACCEPTED or rule not in RULES.keys() | squawk.RULES.keys():
            about = finding(file.revision, "acceptance-unknown", f"{rule!r} cannot be accepted, or is no rule.")
        elif not reason:
            about = finding(file.revision, "acceptance-without-reason", f"{rule} is accepted without a reason.")
        elif complete and not any(entry.rule == rule for entry in found):
            about = finding(file.revision, "acceptance-unused", f"{rule} is accepted, and nothing of it is found.")
        else:
            continue
        yield replace(about, line=line)
    if value is not None and not accepted:
        what = "`accepted` is not a dictionary of rules and reasons."
        yield replace(finding(file.revision, "acceptance-without-reason", what), line=line)
