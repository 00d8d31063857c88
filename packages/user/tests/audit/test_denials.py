"""Denied attempts are written down; a flood of them is not."""

from datetime import UTC, datetime, timedelta

from orion_core.rights import denials
from orion_core.rights.denials import MOST_IN_A_WINDOW, MOST_KNOWN, WINDOW, SeenDenials

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_same_attempt_is_written_once_a_minute_and_the_others_are_counted() -> None:
    seen = SeenDenials()
    assert seen.admit("ada", NOON) == 0
    assert [seen.admit("ada", NOON + timedelta(seconds=n)) for n in range(1, 60)] == [None] * 59
    assert seen.admit("bob", NOON) == 0
    assert seen.admit("ada", NOON + WINDOW) == 59


def test_a_flood_of_different_attempts_is_bounded_in_entries_and_memory() -> None:
    seen = SeenDenials()
    written = 0
    for minute in range(50):
        for n in range(1_000):
            written += seen.admit((minute, n), NOON + minute * WINDOW) is not None
    assert written == 50 * MOST_IN_A_WINDOW
    assert len(seen._seen) <= MOST_KNOWN
    assert denials.MOST_KNOWN < 50 * MOST_IN_A_WINDOW
