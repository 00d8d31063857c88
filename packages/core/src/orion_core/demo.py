"""Demo users: as many as wanted, the same ones in all three databases, made out of a number and nothing else.

A demo user follows from their number, the seed and the day that the data ends on. So the same call makes the same rows
anywhere, a larger call begins with all the users of a smaller one, and services that know nothing of each other agree
on ids, addresses and sessions. Nobody is invented by a random generator that has to be run up to them first.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.ids import uuid7_floor

DOMAIN = "demo.orion.example"
"""Of all demo addresses. No mail ever arrives there: `example` is reserved (RFC 2606)."""

FEWEST, MOST = 1_000, 10_000_000

MONTHS = 6
"""How far back sign-ins, messages and audit rows reach from the day that the data ends on."""

REGISTERED_FROM = datetime(2024, 1, 1, tzinfo=UTC)
REGISTERED_FOR = timedelta(days=700)
"""All demo users registered in this time. It is fixed, so that a user's id is the same whenever it is made."""

SESSION_LIFETIME = timedelta(days=30)

_ID_BITS = (1 << 62) - 1
_GOLDEN = 11400714819323198485
"""2^64 divided by the golden ratio: multiples of it, modulo 2^64, are spread evenly however many there are."""

Item = TypeVar("Item")
Facts = Mapping[str, Any]
"""What a service's rows need of its database: ids of roles, templates, …"""

Row = tuple[str, dict[str, Any]]
"""A table's name, and a row of it. Rows of one table have the same keys in the same order."""


@dataclass(frozen=True)
class Demo:
    """How a service's tables are filled with demo users."""

    anchor: str
    """The table with one row for each user. Who is there has all their rows: each chunk is one transaction."""
    anchor_key: str
    """The column of it with the user's id. The first user's `metadata` in it keeps the seed and the last day."""
    facts: Callable[[AsyncConnection], Awaitable[Facts]]
    rows: Callable[["DemoUser", Random, Facts], Iterable[Row]]
    """The rows of one user, each after those that it refers to. `Random` is the service's own for this user."""


@dataclass(frozen=True)
class Device:
    """What somebody signs in from."""

    device_id: str
    name: str
    type: Literal["DESKTOP", "MOBILE", "TABLET"]
    os: str
    browser: str
    first_seen_at: datetime

    @property
    def user_agent(self) -> str:
        return f"Mozilla/5.0 ({self.os}) {self.browser}"


@dataclass(frozen=True)
class Session:
    """One sign-in, under the same id in auth and user."""

    id: UUID
    device: Device
    ip_address: str
    started_at: datetime
    last_activity_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    """When it was signed out; None for one that lives, or ran out."""


@dataclass(frozen=True)
class DemoUser:
    """What all services know of a demo user."""

    number: int
    """From 1."""
    until: datetime
    """The end of all that is told of them."""
    id: UUID
    email: str
    username: str
    name: str
    locale: str
    timezone: str
    country: str
    city: str
    status: Literal["PENDING", "ACTIVE", "SUSPENDED", "DELETED"]
    registered_at: datetime
    deleted_at: datetime | None
    devices: tuple[Device, ...]
    sessions: tuple[Session, ...]

    @property
    def verified_at(self) -> datetime | None:
        return None if self.status == "PENDING" else self.registered_at + timedelta(minutes=7)


def pick(random: Random, options: Sequence[Item]) -> Item:
    """One of the options; of `Random` only random() is used, which Python promises never to change."""
    return options[int(random.random() * len(options))]


def demo_id(moment: datetime, what: str) -> UUID:
    """A UUIDv7 of that millisecond whose random bits are a hash of `what`."""
    bits = int.from_bytes(blake2b(what.encode(), digest_size=10).digest())
    return UUID(int=uuid7_floor(moment).int | 0x7 << 76 | (bits >> 64 & 0xFFF) << 64 | 0x2 << 62 | bits & _ID_BITS)


def registered_at(number: int) -> datetime:
    """Spread evenly over the time, for a thousand users as for ten million."""
    return REGISTERED_FROM + REGISTERED_FOR * ((number * _GOLDEN & 0xFFFF_FFFF_FFFF_FFFF) / 2**64)


def user_id(number: int) -> UUID:
    """The id of a demo user, whatever the seed: so it can be asked whether they are there."""
    return demo_id(registered_at(number), f"user {number}")


