"""What is the matter with a database, in words for whoever is woken by it.

They name no address, login or value: `/readyz` is read by everybody.
"""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

READ_ONLY = "25006"
"""read_only_sql_transaction: a standby, or `default_transaction_read_only`."""

REASONS = {
    "57P03": "it is starting, or recovering from a crash",
    "57P": "it is being stopped, or somebody ended the connection",
    "57014": "a statement took too long, or somebody cancelled it",
    "55P03": "somebody holds a lock for too long",
    READ_ONLY: "it takes no changes: it is a standby, or was set read-only",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53300": "all its connections are in use",
    "28": "it refuses the login: wrong password, or pg_hba.conf",
    "3D": "there is no database of that name",
    "42501": "the login may not do this; `orion db doctor` says what it lacks",
    "42P01": "a table is missing: are migrations pending? `orion db status` says",
    "42703": "a column is missing: are migrations pending? `orion db status` says",
    "58": "its server cannot read or write its files",
    "08": "the connection broke",
}
"""By SQLSTATE, or the beginning of one (PostgreSQL documentation, appendix A); the longest that fits counts."""


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of what the server said; "" when it said nothing."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


def database_reason(error: BaseException) -> str:
    """What is the matter, as far as `error` tells."""
    state = sqlstate(error)
    known = max((start for start in REASONS if state.startswith(start)), key=len, default=None)
    if known is not None:
        return REASONS[known]
    if state:
        return f"SQLSTATE {state}"
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return REASONS["08"]
    if isinstance(error, PoolTimeoutError):
        return "all connections of this process are in use"
    return type(_origin(error)).__name__


def _origin(error: BaseException) -> BaseException:
    """What the driver or the system raised, beneath what was made of it."""
    beneath = error.orig if isinstance(error, DBAPIError) else error
    return (beneath and beneath.__cause__) or beneath or error
