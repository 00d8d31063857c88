"""Quiet hours end when the clock on the wall says so, whatever clocks do meanwhile."""

from datetime import UTC, datetime, time, timedelta
from random import Random

import pytest
from packages.notifications.tests.quiet_hours.cases import disagreements, every_zone

from orion_notifications.quiet_hours.rules import QuietHours, next_local, quiet_hours, wait

NIGHT = (time(22), time(7))
EVERY_DAY = (NIGHT,) * 7


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "window", "moment", "until"),
    [
        ("Europe/Berlin", NIGHT, "2026-07-01T12:00:00+02:00", "2026-07-01T12:00:00+02:00"),
        ("Europe/Berlin", NIGHT, "2026-07-01T22:00:00+02:00", "2026-07-02T07:00:00+02:00"),
        ("Europe/Berlin", NIGHT, "2026-07-02T06:59:59+02:00", "2026-07-02T07:00:00+02:00"),
        # The night of the change is an hour shorter, or longer.
        ("Europe/Berlin", NIGHT, "2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),
        ("Europe/Berlin", NIGHT, "2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),
        # Its end is left out: it is over when the clock jumps past it.
        ("Europe/Berlin", (time(22), time(2, 30)), "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
        # Its end comes twice: it is over the first time, and as quiet the second time as the clock says.
        ("Europe/Berlin", (time(22), time(2, 30)), "2026-10-25T01:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", (time(22), time(2, 30)), "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
        # The one hour that is not quiet is left out: the next day's.
        ("Europe/Berlin", (time(3), time(2)), "2026-03-29T01:59:00+01:00", "2026-03-30T02:00:00+02:00"),
        # Half an hour, at Lord Howe; a whole day, at Samoa, where 30 December 2011 was none.
        ("Australia/Lord_Howe", (time(1), time(2, 15)), "2026-10-04T01:30:00+10:30", "2026-10-04T02:30:00+11:00"),
        ("Pacific/Apia", NIGHT, "2011-12-29T23:00:00-10:00", "2011-12-31T07:00:00+14:00"),
    ],
)
def test_until_when_it_is_quiet(zone: str, window: tuple[time, time], moment: str, until: str) -> None:
    assert wait(QuietHours(zone, (window,) * 7), at(moment)).until == at(until)


def test_a_window_belongs_to_the_day_it_begins_on() -> None:
    friday_alone = quiet_hours("UTC", *NIGHT, [5], {})
    assert wait(friday_alone, at("2026-11-28T03:00:00Z")).until == at("2026-11-28T07:00:00Z"), "Saturday morning"
    assert wait(friday_alone, at("2026-11-27T03:00:00Z")).until == at("2026-11-27T03:00:00Z"), "Friday morning"


def test_single_days_have_hours_of_their_own_or_none() -> None:
    hours = quiet_hours("UTC", *NIGHT, range(1, 8), {"6": ["23:30", "10:00"], "7": None})
    assert wait(hours, at("2026-11-28T23:00:00Z")).until == at("2026-11-28T23:00:00Z"), "Saturday"
    assert wait(hours, at("2026-11-28T23:30:00Z")).until == at("2026-11-29T10:00:00Z"), "Saturday"
    assert wait(hours, at("2026-11-29T23:00:00Z")).until == at("2026-11-29T23:00:00Z"), "Sunday"


def test_the_change_on_the_way_is_told() -> None:
    found = wait(QuietHours("Europe/Berlin", EVERY_DAY), at("2026-03-28T23:00:00+01:00"))
    assert found.changes == (at("2026-03-29T01:00:00Z"),)


def test_in_every_zone_around_changes_of_its_clock_a_second_implementation_says_the_same() -> None:
    random = Random(2026)
    zones = every_zone()
    assert len(zones) > 590
    found = [each for zone in zones for each in disagreements(zone, random, changes=2, moments=4)]
    assert found == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-11-27T07:59:00Z", "2026-11-27T08:00:00Z"),
        ("2026-11-27T08:00:00Z", "2026-11-28T08:00:00Z"),
        ("2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z"),
    ],
)
def test_nine_in_berlin(after: str, expected: str) -> None:
    assert next_local("Europe/Berlin", at(after), time(9)) == at(expected)


def test_what_is_left_out_counts_by_the_clock_before_and_what_comes_twice_counts_once() -> None:
    assert next_local("Europe/Berlin", at("2026-03-28T12:00:00Z"), time(2, 30)) == at("2026-03-29T03:30:00+02:00")
    first = next_local("Europe/Berlin", at("2026-10-24T12:00:00Z"), time(2, 30))
    assert first == at("2026-10-25T02:30:00+02:00")
    assert next_local("Europe/Berlin", first, time(2, 30)) == at("2026-10-26T02:30:00+01:00")


def test_weekly_is_monday() -> None:
    monday = next_local("Asia/Tokyo", datetime(2026, 11, 27, tzinfo=UTC), time(9), 1)
    assert monday == at("2026-11-30T09:00:00+09:00")
    assert next_local("Asia/Tokyo", monday, time(9), 1) - monday == timedelta(days=7)
