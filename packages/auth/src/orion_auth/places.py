"""Where on Earth an address is thought to be, by the operator's own database in MaxMind's format."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import maxminddb
from sqlalchemy import null

from orion_auth.location import Location
from orion_core.settings import SettingsError
from orion_core.tables import IpAddress

LONGEST = 100
"""Characters of a name; the columns hold as many."""

FARTHEST_OFF = 1000.0
"""Kilometres that a place without an accuracy may be wrong by: it is that of a country, then."""


@dataclass(frozen=True)
class Place:
    """What is known of a place; nothing, when there is no database or the address is not in it."""

    country: str | None = None
    """ISO 3166-1 alpha-2."""
    region: str | None = None
    city: str | None = None
    location: Location | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """As the columns of `base.Place` hold it; what is unknown is NULL, not the `null` of JSON."""
        where = asdict(self.location) if self.location is not None else null()
        return {"country": self.country, "region": self.region, "city": self.city, "location": where}

    @property
    def known(self) -> Any:
        """What is known of it, as `auth_tokens.location` holds it: NULL for nowhere."""
        return {name: value for name, value in asdict(self).items() if value is not None} or null()


NOWHERE = Place()


class Places:
    """Looks addresses up. Absent is fine: then every address is nowhere, and no rule of risk speaks of places."""

    def __init__(self, path: Path | None) -> None:
        try:
            self._reader = maxminddb.open_database(path) if path is not None else None
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            # The file is the operator's; its path and what is the matter with it are no secrets.
            message = f"AUTH_PLACES_DATABASE is wrong: {path} cannot be read as a MaxMind database ({error})."
            raise SettingsError(message) from None

    def find(self, address: IpAddress) -> Place:
        """The place of an address; a few microseconds, in memory."""
        if self._reader is None:
            return NOWHERE
        try:
            found = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):  # an IPv6 address in an IPv4 database; a damaged record
            return NOWHERE
        return read(cast("dict[str, Any]", found)) if isinstance(found, dict) else NOWHERE

    def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            self._reader.close()


def read(record: dict[str, Any]) -> Place:
    """A record of MaxMind's City or Country databases, or one like them; what is missing or odd is left out."""
    country = _part(record, "country").get("iso_code") or _part(record, "registered_country").get("iso_code")
    regions = record.get("subdivisions")
    region = cast("list[Any]", regions)[0] if isinstance(regions, list) and regions else None
    return Place(
        country=country.upper() if isinstance(country, str) and len(country) == 2 and country.isascii() else None,
        region=_name(cast("dict[str, Any]", region)) if isinstance(region, dict) else None,
        city=_name(_part(record, "city")),
        location=_location(_part(record, "location")),
    )


def _part(record: dict[str, Any], key: str) -> dict[str, Any]:
    part = record.get(key)
    return cast("dict[str, Any]", part) if isinstance(part, dict) else {}


def _name(part: dict[str, Any]) -> str | None:
    name = _part(part, "names").get("en")
    return name[:LONGEST] if isinstance(name, str) and "\0" not in name else None


def _location(part: dict[str, Any]) -> Location | None:
    match part:
        case {"latitude": float() | int() as latitude, "longitude": float() | int() as longitude}:
            known = part.get("accuracy_radius")
            accuracy = float(known) if isinstance(known, int | float) and known >= 0 else FARTHEST_OFF
            if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
                return None
            return Location(float(latitude), float(longitude), accuracy)
        case _:
            return None
