"""Types of fields that several contracts share.

Their bounds are those of the columns that consumers keep them in, so a producer that keeps the contract cannot send a
value which a consumer would be unable to store.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

__all__ = [
    "AwareDatetime",
    "City",
    "Country",
    "DeviceName",
    "Email",
    "IpAddress",
    "Label",
    "Locale",
    "Name",
    "Phone",
    "TimeZone",
    "UserAgent",
    "Username",
]

IpAddress = IPv4Address | IPv6Address

Email = Annotated[str, StringConstraints(to_lower=True, min_length=3, max_length=255)]
"""An address in lower case; all services compare and store it so."""

Username = Annotated[str, StringConstraints(to_lower=True, min_length=1, max_length=60)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]

Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{1,14}$")]
"""E.164: a plus sign and at most fifteen digits."""

Locale = Annotated[str, StringConstraints(min_length=2, max_length=35)]
"""A BCP 47 language tag; 35 characters hold every registered form (RFC 5646 §4.4.1)."""

TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""A name of the IANA time zone database, such as `Europe/Berlin`."""

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""

City = Annotated[str, StringConstraints(max_length=100)]
DeviceName = Annotated[str, StringConstraints(max_length=100)]
UserAgent = Annotated[str, StringConstraints(max_length=512)]

Label = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$"), Field(max_length=40)]
"""A word out of an enumeration that may grow; a reader must take words it does not know."""
