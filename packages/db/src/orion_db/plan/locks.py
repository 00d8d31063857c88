"""Which locks exclude which, and what that means for running code (PostgreSQL documentation, table 13.2)."""

from orion_db.recorder import LOCK_MODES, TableLock

_EXCLUDES = {
    "ACCESS SHARE": ("ACCESS EXCLUSIVE",),
    "ROW SHARE": ("EXCLUSIVE", "ACCESS EXCLUSIVE"),
    "ROW EXCLUSIVE": ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"),
    "SHARE UPDATE EXCLUSIVE": LOCK_MODES[3:],
    "SHARE": tuple(mode for mode in LOCK_MODES[2:] if mode != "SHARE"),
    "SHARE ROW EXCLUSIVE": LOCK_MODES[2:],
    "EXCLUSIVE": LOCK_MODES[1:],
    "ACCESS EXCLUSIVE": LOCK_MODES,
}


def conflicts(mode: str, other: str) -> bool:
    """Whether two sessions cannot have these modes on one table at a time."""
    return other in _EXCLUDES[mode]


def blocks(lock: TableLock) -> str:
    """What running code cannot do meanwhile."""
    if lock.blocks_reads:
        return "reads and writes"
    return "writes" if lock.blocks_writes else "nothing of running code"
