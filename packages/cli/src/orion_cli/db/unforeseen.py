"""What is said of an end that nothing in the work itself had words for. No traceback is ever shown."""

import traceback
from pathlib import Path

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from orion_db.errors import Exit, Problem, driver_error, reason, sqlstate

_LOST = ("08", "57P")
"""SQLSTATEs of a connection that ended: class 08, and those of a server that shuts down or an administrator."""
_NOT_THERE = ("42P01", "42703", "42883", "42704", "3F000")
"""undefined_table, _column, _function, _object, invalid_schema_name."""


def unforeseen(error: Exception) -> Problem:
    """The Problem that such an error is."""
    if _is_lost(error):
        return Problem(
            "connection_lost",
            Exit.UNREACHABLE,
            "The connection to the database was lost in the middle of the work.",
            reason(error),
            "What was not committed has been rolled back; repeat the command, which goes on from there.",
        )
    if sqlstate(error) == "25006":  # read_only_sql_transaction
        return Problem(
            "read_only",
            Exit.REFUSED,
            "The database takes no changes.",
            reason(error),
            "Name the primary server in the URL; or, if it is the primary, look at default_transaction_read_only.",
        )
    if sqlstate(error) in _NOT_THERE:
        return Problem(
            "schema_differs",
            Exit.FAILED,
            "The database lacks something that this version of the code knows.",
            reason(error),
            "Migrations may be pending: see `orion db status`, then run `orion db deploy`.",
        )
    if isinstance(error, SQLAlchemyError) or driver_error(error):
        return Problem(
            "database_error",
            Exit.FAILED,
            "The database ended the work with an error that has no advice of its own.",
            reason(error),
            "Look into the server's log; what was not committed has been rolled back, and the command can be repeated.",
        )
    if isinstance(error, OSError):
        return Problem("system_error", Exit.FAILED, "A file, or the network, failed.", str(error))
    return Problem(
        "internal_error",
        Exit.FAILED,
        "This is an error of `orion db` itself.",
        f"{type(error).__name__} in {_place(error)}: {error}",
        "Report it with these words. What was not committed has been rolled back.",
    )


def interrupted(action: str) -> Problem:
    """What is said after Ctrl-C, SIGTERM, or when the terminal is gone."""
    return Problem(
        "interrupted",
        Exit.INTERRUPTED,
        f"`orion db {action}` was stopped before its end.",
        "It was told so by Ctrl-C or a signal.",
        "What was committed stands, the rest was rolled back; the command can be repeated.",
    )


def _is_lost(error: Exception) -> bool:
    if sqlstate(error).startswith(_LOST):
        return True
    original: object = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
    return isinstance(original, asyncpg.InterfaceError | ConnectionError) and "clos" in str(original)


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
