"""The verb: what is due is found by the doctor's checks, done in order of need, and written down."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from orion_db.connections import login_connection
from orion_db.doctor.examine import Examiner, choose, doctor, look_around
from orion_db.doctor.finding import Finding
from orion_db.doctor.outside import Outside
from orion_db.doctor.report import Treatment
from orion_db.errors import Exit, Problem
from orion_db.maintain.guard import Guard
from orion_db.maintain.limits import Limits
from orion_db.maintain.treat import Ward, treat_all
from orion_db.progress import Progress, silent
from orion_db.prune import prune
from orion_db.result import Result
from orion_db.targets import Target

ORDER = (
    "invalid-index",
    "partitions-ahead",
    "wraparound-table",
    "vacuum-overdue",
    "index-bloat",
    "statistics-missing",
    "analyze-overdue",
    "partitioned-statistics",
)
"""What maintenance cares for, the most urgent first; of INVALID indexes, what a broken REINDEX has left."""

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Maintenance(Result):
    """What was done to a database, or would be."""

    database: str
    done: tuple[Treatment, ...]
    due: tuple[Finding, ...] = ()
    """Of a dry run: what would be done, and why."""
    left: int = 0
    """How many things are due still, since it ended before."""
    ended: str = ""
    """Why it ended before it was done, if it did."""
    score: int | None = None
    """After it, by a whole checkup."""

    @property
    def exit_code(self) -> Exit:
        return Exit.FOUND if self.left or any(not treatment.cured for treatment in self.done) else Exit.OK

    def in_words(self) -> list[str]:
        lines = [f"would  {'; '.join(finding.fix)}  -- {finding.what}" for finding in self.due]
        for treatment in self.done:
            outcome = "" if treatment.cured else f"  put off: {treatment.reason}"
            lines.append(f"{'; '.join(treatment.statements)}{outcome}")
        if self.ended:
            lines.append(f"ended early: {self.ended}; {self.left} left for the next time")
        if self.score is not None:
            lines.append(f"score {self.score} of 100")
        counted = f"{len(self.done)} done" if self.done else f"{len(self.due)} due" if self.due else "nothing due"
        return [counted, *lines]


async def maintain(
    target: Target,
    *,
    limits: Limits | None = None,
    stop: asyncio.Event | None = None,
    dry_run: bool = False,
    record: bool = True,
    outside: Outside | None = None,
    progress: Progress = silent,
) -> Maintenance:
    """Care for the database until nothing is due, the limits are reached or `stop` is set; then record a checkup.

    Raises Problem `locked` while another maintenance of this database is at work, and those of connecting.
    """
    service, stopping = target.service.name, stop or asyncio.Event()
    async with ward_of(target, limits or Limits(), stopping, progress, outside, alone=not dry_run) as ward:
        due = in_order(await ward.examiner.examine(choose(ORDER)))
        if dry_run:
            return Maintenance(service, target.database, (), due=tuple(due))
        treated, ended = await treat_all(ward, due)
        ended = ended or ward.guard.over()
        pruned = None if ended else await _prune(ward, outside or Outside())
    score = None
    if not stopping.is_set():
        score = (await doctor(target, record=record, outside=outside, progress=progress)).score
    left = max(0, len(due) - len(treated)) if ended else 0
    done = (*treated, *([pruned] if pruned else []))
    return Maintenance(service, target.database, done, left=left, ended=ended or "", score=score)


async def _prune(ward: Ward, outside: Outside) -> Treatment | None:
    """Let go of what is past its retention, whole months among it, for as long as there is time."""
    target = ward.target
    ending = asyncio.Event()
    looking = asyncio.create_task(_end_when_over(ward, ending))
    try:
        pruning = await prune(target, overrides=outside.retention, stop=ending, progress=ward.progress)
    except Problem as problem:
        if problem.code == "no_retention":  # none of its tables lets go of anything
            return None
        return Treatment("retention-debt", target.database, (), cured=False, reason=problem.what)
    finally:
        looking.cancel()
    put_off = "; ".join(f"{table.table}: {table.put_off}" for table in pruning.tables if table.put_off)
    words = (f"prune: {pruning.in_words()[0]}",)
    return Treatment("retention-debt", target.database, words, cured=not put_off, reason=put_off)


async def _end_when_over(ward: Ward, ending: asyncio.Event) -> None:
    while ward.guard.over() is None:
        with suppress(TimeoutError):
            await asyncio.wait_for(ward.guard.stop.wait(), _LOOK_SECONDS)
    ending.set()


@asynccontextmanager
async def ward_of(
    target: Target,
    limits: Limits,
    stop: asyncio.Event,
    progress: Progress,
    outside: Outside | None = None,
    *,
    alone: bool,
) -> AsyncGenerator[Ward]:
    """A database with a guard and an examiner. `alone`: nobody else treats it meanwhile. Raises Problem `locked`."""
    async with (
        login_connection(target, "maintain", autocommit=True) as watching,
        login_connection(target, "maintain") as looking,
    ):
        guard = Guard(watching, limits, stop)
        if alone:
            await guard.enter()
        examiner = Examiner(looking, target, await look_around(looking, target, outside), progress)
        yield Ward(target, examiner, guard, progress)


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What may be done by itself, the most urgent first."""
    due = [finding for finding in findings if finding.safe and not _is_for_the_doctor(finding)]
    return sorted(due, key=lambda finding: ORDER.index(finding.check))


def _is_for_the_doctor(finding: Finding) -> bool:
    return finding.check == "invalid-index" and "_ccnew" not in finding.object and "_ccold" not in finding.object
