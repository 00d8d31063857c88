"""Rotating refresh tokens: each is good for one successor, and one that comes back from elsewhere ends its session."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.identities.rules import IdentityStatus, standing
from orion_auth.refresh_tokens import store
from orion_auth.refresh_tokens.shapes import RefreshTokenShape
from orion_auth.refresh_tokens.store import Asked
from orion_auth.successors import Successors
from orion_auth.tokens.actions import Bearer
from orion_auth.tokens.rules import BearerToken, Rotated, TokenStatus, client_digest, parse, shown_again
from orion_core import metrics
from orion_core.clock import Clock
from orion_core.database import Database
from orion_core.errors import not_found
from orion_core.gathering import Gathering
from orion_core.http.rate_limit import RateLimitState, seconds_until, too_many_requests
from orion_core.ids import uuid7
from orion_core.secrets import hash_secret


@dataclass(frozen=True)
class Refreshed:
    """The successor of a refresh token, and the session it carries on."""

    token: str = field(repr=False)
    user_id: UUID
    session_id: UUID
    auth_time: datetime
    amr: tuple[str, ...]
    security_epoch: int
    scopes: tuple[str, ...]
    expires_at: datetime
    """When the session ends unless it is refreshed."""
    jkt: str | None
    limit: RateLimitState | None


@dataclass(frozen=True)
class Replayed:
    """A refresh token was shown again that only a copy explains."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class Rotations:
    """What rotating needs: tokens that are shown while a round trip is under way share the next."""

    database: Database
    successors: Successors
    together: Gathering[Asked, AnyRow | None]

    @classmethod
    def make(cls, database: Database, successors: Successors, clock: Clock) -> Self:
        """The rotations of one running auth."""

        async def rotate_all(asked: Sequence[Asked]) -> list[AnyRow | None]:
            async with database.autocommit() as connection:
                return await store.rotate(connection, asked, clock())

        return cls(database, successors, Gathering(rotate_all))


async def rotate(
    rotations: Rotations, text: str, bearer: Bearer, now: datetime, scopes: tuple[str, ...] = ()
) -> Refreshed | Replayed | None:
    """Replace a refresh token by its successor, in one round trip; None when it is no good, or has not all of `scopes`.

    A 429 Problem when the user refreshes too often; then nothing is rotated.
    """
    shown = parse(text)
    if shown is None:
        return None
    client = client_digest(bearer.jkt, bearer.device_id, bearer.user_agent, bearer.ip_address)
    made = rotations.successors.new(shown)
    asked = Asked(
        selector=shown.selector,
        token_hash=hash_secret(shown.secret),
        client=client,
        key=bearer.jkt,
        scopes=" ".join(scopes),
        address=bearer.ip_address,
        agent=bearer.user_agent,
        new_id=uuid7(),
        new_selector=made.selector,
        new_hash=hash_secret(made.secret),
    )
    row = await rotations.together.ask(asked)
    if row is None:
        return None
    limit = _limit(row, now)
    if row.user_id is not None:
        return _refreshed(made, row, row.user_id, row.session_id, limit)
    async with rotations.database.autocommit() as connection:
        found = await store.find_again(connection, shown.selector, asked.token_hash)
    if found is None:
        return None
    judged = _judge(rotations.successors, shown, found, client, limit, now)
    # The statement has looked at the scopes of none but an active token.
    return None if isinstance(judged, Refreshed) and not set(scopes) <= set(judged.scopes) else judged


@dataclass(frozen=True)
class Known:
    """A refresh token that was given out, whatever has become of it."""

    user_id: UUID
    session_id: UUID
    client_id: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    jkt: str | None
    is_active: bool


async def find(connection: AsyncConnection, text: str, now: datetime) -> Known | None:
    """A refresh token by its text; None for what was never one. It is not used up."""
    shown = parse(text)
    row = await store.find(connection, shown.selector, hash_secret(shown.secret)) if shown is not None else None
    if row is None:
        return None
    expires_at = min(row.idle_until or row.expires_at, row.expires_at)
    is_welcome = row.deleted_at is None and standing(IdentityStatus[row.standing], row.locked_until, now) == "GOOD"
    is_of_this_epoch = row.security_epoch in (None, row.epoch)
    return Known(
        user_id=row.user_id,
        session_id=row.session_id,
        client_id=row.client_id,
        scopes=tuple(row.scopes),
        issued_at=row.issued_at,
        expires_at=expires_at,
        jkt=row.jkt,
        is_active=row.status == "ACTIVE" and now < expires_at and is_welcome and is_of_this_epoch,
    )


async def line(
    database: Database, user_id: UUID, session_id: UUID, after: int | None, limit: int
) -> list[RefreshTokenShape]:
    """The refresh tokens of a session in the order of their rotations, going on after the one with `after` before it.

    404 for a session that the user never had, or whose tokens are past their retention.
    """
    before_all = -1
    async with database.autocommit() as connection:
        rows = await store.line(connection, user_id, session_id, before_all if after is None else after, limit)
    if not rows and after is None:
        raise not_found("session")
    return [RefreshTokenShape.model_validate(row._asdict()) for row in rows]


def _judge(
    successors: Successors,
    shown: BearerToken,
    found: AnyRow,
    client: bytes,
    limit: RateLimitState | None,
    now: datetime,
) -> Refreshed | Replayed | None:
    if found.successor_status is None:
        return None
    state = standing(IdentityStatus[found.standing], found.locked_until, now) if found.deleted_at is None else None
    rotated = Rotated(
        at=found.last_used_at,
        by=found.client_hash,
        expires_at=found.expires_at,
        successor=TokenStatus[found.successor_status],
        successor_used_by=found.successor_client_hash,
        successor_idle_until=found.idle_until,
        is_welcome=state == "GOOD" and found.security_epoch in (None, found.epoch),
    )
    match shown_again(rotated, client, now):
        case "SAME_SUCCESSOR":
            made = successors.again(shown, found.token, found.token_hash)
            return _refreshed(made, found, found.user_id, found.session_id, limit) if made is not None else None
        case "REUSED":
            return Replayed(found.user_id, found.session_id)
        case "REFUSED":
            return None


def _refreshed(
    made: BearerToken, row: AnyRow, user_id: UUID, session_id: UUID, limit: RateLimitState | None
) -> Refreshed:
    return Refreshed(
        token=made.text,
        user_id=user_id,
        session_id=session_id,
        auth_time=row.auth_time,
        amr=tuple(row.amr),
        security_epoch=row.security_epoch,
        scopes=tuple(row.scopes),
        expires_at=min(row.idle_until or row.expires_at, row.expires_at),
        jkt=row.jkt,
        limit=limit,
    )


def _limit(row: AnyRow, now: datetime) -> RateLimitState | None:
    if row.count is None:
        return None
    state = RateLimitState(
        policy="refresh",
        quota=row.limit,
        window=row.window_seconds,
        remaining=row.limit - row.count,
        reset=seconds_until(row.ends_at, now),
    )
    if state.remaining < 0:
        metrics.RATE_LIMITED.labels("refresh", "USER").inc()
        raise too_many_requests(state)
    return state
