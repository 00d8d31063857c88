"""Where a database stands: applied, pending, drifted."""

from dataclasses import dataclass

from orion_db.catalog import Difference
from orion_db.connections import owner_connection
from orion_db.default_partitions import Stranded, read_stranded
from orion_db.deployment.unfinished import read_unfinished
from orion_db.drift.drift import differences_in
from orion_db.drift.drifted_history import drifted_history
from orion_db.errors import Exit, Problem
from orion_db.history import Applied, compare_history, read_history
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result
from orion_db.revisions import read_revisions
from orion_db.role_drift import read_role_drift
from orion_db.scratch import catalog_of
from orion_db.targets import Target


@dataclass(frozen=True)
class Status(Result):
    """Applied and pending revisions, and how the live schema differs from the one that the applied ones make."""

    database: str
    applied: tuple[Applied, ...]
    pending: tuple[str, ...]
    edited: tuple[str, ...]
    unknown: tuple[str, ...]
    passed_over: tuple[str, ...]
    drift: tuple[Difference, ...] | None
    """None when it could not be looked for; `drift_unknown` says why."""
    drift_unknown: str = ""
    stranded: tuple[Stranded, ...] = ()
    """Tables with rows in their default partition: no drift, but somebody should know."""
    half_done: str | None = None
    """A revision of which some steps are committed; the next deploy (or rollback) finishes it."""

    @property
    def exit_code(self) -> Exit:
        if self.edited or self.unknown or self.passed_over or self.drift:
            return Exit.DRIFTED
        return Exit.FOUND if self.pending or self.half_done else Exit.OK

    def in_words(self) -> list[str]:
        last = f", the last is {self.applied[-1].name}" if self.applied else ""
        lines = [f"{len(self.applied)} applied{last}"]
        lines += [f"pending: {name}" for name in self.pending if name not in self.passed_over]
        lines += [f"half done: {self.half_done}"] if self.half_done else []
        lines += [f"passed over: {name} is not applied, though later ones are" for name in self.passed_over]
        lines += [f"edited after it was applied: {name}" for name in self.edited]
        lines += [f"applied, but not in this code: {name}" for name in self.unknown]
        if self.drift is None:
            lines.append(f"drift: not looked for. {self.drift_unknown}")
        lines += [f"drift: {difference}" for difference in self.drift or ()]
        clean = len(lines) == 1 and self.drift is not None
        return ([f"{lines[0]}; nothing pending, no drift"] if clean else lines) + [
            str(found) for found in self.stranded
        ]


async def status(target: Target, *, drift: bool = True, progress: Progress = silent) -> Status:
    """Compare the database with the revision files, and its catalog with the one they make in a scratch database."""
    revisions = read_revisions(target.service.migrations)
    async with owner_connection(target, "status") as connection, connection.begin():
        standing = compare_history(revisions, await read_history(connection))
        stranded = await read_stranded(connection)
        unfinished = await read_unfinished(connection)
        roles = await read_role_drift(connection, target)
    found: tuple[Difference, ...] | None = None
    why = "It was not asked for."
    if standing.unknown:
        why = "The database has migrations that are not here, so what it should be is not known."
    elif drift:
        progress(Step(target.service.name, "comparing the schema with what the migrations make"))
        try:
            live = await catalog_of(target)
            _, expected = await drifted_history(target, revisions, standing, live, guess=False)
            found = (*differences_in(expected, live, stranded), *(role.difference for role in roles))
            why = ""
        except Problem as problem:
            if problem.code != "may_not_create_databases":
                raise
            why = f"{problem.what} {problem.todo}"
    return Status(
        target.service.name,
        target.database,
        standing.applied,
        tuple(revision.name for revision in standing.pending),
        standing.edited,
        standing.unknown,
        standing.passed_over,
        found,
        why,
        stranded,
        str(unfinished) if unfinished else None,
    )
