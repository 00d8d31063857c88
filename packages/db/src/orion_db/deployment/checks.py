"""What a deploy looks at first when it is asked to, and refuses to go on from."""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.catalog import Difference
from orion_db.catalog.compare import compared
from orion_db.deployment.unfinished import Unfinished, read_unfinished
from orion_db.drift.status import Status, status
from orion_db.errors import Exit, Problem
from orion_db.lint import lint
from orion_db.progress import Progress
from orion_db.revisions import Revision, read_revisions
from orion_db.scratch import catalog_of, catalog_of_migrations
from orion_db.targets import Target


class Check(StrEnum):
    """What can be asked for."""

    DRIFT = "drift"
    LINT = "lint"


_TOLD = 5


async def check(
    target: Target,
    connection: AsyncConnection,
    revisions: Collection[Revision],
    checks: Collection[Check],
    progress: Progress,
) -> None:
    """Raise the Problem of the first check that finds something: `lint_findings`, `drifted`, `drift_unknown`."""
    if Check.LINT in checks and revisions:
        await _check_lint(target, revisions, progress)
    if Check.DRIFT in checks:
        async with connection.begin():
            unfinished = await read_unfinished(connection)
        await _check_drift(target, unfinished, progress)


async def _check_lint(target: Target, revisions: Collection[Revision], progress: Progress) -> None:
    found = await lint(target, revisions=[revision.name for revision in revisions], progress=progress)
    if found.errors or found.not_tried:
        raise Problem(
            "lint_findings",
            Exit.REFUSED,
            f"{target.service.name}: lint finds {len(found.errors)} errors in what is pending; nothing was applied.",
            _first(found.errors) if found.errors else f"Not tried: {', '.join(found.not_tried)}.",
            f"Correct them, or accept them in the file with a reason; see orion db lint {target.service.name}.",
        )


async def _check_drift(target: Target, unfinished: Unfinished | None, progress: Progress) -> None:
    found = await status(target, progress=progress)
    if found.drift is None:
        raise Problem(
            "drift_unknown",
            Exit.REFUSED,
            f"{target.service.name}: whether the database has drifted could not be found out; nothing was applied.",
            found.drift_unknown,
            "Give the login the permission, or deploy without --check drift.",
        )
    drift = await _without_half_done(target, found, unfinished) if unfinished and found.drift else found.drift
    if drift:
        raise Problem(
            "drifted",
            Exit.DRIFTED,
            f"{target.service.name}: the database is not what its migrations make; nothing was applied.",
            _first(drift),
            f"See orion db drift {target.service.name}, which prints both repairs.",
        )


async def _without_half_done(target: Target, found: Status, unfinished: Unfinished) -> tuple[Difference, ...]:
    """The drift less what the finished steps of a half-done revision have made, and the INVALID index of the next."""
    names = {entry.name for entry in found.applied} ^ {unfinished.name}  # the other side of the revision
    revisions = [entry for entry in read_revisions(target.service.migrations) if entry.name in names]
    there, live = await catalog_of_migrations(target, revisions), await catalog_of(target)

    def is_half_done(difference: Difference) -> bool:
        key = (difference.kind, difference.name)
        now = live.get(key, {})
        is_left_over = difference.kind == "index" and now.get("valid") is False
        return is_left_over or compared(now) == compared(there.get(key, {}))

    return tuple(difference for difference in found.drift or () if not is_half_done(difference))


def _first(findings: Collection[object]) -> str:
    """The first few, in words."""
    told = [str(finding) for finding in list(findings)[:_TOLD]]
    more = len(findings) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "") + "."
