"""Which limits there are, whom they are counted for, and where somebody stands under them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from orion_auth.devices.rules import KnownDevice
from orion_core.networks import network

LARGEST_LIMIT = 10_000
"""A counter remembers each try that passed, for as long as it counts; this many are 80 kB."""

LONGEST_WINDOW_SECONDS = 7 * 24 * 60 * 60


class RateLimitKeyType(Enum):
    """Whom a limit is counted for."""

    USER = "USER"
    IP = "IP"
    EMAIL = "EMAIL"
    API_KEY = "API_KEY"
    GLOBAL = "GLOBAL"


Endpoint = Literal[
    "login",
    "login_hourly",
    "login_known_device",
    "login_known_device_hourly",
    "login_unknown_networks",
    "login_refusal_record",
    "refresh",
    "registration",
    "password_reset",
    "password_reset_unknown_networks",
    "email_verification",
    "email_verification_unknown_networks",
    "sign_in_mail",
    "sign_in_mail_unknown_networks",
    "social_login",
    "two_factor_verification",
    "two_factor_code",
    "passkey",
    "recovery",
    "sms_to_number",
    "sms_to_range",
    "sms_to_country",
    "sms",
    "sms_daily",
    "sms_refusal_record",
    "api_key_token",
]
"""What is limited."""

COUNTED: Mapping[Endpoint, tuple[RateLimitKeyType, ...]] = {
    "login": (RateLimitKeyType.EMAIL, RateLimitKeyType.IP, RateLimitKeyType.USER, RateLimitKeyType.GLOBAL),
    "login_hourly": (RateLimitKeyType.EMAIL,),
    "login_known_device": (RateLimitKeyType.USER,),
    "login_known_device_hourly": (RateLimitKeyType.USER,),
    "login_unknown_networks": (RateLimitKeyType.EMAIL,),
    "login_refusal_record": (RateLimitKeyType.IP, RateLimitKeyType.GLOBAL),
    "refresh": (RateLimitKeyType.USER,),
    "registration": (RateLimitKeyType.IP, RateLimitKeyType.GLOBAL),
    "password_reset": (RateLimitKeyType.USER, RateLimitKeyType.IP, RateLimitKeyType.EMAIL, RateLimitKeyType.GLOBAL),
    "password_reset_unknown_networks": (RateLimitKeyType.EMAIL,),
    "email_verification": (RateLimitKeyType.IP, RateLimitKeyType.EMAIL, RateLimitKeyType.GLOBAL),
    "email_verification_unknown_networks": (RateLimitKeyType.EMAIL,),
    "sign_in_mail": (RateLimitKeyType.USER, RateLimitKeyType.IP, RateLimitKeyType.EMAIL, RateLimitKeyType.GLOBAL),
    "sign_in_mail_unknown_networks": (RateLimitKeyType.EMAIL,),
    "social_login": (RateLimitKeyType.IP,),
    "two_factor_verification": (RateLimitKeyType.USER,),
    "two_factor_code": (RateLimitKeyType.USER,),
    "passkey": (RateLimitKeyType.IP, RateLimitKeyType.GLOBAL),
    "recovery": (RateLimitKeyType.USER,),
    "sms_to_number": (RateLimitKeyType.GLOBAL,),
    "sms_to_range": (RateLimitKeyType.GLOBAL,),
    "sms_to_country": (RateLimitKeyType.GLOBAL,),
    "sms": (RateLimitKeyType.GLOBAL,),
    "sms_daily": (RateLimitKeyType.GLOBAL,),
    "sms_refusal_record": (RateLimitKeyType.GLOBAL,),
    "api_key_token": (RateLimitKeyType.API_KEY, RateLimitKeyType.IP),
}
"""By whom the tries at each endpoint are counted: a policy for any other pair would limit nothing."""


@dataclass(frozen=True)
class Limit:
    """One limit that a try has to keep to. It holds when there is a policy for its endpoint and type of key."""

    endpoint: Endpoint
    key_type: RateLimitKeyType
    whose: str
    counts_failures: bool = False
    """Whether a try that turns out well is given back."""

    @property
    def key(self) -> str:
        """The name of its counter."""
        return f"{self.endpoint} {self.key_type.name} {self.whose}"


def from_somewhere(whose: str, address: IPv4Address | IPv6Address) -> str:
    """Counts an account for each network apart, so that nobody can use up its owner's tries from elsewhere."""
    return f"{whose}@{network(address)}"


def by_network(endpoint: Endpoint, address: IPv4Address | IPv6Address, *, counts_failures: bool = False) -> Limit:
    """What may come from one network, whomever it concerns."""
    return Limit(endpoint, RateLimitKeyType.IP, network(address), counts_failures)


