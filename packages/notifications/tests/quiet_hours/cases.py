"""Moments around the changes of clocks, and windows that lie across them."""

# ruff: noqa: DTZ001 - moments without a zone are UTC here, as pytz keeps them

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from random import Random

import pytz
from packages.notifications.tests.quiet_hours.oracle import DAY, Oracle, transitions

from orion_notifications.quiet_hours.rules import QuietHours, wait, zone_named

FIRST, LAST = datetime(1987, 1, 1), datetime(2037, 1, 1)
AROUND = 16 * DAY


def every_zone() -> list[str]:
    """All zones of the IANA database, of the release that both implementations have."""
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    zone_named.cache_clear()
    released: str = import_module("tzdata").IANA_VERSION
    assert released == vars(pytz)["OLSON_VERSION"], "pin tzdata and pytz to the same release"
    return sorted(set(zoneinfo.available_timezones()) & set(pytz.all_timezones))


def windows(random: Random) -> QuietHours:
    """Hours as people choose them, and as nobody does."""
    around_changes = [time(0), time(1), time(1, 30), time(2), time(2, 30), time(3), time(4), time(22), time(23, 59)]
    one = (around_changes.pop(random.randrange(len(around_changes))), random.choice(around_changes))
    other = (time(random.randrange(24), random.randrange(60), random.randrange(60)), time(12, 34, 56))
    return QuietHours("UTC", tuple(random.choice([one, one, other, None]) for _ in range(7)))


def disagreements(zone: str, random: Random, *, changes: int, moments: int) -> Iterator[str]:
    """What both implementations say of some changes of the zone, where it is not the same or not right."""
    of_zone = transitions(zone, FIRST, LAST) or [datetime(2026, 1, 1)]
    for change in random.sample(of_zone, min(changes, len(of_zone))):
        hours = QuietHours(zone, windows(random).windows)
        oracle = Oracle(zone, hours.windows, change - AROUND, change + 3 * AROUND)
        for _ in range(moments):
            moment = change + timedelta(
                seconds=random.randrange(-30 * 3600, 30 * 3600), microseconds=random.choice([0, 1])
            )
            expected = oracle.first_loud(moment)
            found = wait(hours, moment.replace(tzinfo=UTC)).until
            again = wait(hours, found).until
            if expected - moment > timedelta(days=14):
                continue
            if found != expected.replace(tzinfo=UTC) or again != found:
                yield f"{zone} {moment} {hours.windows}: {found} then {again}, expected {expected}"
