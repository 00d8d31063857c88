"""`doctor --fix`: doing what is safe, and looking again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from orion_db.doctor.examine import choose, write_down
from orion_db.doctor.outside import Outside
from orion_db.doctor.report import Examination
from orion_db.maintain.limits import Limits
from orion_db.maintain.maintain import ward_of
from orion_db.maintain.treat import treat_all
from orion_db.progress import Progress, silent
from orion_db.targets import Target


async def fix(
    target: Target,
    *,
    only: Sequence[str] = (),
    dry_run: bool = False,
    record: bool = True,
    outside: Outside | None = None,
    stop: asyncio.Event | None = None,
    progress: Progress = silent,
) -> Examination:
    """Examine, apply the safe fixes one by one, examine again what they were about, and write down what is left.

    Raises Problem `unknown_check`, `locked` while somebody else treats this database, and those of connecting.
    """
    checks = choose(only)
    async with ward_of(target, Limits(), stop or asyncio.Event(), progress, outside, alone=not dry_run) as ward:
        findings = await ward.examiner.examine(checks)
        safe = [finding for finding in findings if finding.safe]
        if dry_run:
            return replace(ward.examiner.result(findings), would_treat=tuple(safe))
        treatments, _ = await treat_all(ward, safe)
        if treatments:
            findings = await ward.examiner.examine(checks)
        recorded = record and not only and await write_down(target, findings)
        return replace(ward.examiner.result(findings, recorded=recorded), treatments=tuple(treatments))
