"""Denied attempts are written down; a flood of them is not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from orion_core.rights import denials
from orion_core.rights.denials import MOST_IN_A_WINDOW, MOST_KNOWN, MOST_OF_ONE, WINDOW, SeenDenials

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_same_attempt_is_written_once_a_minute_and_the_others_are_counted() -> None:
    seen = SeenDenials()
    assert seen.admit("ada", "read", NOON) == {}
    assert [seen.admit("ada", "read", NOON + timedelta(seconds=n)) for n in range(1, 60)] == [None] * 59
    assert seen.admit("bob", "read", NOON) == {}
    assert seen.admit("ada", "read", NOON + WINDOW) == {"left_out": 59}


def test_no_flood_hides_what_another_does_and_each_attempt_is_written_or_counted_for_its_actor() -> None:
    """Mallory tries something else a thousand times a minute, and Bob one thing after her."""
    seen, told, written = SeenDenials(), list[Mapping[str, int]](), 0
    for minute in range(3):
        now = NOON + minute * WINDOW
        answers = [seen.admit("mallory", (minute, n), now) for n in range(1_000)]
        admitted = [answer for answer in answers if answer is not None]
        assert len(admitted) == MOST_OF_ONE
        written += len(admitted)
        told += [answer for answer in admitted if answer]
        assert seen.admit("bob", minute, now) == {}
    assert told == [{"left_out_of_actor": 1_000 - MOST_OF_ONE}] * 2, "once a minute, and at once"
    assert seen.admit("bob", "last", NOON + 3 * WINDOW) == {"left_out_of_all": 1_000 - MOST_OF_ONE}, "she came no more"
    assert written + sum(sum(each.values()) for each in told) + 1_000 - MOST_OF_ONE == 3_000


def test_a_flood_of_different_attempts_is_bounded_in_entries_and_memory() -> None:
    seen = SeenDenials()
    written = 0
    for minute in range(50):
        for n in range(1_000):
            told = seen.admit((minute, n), "read", NOON + minute * WINDOW)
            written += told is not None
            assert not told or (n, told) == (0, {"left_out_of_all": 1_000 - MOST_IN_A_WINDOW})
    assert written == 50 * MOST_IN_A_WINDOW
    assert len(seen._seen) <= MOST_KNOWN
    assert denials.MOST_KNOWN < 50 * MOST_IN_A_WINDOW