def demo_user(number: int, seed: int, until: date) -> DemoUser:
    """The user of that number."""
    random = Random(f"{seed} {number}")  # noqa: S311 - for the same data everywhere, not for secrets
    first, last = pick(random, _FIRST_NAMES), pick(random, _LAST_NAMES)
    locale, timezone, country, city = pick(random, _PLACES)
    username = f"{first}.{last}.{number}".lower()
    end = datetime(until.year, until.month, until.day, tzinfo=UTC)
    registered = registered_at(number)
    chance = random.random()
    status = "PENDING" if chance < 0.06 else "SUSPENDED" if chance < 0.07 else "DELETED" if chance < 0.1 else "ACTIVE"
    devices = tuple(_device(random, number, place, registered) for place in range(_few(random, 3)))
    return DemoUser(
        number=number,
        until=end,
        id=user_id(number),
        email=f"{username}@{DOMAIN}",
        username=username,
        name=f"{first} {last}",
        locale=locale,
        timezone=timezone,
        country=country,
        city=city,
        status=status,
        registered_at=registered,
        deleted_at=end - timedelta(days=30 * random.random()) if status == "DELETED" else None,
        devices=devices,
        sessions=_sessions(random, number, devices, end) if status in ("ACTIVE", "SUSPENDED") else (),
    )


def moment_before(random: Random, end: datetime) -> datetime:
    """A moment of the last months, more often a late one."""
    days = 30 * MONTHS * random.random() ** 2
    return end - timedelta(days=int(days), seconds=int(random.random() * 86_400) + 1)


def _few(random: Random, most: int) -> int:
    """Mostly one, seldom `most`."""
    return 1 + int(most * random.random() ** 3)


def _device(random: Random, number: int, place: int, registered: datetime) -> Device:
    name, kind, os, browser = pick(random, _DEVICES)
    first_seen = registered + timedelta(days=20 * place)
    return Device(f"demo-{number}-{place}", name, kind, os, browser, first_seen)


def _sessions(random: Random, number: int, devices: tuple[Device, ...], end: datetime) -> tuple[Session, ...]:
    """A third never came back; few come often."""
    chance = random.random()
    count = 0 if chance < 0.3 else 1 + int(6 * random.random() ** 4)
    return tuple(_session(random, number, place, pick(random, devices), end) for place in range(count))


def _session(random: Random, number: int, place: int, device: Device, end: datetime) -> Session:
    started = moment_before(random, end)
    active = min(end, started + timedelta(seconds=int(random.random() ** 3 * SESSION_LIFETIME.total_seconds())))
    return Session(
        id=demo_id(started, f"session {number} {place}"),
        device=device,
        ip_address=f"198.18.{int(random.random() * 256)}.{int(random.random() * 256)}",  # RFC 2544: nobody's
        started_at=started,
        last_activity_at=active,
        expires_at=started + SESSION_LIFETIME,
        ended_at=active if random.random() < 0.4 else None,
    )


_DEVICES: tuple[tuple[str, Literal["DESKTOP", "MOBILE", "TABLET"], str, str], ...] = (
    ("Laptop", "DESKTOP", "Windows", "Edge"),
    ("Laptop", "DESKTOP", "macOS", "Safari"),
    ("Workstation", "DESKTOP", "Linux", "Firefox"),
    ("Phone", "MOBILE", "Android", "Chrome"),
    ("Phone", "MOBILE", "iOS", "Safari"),
    ("Tablet", "TABLET", "iPadOS", "Safari"),
)
_PLACES = (
    ("en", "America/New_York", "US", "New York"),
    ("en", "Europe/London", "GB", "London"),
    ("de", "Europe/Berlin", "DE", "Berlin"),
    ("fr", "Europe/Paris", "FR", "Paris"),
    ("es", "America/Mexico_City", "MX", "Mexico City"),
    ("ru", "Asia/Almaty", "KZ", "Almaty"),
    ("en", "Asia/Kolkata", "IN", "Pune"),
    ("en", "Australia/Sydney", "AU", "Sydney"),
)
_FIRST_NAMES = (
    "Ada", "Alan", "Anna", "Barbara", "Carlos", "Clara", "Dana", "Edsger", "Elena", "Emil", "Fatima", "Grace", "Hana",
    "Ida", "Ivan", "Jana", "Jonas", "Karim", "Lea", "Leo", "Maria", "Mateo", "Mila", "Nils", "Noor", "Olga", "Omar",
    "Paula", "Radia", "Rosa", "Sami", "Sara", "Sofia", "Tara", "Timur", "Uma", "Vera", "Wei", "Yuki", "Zoe",
)  # fmt: skip
_LAST_NAMES = (
    "Abel", "Becker", "Berg", "Chen", "Costa", "Demir", "Diaz", "Engel", "Evans", "Fischer", "Garcia", "Haas", "Ito",
    "Jansen", "Kaya", "Lang", "Martin", "Novak", "Okoye", "Perez", "Quist", "Rossi", "Silva", "Tanaka", "Ueda", "Vogel",
    "Weber", "Xu", "Yilmaz", "Zimmer",
)  # fmt: skip
