"""Counting a try, and refusing it when there were too many. The policies are rows that an administrator edits."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from orion_auth.rate_limits import store
from orion_auth.rate_limits.rules import RateLimitKeyType, from_somewhere, seconds_until
from orion_core.database import Database
from orion_core.http.rate_limit import RateLimitState, too_many_requests
from orion_core.ids import uuid7
from orion_core.tables import IpAddress

Endpoint = Literal[
    "login",
    "refresh",
    "password_reset",
    "email_verification",
    "two_factor_verification",
    "sign_in_mail",
    "two_factor_code",
]


async def take_login(database: Database, email: str, address: IpAddress, now: datetime) -> RateLimitState | None:
    """Count a sign-in for this account from this network."""
    return await _take(database, "login", RateLimitKeyType.EMAIL, from_somewhere(email, address), now)


async def take_refresh(database: Database, user_id: UUID, now: datetime) -> RateLimitState | None:
    """Count a refresh of this user."""
    return await _take(database, "refresh", RateLimitKeyType.USER, str(user_id), now)


async def take_verification_mail(database: Database, email: str, now: datetime) -> RateLimitState | None:
    """Count a verification mail to this address, wherever it is asked for: the limit protects who receives it."""
    return await _take(database, "email_verification", RateLimitKeyType.EMAIL, f"mail {email}", now)


async def take_sign_in_mail(database: Database, email: str, now: datetime) -> RateLimitState | None:
    """Count a mail to sign in with, wherever it is asked for: the limit protects who receives it, and its code."""
    return await _take(database, "sign_in_mail", RateLimitKeyType.EMAIL, email, now)


async def take_verification_code(database: Database, email: str, now: datetime) -> RateLimitState | None:
    """Count a guess at the code sent to this address, wherever it is made: a code is short."""
    return await _take(database, "email_verification", RateLimitKeyType.EMAIL, f"code {email}", now)


async def take_two_factor(database: Database, user_id: UUID, now: datetime) -> RateLimitState | None:
    """Count a try at this user's second factor, wherever it is made and for whichever sign-in: a code is short."""
    return await _take(database, "two_factor_verification", RateLimitKeyType.USER, str(user_id), now)


async def take_two_factor_code(database: Database, user_id: UUID, now: datetime) -> RateLimitState | None:
    """Count a code sent to this user, by whichever way."""
    return await _take(database, "two_factor_code", RateLimitKeyType.USER, str(user_id), now)


async def _take(
    database: Database, endpoint: Endpoint, key_type: RateLimitKeyType, whose: str, now: datetime
) -> RateLimitState | None:
    """Count a try in a transaction of its own; a 429 Problem when it is one too many, None when nothing limits it."""
    key = f"{endpoint} {key_type.name} {whose}"
    async with database.autocommit() as connection:
        row = await store.count(connection, uuid7(), key, endpoint, key_type, now)
    if row is None:
        return None
    state = RateLimitState(
        policy=endpoint,
        quota=row.limit,
        window=row.window_seconds,
        remaining=row.limit - row.count,
        reset=seconds_until(row.ends_at, now),
    )
    if state.remaining < 0:
        raise too_many_requests(state)
    return state
