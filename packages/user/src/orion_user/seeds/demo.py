"""Demo users as the user service knows them: profiles, roles, organizations, sessions, and what they did."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.demo import Demo, DemoUser, Facts, Row, Session, demo_id, pick, user_id
from orion_user.audit.tables import PERSONAL
from orion_user.roles.tables import Role

ORGANIZATION_SIZE = 200
"""Every so many users, the first owns an organization that half of them belong to."""

HIGHER_ROLES = ("editor", "editor", "editor", "moderator", "admin")


async def _facts(connection: AsyncConnection) -> Facts:
    """Ids of the roles; and the transaction's, which the audit trail's rows are to name."""
    roles = await connection.execute(select(Role.name, Role.id).where(Role.organization_id.is_(None)))
    transaction = await connection.execute(text("SELECT pg_current_xact_id()::text::bigint"))
    return {"roles": {row.name: row.id for row in roles}, "transaction_id": transaction.scalar_one()}


def _rows(user: DemoUser, random: Random, facts: Facts) -> Iterator[Row]:
    yield _profile(user, random, facts)
    yield _preferences(user, random)
    yield from _roles(user, random, facts)
    yield from _organization(user, random)
    for session in user.sessions:
        yield _session(user, session)
        if random.random() < 0.6:
            yield _audit_row(user, session, random, facts)


def _profile(user: DemoUser, random: Random, facts: Facts) -> Row:
    last = max((session.started_at for session in user.sessions), default=None)
    return "users", {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "bio": f"Writes from {user.city}." if random.random() < 0.3 else None,
        "location": user.city if random.random() < 0.5 else None,
        "status": user.status,
        "email_verified_at": user.verified_at,
        "last_login_at": last,
        "last_active_at": max((session.last_activity_at for session in user.sessions), default=None),
        "login_count": len(user.sessions),
        "deleted_at": user.deleted_at,
        "purge_after": user.deleted_at + timedelta(days=30) if user.deleted_at else None,
        "metadata": facts["metadata"],
        "created_at": user.registered_at,
        "updated_at": user.deleted_at or last or user.registered_at,
    }


def _preferences(user: DemoUser, random: Random) -> Row:
    return "user_preferences", {
        "id": demo_id(user.registered_at, f"preferences {user.number}"),
        "user_id": user.id,
        "display": '{"theme": "dark"}' if random.random() < 0.4 else "{}",
        "privacy": '{"profile": "private"}' if random.random() < 0.1 else "{}",
        "locale": user.locale,
        "timezone": user.timezone,
        "created_at": user.registered_at,
        "updated_at": user.registered_at,
    }


def _roles(user: DemoUser, random: Random, facts: Facts) -> Iterator[Row]:
    """Everybody is a user; one in fifty is more, half of these for a time."""
    given: list[tuple[str, datetime | None]] = [("user", None)]
    if user.status == "ACTIVE" and random.random() < 0.02:
        ends = user.until + timedelta(days=int(90 * random.random()) - 30) if random.random() < 0.5 else None
        given.append((pick(random, HIGHER_ROLES), ends))
    for name, ends in given:
        if name not in facts["roles"]:  # an operator may have taken it away
            continue
        yield (
            "user_roles",
            {
                "id": demo_id(user.registered_at, f"role {name} {user.number}"),
                "user_id": user.id,
                "role_id": facts["roles"][name],
                "scope": "GLOBAL",
                "starts_at": user.registered_at,
                "expires_at": ends,
                "reason": "demo user",
                "created_at": user.registered_at,
                "updated_at": user.registered_at,
            },
        )


def _organization(user: DemoUser, random: Random) -> Iterator[Row]:
    owner = user.number - (user.number - 1) % ORGANIZATION_SIZE
    organization = demo_id(user.until, f"organization {owner}")
    if user.number == owner:
        yield (
            "organizations",
            {
                "id": organization,
                "name": f"Demo organization {owner}",
                "slug": f"demo-{owner}",
                "owner_id": user.id,
                "created_at": user.until,
                "updated_at": user.until,
            },
        )
    if user.number == owner or (user.status == "ACTIVE" and random.random() < 0.5):
        yield (
            "memberships",
            {
                "id": demo_id(user.until, f"membership {user.number}"),
                "organization_id": organization,
                "user_id": user.id,
                "status": "ACTIVE",
                "invited_by": None if user.number == owner else user_id(owner),
                "joined_at": user.until,
                "created_at": user.until,
                "updated_at": user.until,
            },
        )


def _session(user: DemoUser, session: Session) -> Row:
    return "sessions", {
        "id": demo_id(session.started_at, f"session row {session.id}"),
        "user_id": user.id,
        "token": session.id,
        "device_name": session.device.name,
        "device_type": session.device.type,
        "ip_address": session.ip_address,
        "user_agent": session.device.user_agent,
        "country": user.country,
        "city": user.city,
        "started_at": session.started_at,
        "last_activity_at": session.last_activity_at,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        "end_reason": "signed_out" if session.ended_at else None,
        "created_at": session.started_at,
        "updated_at": session.last_activity_at,
    }


def _audit_row(user: DemoUser, session: Session, random: Random, facts: Facts) -> Row:
    """A change of the own profile, committed to and hashed as `audit/tables.py` says."""
    at = session.started_at + timedelta(minutes=2)
    city = user.city
    personal: dict[str, Any] = {
        "old_values": {"location": None},
        "new_values": {"location": city},
        "error": None,
        "ip_address": session.ip_address,
        "user_agent": session.device.user_agent,
    }
    rest: dict[str, Any] = {
        "id": demo_id(at, f"audit {session.id}"),
        "service": "user",
        "actor_type": "USER",
        "actor_id": user.id,
        "user_id": user.id,
        "action": pick(random, ("profile.update", "preferences.update", "session.end")),
        "resource_type": "user",
        "resource_id": str(user.id),
        "changed_fields": ["location"],
        "session_id": session.id,
        "status": "SUCCESS",
        "duration_ms": 3 + int(20 * random.random() ** 3),
        "timestamp": at,
        "transaction_id": facts["transaction_id"],
    }
    salt = sha256(f"salt {session.id}".encode()).digest()
    commitment = sha256(salt + _canonical(personal)).digest()
    leaf_hash = sha256(b"\0" + _canonical(rest | {"commitment": commitment.hex()})).digest()
    stored = personal | {name: json.dumps(personal[name]) for name in PERSONAL[:2]}
    hashes = {"salt": salt, "commitment": commitment, "leaf_hash": leaf_hash}
    return "audit_logs", rest | stored | hashes | {"created_at": at, "updated_at": at}


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str).encode()


DEMO = Demo(anchor="users", anchor_key="id", facts=_facts, rows=_rows)
