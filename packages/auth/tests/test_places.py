"""Looking addresses up in a database of MaxMind's format."""

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from orion_auth.location import Location
from orion_auth.places import FARTHEST_OFF, NOWHERE, Place, Places, read
from orion_core.settings import SettingsError

OSLO = {
    "country": {"iso_code": "NO"},
    "subdivisions": [{"names": {"en": "Oslo County"}}],
    "city": {"names": {"en": "Oslo", "de": "Oslo"}},
    "location": {"latitude": 59.9, "longitude": 10.7, "accuracy_radius": 20},
}


def test_an_address_is_somewhere(tmp_path: Path) -> None:
    writer = MMDBWriter(6, "GeoLite2-City", ipv4_compatible=True)
    writer.insert_network(IPSet(["203.0.113.0/24", "2001:db8::/32"]), OSLO)
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    places = Places(tmp_path / "places.mmdb")
    oslo = Place("NO", "Oslo County", "Oslo", Location(59.9, 10.7, 20))
    assert places.find(ip_address("203.0.113.7")) == oslo
    assert places.find(ip_address("2001:db8::1")) == oslo
    assert places.find(ip_address("198.51.100.1")) == NOWHERE
    places.close()


def test_an_ipv6_address_in_a_database_of_ipv4_is_nowhere(tmp_path: Path) -> None:
    writer = MMDBWriter(4, "GeoLite2-City")
    writer.insert_network(IPSet(["203.0.113.0/24"]), OSLO)
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    assert Places(tmp_path / "places.mmdb").find(ip_address("2001:db8::1")) == NOWHERE


def test_without_a_database_everything_is_nowhere() -> None:
    assert Places(None).find(ip_address("203.0.113.7")) == NOWHERE


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_a_database_that_cannot_be_read_is_said_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "places.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="AUTH_PLACES_DATABASE is wrong"):
        Places(path)


def test_a_place_without_an_accuracy_may_be_far_off() -> None:
    assert read({"location": {"latitude": 1, "longitude": 2}}).location == Location(1.0, 2.0, FARTHEST_OFF)


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=120),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
records = st.dictionaries(st.sampled_from(["country", "registered_country", "subdivisions", "city", "location"]), json)


@given(records)
def test_a_record_of_any_form_is_read_as_far_as_the_columns_hold_it(record: dict[str, Any]) -> None:
    place = read(record)
    assert place.country is None or len(place.country) == 2
    assert place.city is None or len(place.city) <= 100
    assert place.location is None or abs(place.location.latitude) <= 90
