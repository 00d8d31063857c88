"""What cannot be done, said so that the reader knows what happened, why, and what to type next.

A `Problem` never carries a password and is never shown with a traceback. Its code is stable: scripts may rely on it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum

import asyncpg
from sqlalchemy.exc import DBAPIError


class Exit(IntEnum):
    """Exit codes of `orion db`. 1 and 2 are no failures: the command worked, and found something to be looked at."""

    OK = 0
    FOUND = 1
    """Pending migrations, stale documents, findings of a check."""
    DRIFTED = 2
    USAGE = 3
    """A wrong word, a variable that is not set or cannot be read."""
    UNREACHABLE = 4
    """No server, wrong password, no such database."""
    REFUSED = 5
    """It could be done and would do harm: edited or unknown migrations, production, a name not typed."""
    LOCKED = 6
    """Somebody else holds the lock, or a lock on a table, for longer than we wait."""
    FORBIDDEN = 7
    """The login lacks a permission."""
    FAILED = 8
    """A migration or a seed failed in the database; its transaction was rolled back."""
    INTERRUPTED = 130
    """Ctrl-C, SIGTERM or a closed terminal: 128 + SIGINT, as shells have it."""


class Problem(Exception):
    """Something `orion db` cannot or will not do: what, why, and what to do about it."""

    def __init__(self, code: str, exit_code: Exit, what: str, why: str = "", todo: str = "") -> None:
        super().__init__(" ".join(part for part in (what, why, todo) if part))
        self.code = code
        self.exit_code = exit_code
        self.what = what
        self.why = why
        self.todo = todo

    def as_json(self) -> dict[str, str | int]:
        return {
            "code": self.code,
            "what": self.what,
            "why": self.why,
            "todo": self.todo,
            "exit_code": int(self.exit_code),
        }


def driver_error(error: BaseException) -> asyncpg.PostgresError | None:
    """The driver's own exception inside one of SQLAlchemy's, or itself; None when the server said nothing."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, asyncpg.PostgresError):
            return seen
        original: object = seen.orig if isinstance(seen, DBAPIError) else None
        seen = original if isinstance(original, BaseException) else seen.__cause__
    return None


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of an error (PostgreSQL documentation, appendix A); "" when it has none."""
    found = driver_error(error)
    return (found.sqlstate or "") if found else ""


def reason(error: BaseException) -> str:
    """What the server said, with its detail and hint, without SQLAlchemy's frame and without parameters."""
    found = driver_error(error)
    if found is None:
        original = error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error
        return str(original) or type(original).__name__
    parts = (found.args[0] if found.args else "", found.as_dict().get("detail"), found.as_dict().get("hint"))
    return " ".join(part.rstrip(".") + "." for part in parts if part)


@contextmanager
def permissions_explained(doing: str, login: str) -> Generator[None]:
    """Turn "permission denied" (SQLSTATE 42501) while `doing` into a Problem that names the login."""
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) != "42501":
            raise
        raise Problem(
            "permission_missing",
            Exit.FORBIDDEN,
            f"The login {login!r} may not {doing}.",
            reason(error),
            "Give it the permission, or set the service's *_DATABASE_OWNER_URL to a login that has it.",
        ) from None
