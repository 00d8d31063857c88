"""The checks, in groups."""

from orion_db.doctor.check import Check
from orion_db.doctor.checks import (
    bloat,
    horizon,
    house,
    indexes,
    keeping,
    needless_indexes,
    partitions,
    rights,
    schema,
    sequences,
    sessions,
    settings,
    statements,
    traffic,
    vacuum,
    wraparound,
)

GROUPS = {
    "Indexes": (*indexes.CHECKS, *needless_indexes.CHECKS),
    "Bloat": bloat.CHECKS,
    "Vacuum and statistics": vacuum.CHECKS,
    "Transaction ids": wraparound.CHECKS,
    "Sessions": sessions.CHECKS,
    "What keeps VACUUM back": horizon.CHECKS,
    "Numbers that run out": sequences.CHECKS,
    "Traffic": traffic.CHECKS,
    "Statements": statements.CHECKS,
    "Settings": settings.CHECKS,
    "Tables and server": schema.CHECKS,
    "Partitions": partitions.CHECKS,
    "The house": (*house.CHECKS, *keeping.CHECKS),
    "Rights": rights.CHECKS,
}

CHECKS: tuple[Check, ...] = tuple(check for group in GROUPS.values() for check in group)

BY_ID = {check.id: check for check in CHECKS}

WEIGHTS = {check.id: check.weight for check in CHECKS}
