"""Demo users as auth knows them: identities, devices, tokens, sign-ins and what became of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from random import Random

from argon2.low_level import Type, hash_secret
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.hashing import HASH_BYTES, LANES, MEMORY_KIB, PASSES
from orion_auth.security_events.rules import NEW_DEVICE, SIGN_IN_SUSPICIOUS, tags_of
from orion_core.demo import Demo, DemoUser, Facts, Row, Session, demo_id, moment_before
from orion_core.seeds import SAMPLE_PASSWORD


@cache
def _password_hash() -> str:
    """One hash of the sample password for all: a salt of their own would take 13 ms of a core for each user."""
    hashed = hash_secret(
        SAMPLE_PASSWORD.encode(),
        b"orion demo users",
        PASSES,
        MEMORY_KIB,
        LANES,
        HASH_BYTES,
        Type.ID,
    )
    return hashed.decode()


async def _facts(_: AsyncConnection) -> Facts:
    return {"password_hash": _password_hash()}


def _rows(user: DemoUser, random: Random, facts: Facts) -> Iterator[Row]:
    yield _identity(user, random, facts)
    yield from _devices(user)
    for session in user.sessions:
        yield from _tokens(user, session, random)
        yield from _attempts(user, session, random)
    if user.status == "ACTIVE" and random.random() < 0.1:
        yield _two_factor(user)
    if random.random() < 0.05:
        yield _password_reset(user, random)


def _identity(user: DemoUser, random: Random, facts: Facts) -> Row:
    return "identities", {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "password_hash": facts["password_hash"],
        "password_changed_at": user.registered_at,
        "status": user.status,
        "email_verified_at": user.verified_at,
        "locale": user.locale,
        "failed_login_count": int(random.random() ** 8 * 4),
        "security_epoch": int(random.random() < 0.03),
        "deleted_at": user.deleted_at,
        "metadata": facts["metadata"],
        "created_at": user.registered_at,
        "updated_at": user.deleted_at or user.verified_at or user.registered_at,
    }


def _devices(user: DemoUser) -> Iterator[Row]:
    for device in user.devices:
        used = [session for session in user.sessions if session.device is device]
        last = max((session.started_at for session in used), default=device.first_seen_at)
        yield (
            "devices",
            {
                "id": demo_id(device.first_seen_at, device.device_id),
                "user_id": user.id,
                "device_id": device.device_id,
                "fingerprint": sha256(device.device_id.encode()).hexdigest(),
                "name": device.name,
                "type": device.type,
                "os": device.os,
                "browser": device.browser,
                "status": "TRUSTED" if len(used) > 1 else "UNTRUSTED",
                "last_ip_address": used[-1].ip_address if used else None,
                "last_country": user.country,
                "last_city": user.city,
                "first_seen_at": min(device.first_seen_at, last),
                "last_seen_at": last,
                "login_count": len(used),
                "verified_at": last if len(used) > 1 else None,
                "created_at": device.first_seen_at,
                "updated_at": last,
            },
        )


def _tokens(user: DemoUser, session: Session, random: Random) -> Iterator[Row]:
    """A line of refresh tokens: all used but the last, which lives, was revoked with its session, or ran out."""
    rotations = int(3 * random.random() ** 2)
    ids = [demo_id(session.started_at, f"token {session.id} {place}") for place in range(rotations + 1)]
    for place, token_id in enumerate(ids):
        last = place == rotations
        revoked_at = session.ended_at if last else None
        lives = "EXPIRED" if session.expires_at < user.until else "ACTIVE"
        secret = sha256(f"demo {token_id}".encode()).digest()
        yield (
            "auth_tokens",
            {
                "id": token_id,
                "token": token_id.hex,
                "token_hash": secret,
                "type": "REFRESH",
                "status": "USED" if not last else "REVOKED" if revoked_at else lives,
                "user_id": user.id,
                "session_id": session.id,
                "family_id": ids[0],
                "rotated_from_id": ids[place - 1] if place else None,
                "refresh_count": place,
                "device_id": session.device.device_id,
                "ip_address": session.ip_address,
                "user_agent": session.device.user_agent,
                "auth_time": session.started_at,
                "amr": ["pwd"],
                "security_epoch": 0,
                "issued_at": session.started_at,
                "expires_at": session.expires_at,
                "last_used_at": session.last_activity_at if not last else None,
                "revoked_at": revoked_at,
                "revoked_reason": "signed_out" if revoked_at else None,
                "usage_count": int(not last),
                "created_at": session.started_at,
                "updated_at": session.last_activity_at,
            },
        )


def _attempts(user: DemoUser, session: Session, random: Random) -> Iterator[Row]:
    """The sign-in, one in five times after a wrong password; and one in thirty from a place that looks odd."""
    if random.random() < 0.2:
        yield _attempt(user, session, random, session.started_at - timedelta(seconds=20), "FAILED")
    odd = random.random() < 0.03
    yield _attempt(user, session, random, session.started_at, "SUSPICIOUS" if odd else "SUCCESS")
    if odd or random.random() < 0.1:
        yield _security_event(user, session, odd=odd)


def _attempt(user: DemoUser, session: Session, random: Random, at: datetime, status: str) -> Row:
    suspicious = status == "SUSPICIOUS"
    return "login_attempts", {
        "id": demo_id(at, f"attempt {session.id}"),
        "user_id": user.id,
        "email": user.email,
        "status": status,
        "method": "PASSWORD",
        "device_id": session.device.device_id,
        "ip_address": session.ip_address,
        "user_agent": session.device.user_agent,
        "country": user.country,
        "city": user.city,
        "is_suspicious": suspicious,
        "risk_score": 60 + int(40 * random.random()) if suspicious else int(40 * random.random() ** 3),
        "failure_reason": "WRONG_PASSWORD" if status == "FAILED" else None,
        "attempted_at": at,
        "duration_ms": 25 + int(60 * random.random() ** 4),
        "created_at": at,
        "updated_at": at,
    }


def _security_event(user: DemoUser, session: Session, *, odd: bool) -> Row:
    at, kind = session.started_at, SIGN_IN_SUSPICIOUS if odd else NEW_DEVICE
    return "security_events", {
        "id": demo_id(at, f"security event {session.id}"),
        "user_id": user.id,
        "event_type": kind.type,
        "category": kind.category.value,
        "severity": kind.severity.value,
        "title": kind.title,
        "description": kind.description,
        "device_id": session.device.device_id,
        "session_id": session.id,
        "ip_address": session.ip_address,
        "user_agent": session.device.user_agent,
        "country": user.country,
        "city": user.city,
        "tags": ["demo", *tags_of(kind)],
        "occurred_at": at,
        "created_at": at,
        "updated_at": at,
    }


def _two_factor(user: DemoUser) -> Row:
    """By mail: the secret of an authenticator would have to be sealed with the service's own keys."""
    at = user.registered_at + timedelta(days=1)
    return "two_factor_auth", {
        "id": demo_id(at, f"two factor {user.number}"),
        "user_id": user.id,
        "is_enabled": True,
        "primary_method": "EMAIL",
        "email_verified_at": at,
        "created_at": at,
        "updated_at": at,
    }


def _password_reset(user: DemoUser, random: Random) -> Row:
    at = moment_before(random, user.until)
    selector = demo_id(at, f"password reset {user.number}")
    used = random.random() < 0.7
    return "password_resets", {
        "id": selector,
        "user_id": user.id,
        "email": user.email,
        "token": selector.hex,
        "token_hash": sha256(f"demo {selector}".encode()).digest(),
        "requested_at": at,
        "expires_at": at + timedelta(minutes=30),
        "used_at": at + timedelta(minutes=3) if used else None,
        "created_at": at,
        "updated_at": at,
    }


DEMO = Demo(anchor="identities", anchor_key="id", facts=_facts, rows=_rows)