def by_all(endpoint: Endpoint) -> Limit:
    """What may come altogether; the seeds limit messages by SMS so, an administrator may limit more."""
    return Limit(endpoint, RateLimitKeyType.GLOBAL, "all")


def refusal_records(address: IPv4Address | IPv6Address) -> list[Limit]:
    """How many refused attempts are written down."""
    return [by_network("login_refusal_record", address), by_all("login_refusal_record")]


def of_stranger(email: str, address: IPv4Address | IPv6Address) -> list[Limit]:
    """What a sign-in keeps to that comes from a device which the account does not know, the narrowest first.

    One network has few tries at one account a minute, and fewer failures an hour than all unknown networks together, so
    that no single network uses up what they share; and few failures a minute at all accounts together, so that it
    cannot try one password on each of them.
    """
    here = from_somewhere(email, address)
    return [
        Limit("login", RateLimitKeyType.EMAIL, here),
        Limit("login_hourly", RateLimitKeyType.EMAIL, here, counts_failures=True),
        by_network("login", address, counts_failures=True),
        Limit("login_unknown_networks", RateLimitKeyType.EMAIL, email, counts_failures=True),
        by_all("login"),
    ]


def on_device(device: KnownDevice) -> str:
    """Counts each device of a user apart, and one that proves itself apart from all that only say its name."""
    return f"{device.name} proved" if device.is_proved else device.name


def of_known_device(device: KnownDevice, address: IPv4Address | IPv6Address) -> list[Limit]:
    """What a sign-in keeps to that comes from a device of the owner's: failures on that device, whatever others do.

    One that proves itself is counted wherever it is taken, and apart from all that only say its name. One that is known
    by name is counted for each network apart, since a name is no secret: whoever has read it somewhere, and comes from
    elsewhere, does not take the owner's tries; and in an hour he has few, from however many networks.
    """
    name = on_device(device)
    narrow = name if device.is_proved else from_somewhere(name, address)
    return [
        Limit("login_known_device", RateLimitKeyType.USER, narrow, counts_failures=True),
        Limit("login_known_device_hourly", RateLimitKeyType.USER, name, counts_failures=True),
    ]


def mail_to_account(
    endpoint: Literal["sign_in_mail", "password_reset"],
    email: str,
    address: IPv4Address | IPv6Address,
    device: KnownDevice | None,
) -> list[Limit]:
    """What a mail to whoever has an address keeps to.

    Those that are asked for on a device that the account knows are counted for that device alone, so that no stranger
    uses them up. The others have what one network may ask for and what all may, since each of them fills a mailbox.
    """
    if device is not None:
        return [Limit(endpoint, RateLimitKeyType.USER, on_device(device))]
    total: Endpoint = (
        "sign_in_mail_unknown_networks" if endpoint == "sign_in_mail" else "password_reset_unknown_networks"
    )
    return [
        Limit(endpoint, RateLimitKeyType.EMAIL, from_somewhere(email, address)),
        by_network(endpoint, address),
        Limit(total, RateLimitKeyType.EMAIL, email),
        by_all(endpoint),
    ]


def verification_mail(email: str, address: IPv4Address | IPv6Address) -> list[Limit]:
    """What a mail keeps to that asks whether an address is somebody's: no device is known for it yet."""
    return [
        Limit("email_verification", RateLimitKeyType.EMAIL, from_somewhere(f"mail {email}", address)),
        by_network("email_verification", address),
        Limit("email_verification_unknown_networks", RateLimitKeyType.EMAIL, email),
        by_all("email_verification"),
    ]


def of_sign_in_on(device: KnownDevice, address: IPv4Address | IPv6Address) -> list[Limit]:
    """What a sign-in on it keeps to: those limits, and one on what all devices of its owner come to, be it good or not.

    Whoever signs in to accounts of his own without end, on devices that they know, would keep all other owners waiting.
    Devices that prove themselves are counted apart here, too.
    """
    whose = f"{device.owner} proved" if device.is_proved else device.owner
    return [*of_known_device(device, address), Limit("login", RateLimitKeyType.USER, whose)]


def counters_of(email: str, user_id: str) -> tuple[list[str], list[str]]:
    """The keys of an account's counters, whole, and what others of them begin with: those of a network or a device."""
    whole, begun = list[str](), list[str]()
    for endpoint, key_types in COUNTED.items():
        if RateLimitKeyType.EMAIL in key_types:
            whole.append(Limit(endpoint, RateLimitKeyType.EMAIL, email).key)
            for name in (email, f"mail {email}", f"code {email}"):
                begun.append(Limit(endpoint, RateLimitKeyType.EMAIL, f"{name}@").key)
        if RateLimitKeyType.USER in key_types:
            whole.append(Limit(endpoint, RateLimitKeyType.USER, user_id).key)
            begun.append(Limit(endpoint, RateLimitKeyType.USER, f"{user_id} ").key)
    return whole, begun
