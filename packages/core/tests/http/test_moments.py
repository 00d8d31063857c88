"""A moment in a request: written with its zone, and never so far off that counting from it fails."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orion_core.http.shapes import EARLIEST, LATEST, Moment
from orion_core.ids import uuid7_floor

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize("written", ["2026-11-26T12:00:00Z", "2026-11-26t13:00:00.000+01:00", "2026-11-26 12:00Z"])
def test_it_is_read_with_its_zone(written: str) -> None:
    assert MOMENT.validate_python(written) == datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["", "0.5", 0, 1e9, True, None, "2026-11-26", "2026-11-26T12:00:00", "now", "١٩٧٠-01-01T00:00:00Z"]
)
def test_what_is_written_otherwise_is_none(value: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(value)


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES))
def test_some_hours_on_are_always_a_moment_and_an_id(value: datetime) -> None:
    read = MOMENT.validate_python(value.isoformat())
    assert EARLIEST <= read <= LATEST
    for hours in (-23, 23):
        assert uuid7_floor(read + timedelta(hours=hours)).int > 0


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_ends_of_time_are_the_nearest_that_is_recorded(written: str) -> None:
    assert MOMENT.validate_python(written) in (EARLIEST, LATEST)
