"""What a deploy would do, step by step, without doing it."""

from collections.abc import Collection
from dataclasses import dataclass

from orion_db.connections import owner_connection
from orion_db.deployment.apply import existing_tables
from orion_db.deployment.checks import Check, check
from orion_db.deployment.deploy import chosen, read_pending
from orion_db.deployment.steps import MigrationStep, created_tables, steps
from orion_db.deployment.unfinished import Unfinished, read_unfinished
from orion_db.errors import Exit
from orion_db.progress import Progress, silent
from orion_db.result import Result
from orion_db.revisions import Phase, Revision, read_revisions
from orion_db.targets import Target


@dataclass(frozen=True)
class PlannedRevision:
    """A revision that would be applied."""

    name: str
    phase: Phase
    steps: tuple[MigrationStep, ...]
    """Those that are left, of one that was cut off. One without statements asks the database what to do."""
    done: int = 0
    """Steps that an earlier deploy has done."""

    def in_words(self) -> list[str]:
        of = f", {self.done} of {self.done + len(self.steps)} steps done already" if self.done else ""
        numbered = enumerate(self.steps, self.done + 1)
        return [f"{self.name} ({self.phase}{of})", *(f"  {number}. {step}" for number, step in numbered)]


@dataclass(frozen=True)
class DeploymentPreview(Result):
    """Pending revisions and their steps; nothing was applied."""

    database: str
    revisions: tuple[PlannedRevision, ...]
    later: tuple[str, ...]

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.revisions else Exit.OK

    def in_words(self) -> list[str]:
        count = f"{len(self.revisions)} migrations would be applied" if self.revisions else "nothing to apply"
        lines = [line for revision in self.revisions for line in revision.in_words()]
        return [count, *lines, *(f"left for later: {name}" for name in self.later)]


async def preview(
    target: Target,
    *,
    up_to: str | None = None,
    phase: Phase | None = None,
    checks: Collection[Check] = (),
    progress: Progress = silent,
) -> DeploymentPreview:
    """The steps that `deploy` with the same options would do. Raises Problem as it does; takes no lock."""
    revisions = read_revisions(target.service.migrations)
    async with owner_connection(target, "deploy (dry run)") as connection:
        pending = await read_pending(connection, target, revisions)
        now = chosen(pending, revisions, up_to, phase)
        await check(target, connection, now, checks, progress)
        async with connection.begin():
            existing, unfinished = await existing_tables(connection), await read_unfinished(connection)
    planned: list[PlannedRevision] = []
    for revision in now:
        planned.append(_planned(revision, existing, unfinished))
        existing |= created_tables(revision)
    later = tuple(revision.name for revision in pending if revision not in now)
    return DeploymentPreview(target.service.name, target.database, tuple(planned), later)


def _planned(revision: Revision, existing: Collection[str], unfinished: Unfinished | None) -> PlannedRevision:
    if unfinished is None or unfinished.name != revision.name:
        return PlannedRevision(revision.name, revision.phase, steps(revision, existing))
    return PlannedRevision(revision.name, revision.phase, unfinished.steps[unfinished.done :], unfinished.done)
