"""What a check has found."""

from dataclasses import dataclass, field
from enum import StrEnum

Number = int | float | str | bool | None
"""A figure of a finding: plain, so that it can be kept and compared."""


class Severity(StrEnum):
    """How bad it is. An `info` costs no point of the score and does not make the doctor end with 1."""

    CRITICAL = "critical"
    """Data or the service's work is in danger now."""
    WARNING = "warning"
    """It costs something now, or will be critical in time."""
    INFO = "info"
    """Worth knowing; to be decided by somebody who knows what it is for."""


@dataclass(frozen=True)
class Finding:
    """One object that is ill: what, how much, and what helps."""

    check: str
    severity: Severity
    object: str
    """What it is about: a table, an index, a session, a setting, in PostgreSQL's own spelling."""
    what: str
    """One sentence with the numbers that matter."""
    numbers: dict[str, Number] = field(default_factory=dict[str, Number])
    why: str = ""
    """Why it matters; the check's own words."""
    fix: tuple[str, ...] = ()
    """Statements, to be run one by one outside of a transaction; a line that is no SQL begins with `--`."""
    undo: tuple[str, ...] = ()
    safe: bool = False
    """Whether `doctor --fix` may run `fix` by itself: it blocks nobody for long, loses nothing and is no drift."""
    table: str = ""
    """The table that the object belongs to, if it does."""
