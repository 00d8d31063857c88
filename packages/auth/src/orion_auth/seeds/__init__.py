"""Rows that auth starts with: rate-limit policies everywhere, sample users and their devices in development."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Table as CoreTable
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import Table
from orion_auth.devices.rules import DeviceStatus
from orion_auth.hashing import hash_secret
from orion_auth.identities.rules import IdentityStatus
from orion_auth.rate_limits.rules import RateLimitKeyType
from orion_auth.risk.rules import Policy
from orion_auth.user_agents import DeviceType
from orion_core.seeds import SAMPLE_PASSWORD, SAMPLE_USERS, Profile, SeedReport

POLICIES = (
    ("login", RateLimitKeyType.EMAIL, 5, 60),
    ("login", RateLimitKeyType.IP, 30, 60),
    ("login", RateLimitKeyType.USER, 120, 60),
    ("login_hourly", RateLimitKeyType.EMAIL, 20, 3600),
    ("login_known_device", RateLimitKeyType.USER, 10, 60),
    ("login_known_device_hourly", RateLimitKeyType.USER, 60, 3600),
    ("login_refusal_record", RateLimitKeyType.GLOBAL, 600, 60),
    ("login_refusal_record", RateLimitKeyType.IP, 10, 60),
    ("login_unknown_networks", RateLimitKeyType.EMAIL, 50, 3600),
    ("refresh", RateLimitKeyType.USER, 10, 60),
    ("password_reset", RateLimitKeyType.EMAIL, 3, 300),
    ("password_reset", RateLimitKeyType.IP, 30, 300),
    ("password_reset", RateLimitKeyType.USER, 3, 300),
    ("password_reset_unknown_networks", RateLimitKeyType.EMAIL, 10, 1800),
    ("email_verification", RateLimitKeyType.EMAIL, 5, 300),
    ("email_verification", RateLimitKeyType.IP, 300, 300),
    ("email_verification_unknown_networks", RateLimitKeyType.EMAIL, 20, 3600),
    ("registration", RateLimitKeyType.IP, 120, 3600),
    ("two_factor_verification", RateLimitKeyType.USER, 5, 60),
    ("sign_in_mail", RateLimitKeyType.EMAIL, 3, 900),
    ("two_factor_code", RateLimitKeyType.USER, 5, 900),
    ("sign_in_mail", RateLimitKeyType.IP, 30, 900),
    ("sign_in_mail", RateLimitKeyType.USER, 3, 900),
    ("sign_in_mail_unknown_networks", RateLimitKeyType.EMAIL, 5, 600),
    ("social_login", RateLimitKeyType.IP, 60, 60),
    ("passkey", RateLimitKeyType.IP, 120, 60),
    ("recovery", RateLimitKeyType.USER, 10, 86_400),
    ("sms_to_number", RateLimitKeyType.GLOBAL, 5, 86_400),
    ("sms_to_range", RateLimitKeyType.GLOBAL, 20, 86_400),
    ("sms_to_country", RateLimitKeyType.GLOBAL, 300, 3_600),
    ("sms", RateLimitKeyType.GLOBAL, 1_000, 3_600),
    ("sms_daily", RateLimitKeyType.GLOBAL, 5_000, 86_400),
    ("sms_refusal_record", RateLimitKeyType.GLOBAL, 1, 3_600),
    ("api_key_token", RateLimitKeyType.API_KEY, 60, 60),
    ("api_key_token", RateLimitKeyType.IP, 60, 60),
)
"""Endpoint, whom it is counted for, how often, in how many seconds.

Those of the documentation, and what keeps one network from trying many accounts and all strangers together from trying
one (rate_limits/rules.py). The mails that all strangers together have sent to one mailbox are counted for as long as
their links are good: whoever is refused because of them has such a link.
"""

SAMPLE_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""When the sample users were verified and their devices first seen."""

SAMPLE_DEVICES: dict[str, tuple[dict[str, Any], ...]] = {
    "admin": (
        {"name": "Ada's workstation", "type": DeviceType.DESKTOP, "os": "Linux", "os_version": "6.12"}
        | {"browser": "Firefox", "browser_version": "140.0"},
    ),
    "user": (
        {"name": "Uma's laptop", "type": DeviceType.DESKTOP, "os": "macOS", "os_version": "15.5"}
        | {"browser": "Safari", "browser_version": "18.5"},
        {"name": "Uma's phone", "type": DeviceType.MOBILE, "os": "Android", "os_version": "16"}
        | {"browser": "Chrome", "browser_version": "138.0"},
    ),
}


async def seed(connection: AsyncConnection, profile: Profile) -> SeedReport:
    """Insert what is missing, in the caller's transaction; nothing that is there is changed."""
    report = SeedReport()
    await report.insert(connection, _table("rate_limit_policies"), _policies())
    await report.insert(connection, _table("risk_policies"), [_risk_policy()])
    if profile == "development":
        await report.insert(connection, _table("identities"), _identities())
        await report.insert(connection, _table("devices"), await _devices(connection))
    return report


def _table(name: str) -> CoreTable:
    return Table.metadata.tables[name]


def _policies() -> list[dict[str, Any]]:
    return [
        {"endpoint": endpoint, "key_type": key_type, "limit": limit, "window_seconds": seconds}
        for endpoint, key_type, limit, seconds in POLICIES
    ]


def _risk_policy() -> dict[str, Any]:
    default = Policy()
    return {
        "version": 1,
        "is_active": True,
        "step_up_at": default.step_up_at,
        "block_at": default.block_at,
        "weights": dict(default.weights),
        "created_by": "seeds",
    }


def _identities() -> list[dict[str, Any]]:
    return [
        {
            "id": user.id,
            "email": user.email,
            "username": user.username,
            "password_hash": hash_secret(SAMPLE_PASSWORD),
            "password_changed_at": SAMPLE_MOMENT,
            "status": IdentityStatus.ACTIVE,
            "email_verified_at": SAMPLE_MOMENT,
            "locale": user.locale,
        }
        for user in SAMPLE_USERS
    ]


async def _devices(connection: AsyncConnection) -> list[dict[str, Any]]:
    # A sample user is missing when somebody else registered under that address first; then so are the devices.
    identities = _table("identities")
    known = select(identities.c.id).where(identities.c.id.in_([user.id for user in SAMPLE_USERS]))
    present = set((await connection.scalars(known)).all())
    return [
        device
        | {
            "user_id": user.id,
            "device_id": f"sample-{user.username}-{number}",
            "fingerprint": sha256(f"{user.username} {device['name']}".encode()).hexdigest(),
            "status": DeviceStatus.TRUSTED,
            "first_seen_at": SAMPLE_MOMENT,
            "last_seen_at": SAMPLE_MOMENT,
            "verified_at": SAMPLE_MOMENT,
        }
        for user in SAMPLE_USERS
        if user.id in present
        for number, device in enumerate(SAMPLE_DEVICES[user.username], start=1)
    ]
