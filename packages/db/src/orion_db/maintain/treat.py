"""Doing what findings say, one after the other, and looking whether it helped."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from orion_db.doctor.checks import BY_ID
from orion_db.doctor.examine import Examiner
from orion_db.doctor.finding import Finding
from orion_db.doctor.report import Treatment
from orion_db.maintain.guard import Guard
from orion_db.maintain.statement import run
from orion_db.progress import Progress, Step, silent
from orion_db.targets import Target

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Ward:
    """One database under treatment."""

    target: Target
    examiner: Examiner
    guard: Guard
    progress: Progress = silent


async def treat_all(ward: Ward, findings: Sequence[Finding]) -> tuple[list[Treatment], str | None]:
    """Treat them in this order: what came of each, and why it ended before the last one, if it did."""
    treatments: list[Treatment] = []
    touched: set[str] = set()
    for finding in findings:
        if ended := await _quiet(ward):
            return treatments, ended
        if finding.table in touched and not await _still(ward, finding):
            continue  # what was done before has cured it too
        treatments.append(await _treat(ward, finding))
        touched.add(finding.table)
    return treatments, None


async def _quiet(ward: Ward) -> str | None:
    """Wait until the server is quiet enough. Why there is no more waiting, if it must end."""
    told: str | None = None
    while not (over := ward.guard.over()):
        busy = await ward.guard.busy()
        if busy is None:
            return None
        if busy != told:
            ward.progress(Step(ward.target.service.name, busy, "waiting"))
            told = busy
        try:
            await asyncio.wait_for(ward.guard.stop.wait(), _PAUSE_SECONDS)
        except TimeoutError:
            continue
    return f"{over}; {told}" if told else over


async def _treat(ward: Ward, finding: Finding) -> Treatment:
    statements = tuple(line for line in finding.fix if not line.startswith("--"))
    for statement in statements:
        if failed := await run(ward.target, statement, finding.table, ward.guard, ward.progress):
            return Treatment(finding.check, finding.object, statements, cured=False, reason=failed)
    cured = not await _still(ward, finding)
    ward.progress(Step(ward.target.service.name, "; ".join(statements), "done"))
    why = "" if cured else _why_not(finding)
    return Treatment(finding.check, finding.object, statements, cured, why)


def _why_not(finding: Finding) -> str:
    vacuumed = any(statement.startswith("VACUUM") for statement in finding.fix)
    held = "; somebody's old transaction keeps dead rows (check xmin-held names him)" if vacuumed else ""
    return f"it was done, and the check still finds it{held}"


async def _still(ward: Ward, finding: Finding) -> bool:
    found = await ward.examiner.examine([BY_ID[finding.check]])
    return any(other.object == finding.object for other in found)
