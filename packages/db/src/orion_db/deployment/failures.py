"""What is said when a revision could not be finished: what state it left, and what to type next."""

from sqlalchemy.exc import DBAPIError

from orion_core.service import Service
from orion_db.deployment.attempts import OutOfPatienceError
from orion_db.deployment.backfill import EndlessBackfillError
from orion_db.deployment.unfinished import Unfinished
from orion_db.errors import Exit, Problem, reason, sqlstate
from orion_db.revisions import Direction, Revision


def unfinished_problem(
    service: Service,
    revision: Revision,
    direction: Direction,
    error: DBAPIError | OutOfPatienceError,
    *,
    work: Unfinished | None = None,
    number: int = 0,
    invalid_index: str | None = None,
) -> Problem:
    """The Problem of an error in a revision, or in the step of that number (from 0) of one that has several."""
    state = _state(direction, work, number, invalid_index)
    if isinstance(error, OutOfPatienceError):
        return Problem(
            "blocked",
            Exit.LOCKED,
            f"{service.name}: {revision.name} did not get its locks in {error.attempts} attempts. {state}",
            error.blockers.capitalize() + ".",
            f"End the sessions that are in the way, or wait for them, and repeat: {_again(service, work, direction)}.",
        )
    statement = " ".join((error.statement or "").split())
    code, exit_code = ("permission_missing", Exit.FORBIDDEN) if sqlstate(error) == "42501" else _failed(error)
    return Problem(
        code,
        exit_code,
        f"{service.name}: the migration {revision.name} failed. {state}",
        f"{reason(error)} The statement was: {statement[:300]}",
        f"Correct {revision.file.name} or the data it met, and repeat: {_again(service, work, direction)}. "
        + (_of_several(work) if work and work.done + number else "Earlier migrations stay applied."),
    )


def half_done(service: Service, found: Unfinished, *, edited: bool = False, without_file: bool = False) -> Problem:
    """Nothing else can be begun while a revision is half done, nor can it go on when its done part was changed."""
    first = f"Put {found.name}.py back into {service.migrations}, and finish it" if without_file else "Finish it first"
    if edited:
        return Problem(
            "edited_half_done",
            Exit.REFUSED,
            f"{service.name}: {found.name} was edited in the part of it that is already applied.",
            f"{found}; the file's steps up to there are not those that were done.",
            f"Put the file back as it was up to there (git log -p -- '*{found.name}.py'); what comes after may change.",
        )
    return Problem(
        "half_done",
        Exit.REFUSED,
        f"{service.name}: a migration is half done.",
        f"{found}{', and its file is gone' if without_file else ''}.",
        f"{first}: {_again(service, found, found.direction)}. Or undo by hand what it did, and have that proven: orion "
        f"db resolve --{'rolled-back' if found.direction == 'upgrade' else 'applied'} {found.name} {service.name}.",
    )


def endless(service: Service, revision: Revision, error: EndlessBackfillError) -> Problem:
    """A backfill that would run for ever."""
    return Problem(
        "backfill_endless",
        Exit.FAILED,
        f"{service.name}: the backfill of {revision.name} finds the same rows again and again; it was stopped.",
        f"{error}: a row that is filled still matches its WHERE.",
        f"Correct `backfill` in {revision.file.name} so that a filled row is not found any more (… WHERE the_column IS "
        f"NULL), and repeat: orion db deploy {service.name}. What was filled so far stays.",
    )


def overtaken(name: str) -> Problem:
    """The record of progress is not where this run has left it."""
    return Problem(
        "overtaken",
        Exit.LOCKED,
        f"Another session has gone on with {name} meanwhile; this one has changed nothing since.",
        "The migration lock of this one was lost, or schema_migration_progress was changed by hand.",
        "See where it stands: orion db status.",
    )


def _failed(error: DBAPIError) -> tuple[str, Exit]:
    lost = sqlstate(error).startswith(("57P", "08")) or error.connection_invalidated
    return ("connection_lost", Exit.UNREACHABLE) if lost else ("migration_failed", Exit.FAILED)


def _state(direction: Direction, work: Unfinished | None, number: int, invalid_index: str | None) -> str:
    past = "applied" if direction == "upgrade" else "taken back"
    if work is None:
        return f"Nothing of it was {past}."
    step = work.steps[number]
    committed = f"{number} of {len(work.steps)} steps are committed" if number else "Nothing of it is committed"
    lines = [f"{committed}; step {number + 1} was not done ({step})."]
    if step.kind == "backfill":
        lines.append("The batches of rows that it filled so far are committed.")
    if step.kind == "out of transaction":
        lines.append("It ran outside of a transaction: what it did before the error may stand.")
    if invalid_index:
        lines.append(
            f"The INVALID index {invalid_index} stands: no query uses it, every write keeps it up, and a UNIQUE one "
            "refuses rows; the next deploy drops it."
        )
    elif step.kind == "concurrent index":
        lines.append("No INVALID index stands.")
    return " ".join(lines)


def _of_several(work: Unfinished) -> str:
    return f"It goes on with the step that failed; leave in {work.name} what comes before that as it is."


def _again(service: Service, work: Unfinished | None, direction: Direction) -> str:
    if direction == "upgrade":
        return f"orion db deploy {service.name}"
    return f"orion db rollback {service.name} --steps 1" + (" (it goes on where it ended)" if work else "")
