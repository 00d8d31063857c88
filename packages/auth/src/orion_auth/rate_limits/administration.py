"""What administrators do about rate limits: change the policies, see who is limited, and lift a limit.

A change holds from the next try on, since every try reads its policies; and it is kept in the security history.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.rate_limits import store
from orion_auth.rate_limits.rules import COUNTED, Endpoint, RateLimitKeyType, counters_of
from orion_auth.rate_limits.shapes import LimitedShape, PolicyChange, PolicyListed, PolicyShape
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import RATE_LIMIT_CHANGED, RATE_LIMIT_LIFTED
from orion_core.database import Database, Transaction
from orion_core.errors import Problem, not_found
from orion_core.http.etags import etag

FIRST = UUID(int=0)
"""Before every id."""

Require = Callable[[str], None]
"""Refuses unless the caller has seen what has this ETag."""


async def policies(database: Database) -> list[PolicyListed]:
    """Every policy that there is."""
    async with database.autocommit() as connection:
        shown = [_policy(row) for row in await store.list_policies(connection)]
    return [PolicyListed(**policy.model_dump(), etag=etag(policy)) for policy in shown]


async def policy(database: Database, endpoint: Endpoint, key_type: RateLimitKeyType) -> PolicyShape:
    """One policy; a 404 Problem when nothing limits that."""
    async with database.autocommit() as connection:
        row = await store.find_policy(connection, endpoint, key_type)
    if row is None:
        raise not_found("policy")
    return _policy(row)


async def put(
    database: Database,
    endpoint: Endpoint,
    key_type: RateLimitKeyType,
    change: PolicyChange,
    require: Require,
    circumstances: Circumstances,
    now: datetime,
) -> tuple[PolicyShape, bool]:
    """Make or change a policy; says whether it was made. What `require` has not seen is not changed."""
    if key_type not in COUNTED[endpoint]:
        raise _counts_nothing(endpoint)
    wanted = PolicyShape(endpoint=endpoint, key_type=key_type, **change.model_dump())
    async with database.transaction() as transaction:
        row = await store.find_policy(transaction.connection, endpoint, key_type, hold=True)
        if row is not None:
            require(etag(_policy(row)))
            await store.update_policy(transaction.connection, endpoint, key_type, change.model_dump())
        elif not await store.insert_policy(
            transaction.connection, {"endpoint": endpoint, "key_type": key_type, **change.model_dump()}
        ):
            raise _made_meanwhile()
        await _note_change(transaction, row, wanted, circumstances, now)
    return wanted, row is None


async def remove(
    database: Database,
    endpoint: Endpoint,
    key_type: RateLimitKeyType,
    require: Require,
    circumstances: Circumstances,
    now: datetime,
) -> None:
    """Limit that no longer; a 404 Problem when nothing did."""
    async with database.transaction() as transaction:
        row = await store.find_policy(transaction.connection, endpoint, key_type, hold=True)
        if row is None:
            raise not_found("policy")
        require(etag(_policy(row)))
        await store.delete_policy(transaction.connection, endpoint, key_type)
        await _note_change(transaction, row, None, circumstances, now)


async def limited(
    database: Database, whose: str | None, after: UUID | None, limit: int, now: datetime
) -> Sequence[LimitedShape]:
    """Who is refused now, in the order of their counters; `whose` is a part of an account's or a network's name."""
    async with database.autocommit() as connection:
        rows = await store.refusing(connection, now, whose, after or FIRST, limit)
    return [
        LimitedShape(
            id=row.id,
            endpoint=row.endpoint,
            key_type=RateLimitKeyType[row.key_type],
            whose=row.key.split(" ", 2)[2],
            limit=row.limit,
            window_seconds=row.window_seconds,
            ends_at=row.ends_at,
        )
        for row in rows
    ]


async def limiting(database: Database, email: str, user_id: UUID, now: datetime) -> Sequence[UUID]:
    """The counters by which this account's tries are refused now, wherever they are made."""
    async with database.autocommit() as connection:
        return await store.refusing_among(connection, *counters_of(email, str(user_id)), now)


async def lift(database: Database, counter_id: UUID, circumstances: Circumstances, now: datetime) -> None:
    """Let somebody try again at once; a 404 Problem when the counter is gone."""
    async with database.transaction() as transaction:
        row = await store.delete_counter(transaction.connection, counter_id)
        if row is None:
            raise not_found("rate limit")
        detailed = replace(circumstances, details=circumstances.details | {"key": row.key})
        await security_events.note_administration(
            transaction, RATE_LIMIT_LIFTED, circumstances.details["actor"], detailed, now
        )


async def _note_change(
    transaction: Transaction,
    row: AnyRow | None,
    wanted: PolicyShape | None,
    circumstances: Circumstances,
    now: datetime,
) -> None:
    before = _policy(row).model_dump(mode="json") if row is not None else None
    after = wanted.model_dump(mode="json") if wanted is not None else None
    detailed = replace(circumstances, details=circumstances.details | {"before": before, "after": after})
    await security_events.note_administration(
        transaction, RATE_LIMIT_CHANGED, circumstances.details["actor"], detailed, now
    )


def _policy(row: AnyRow) -> PolicyShape:
    return PolicyShape(
        endpoint=row.endpoint,
        key_type=row.key_type,
        limit=row.limit,
        window_seconds=row.window_seconds,
        block_seconds=row.block_seconds,
    )


def _counts_nothing(endpoint: Endpoint) -> Problem:
    counted = ", ".join(key_type.value for key_type in COUNTED[endpoint])
    detail = f"Tries at {endpoint} are counted by {counted}; a policy for anything else would limit nothing."
    return Problem(422, "not_counted", "Limits nothing", detail)


def _made_meanwhile() -> Problem:
    detail = "Somebody else has just made this policy; read it and repeat the change."
    return Problem(412, "precondition_failed", "Changed meanwhile", detail)
