"""Which of the database's rules a statement has broken."""

from sqlalchemy.exc import IntegrityError


def broken(error: IntegrityError) -> str:
    """The name of the constraint, of PostgreSQL's own or of a trigger; empty when it names none."""
    return str(getattr(_cause(error), "constraint_name", None) or "")


def told(error: IntegrityError) -> str:
    """What the trigger that raised it says of the case (DETAIL); empty when it says nothing."""
    return str(getattr(_cause(error), "detail", None) or "")


def _cause(error: IntegrityError) -> BaseException | None:
    return None if error.orig is None else error.orig.__cause__
