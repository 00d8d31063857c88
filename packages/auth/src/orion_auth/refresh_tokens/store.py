"""The statements by which a refresh token is carried on. The table is that of `tokens`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.counting import counting
from orion_core.statement import Statement

_STATEMENT = """
    WITH asked AS (
      SELECT *
      FROM unnest(
        CAST(:selector AS text[]), CAST(:token_hash AS bytea[]), CAST(:client AS bytea[]), CAST(:key AS text[]),
        CAST(:scopes AS text[]), CAST(:address AS inet[]), CAST(:agent AS text[]), CAST(:new_id AS uuid[]),
        CAST(:new_selector AS text[]), CAST(:new_hash AS bytea[])
      ) WITH ORDINALITY AS asked (
        selector, token_hash, client, key, scopes, address, agent, new_id, new_selector, new_hash, place
      )
    ), known AS (
      SELECT
        asked.*, token.user_id, token.family_id, row_number() OVER (PARTITION BY token.user_id ORDER BY place) AS turn
      FROM asked JOIN auth_tokens AS token                      -- uq_auth_tokens_token
        ON token.token = asked.selector AND token.token_hash = asked.token_hash AND token.type = 'REFRESH'
    ), shown AS (
      SELECT * FROM known WHERE turn = 1
    ), moment AS (
      SELECT CAST(:now AS timestamptz) AS now
    ), counted AS ({counted}
    ), line AS (
      SELECT shown.*
      FROM shown JOIN auth_tokens AS first ON first.id = shown.family_id      -- pk_auth_tokens
      WHERE NOT EXISTS (SELECT FROM counted WHERE counted.key = {key} AND count > "limit")
      ORDER BY first.id
      FOR NO KEY UPDATE OF first
    ), used AS (
      UPDATE auth_tokens AS token                               -- uq_auth_tokens_token
      SET status = 'USED', last_used_at = :now, usage_count = usage_count + 1, client_hash = line.client
      FROM line, identities                                     -- pk_identities
      WHERE token.token = line.selector AND token.token_hash = line.token_hash AND token.family_id = line.family_id
        AND token.status = 'ACTIVE' AND token.expires_at > :now AND coalesce(token.idle_until > :now, true)
        AND coalesce(token.jkt = line.key, token.jkt IS NULL)
        AND token.scopes @> CAST(string_to_array(line.scopes, ' ') AS varchar[])
        AND identities.id = token.user_id
        AND identities.deleted_at IS NULL
        AND identities.status IN ('ACTIVE', 'LOCKED')
        AND coalesce(identities.locked_until <= :now, identities.status = 'ACTIVE')
        AND coalesce(token.security_epoch = identities.security_epoch, true)
      RETURNING
        token.*, identities.security_epoch AS epoch, line.key, line.address, line.agent, line.new_id, line.new_selector,
        line.new_hash
    ), successor AS (
      INSERT INTO auth_tokens (
        id, token, token_hash, type, user_id, session_id, family_id, rotated_from_id, parent_token_id, refresh_count,
        scopes, audience, issuer, client_id, device_id, ip_address, user_agent, issued_at, expires_at,
        session_started_at, auth_time, amr, idle_seconds, idle_until, security_epoch, jkt
      )
      SELECT
        new_id, new_selector, new_hash, type, user_id, session_id, family_id, id, id, refresh_count + 1,
        scopes, audience, issuer, client_id, device_id, address, agent, :now, expires_at,
        session_started_at, auth_time, amr, idle_seconds,
        CAST(:now AS timestamptz) + make_interval(secs => idle_seconds), epoch, coalesce(jkt, key)
      FROM used
      RETURNING id, user_id, session_id, auth_time, amr, security_epoch, scopes, expires_at, idle_until, jkt
    )
    SELECT
      shown.place, shown.turn, counted."limit", counted.window_seconds, counted.count, counted.ends_at, successor.*
    FROM known AS shown
    LEFT JOIN counted ON counted.key = {key} AND turn = 1
    LEFT JOIN successor ON successor.id = shown.new_id
"""

_KEY = "'refresh USER ' || shown.user_id"

ROTATE = Statement(
    text(
        _STATEMENT.format(
            key=_KEY,
            counted=counting(
                _KEY,
                "policy.endpoint = 'refresh' AND policy.key_type = 'USER'",
                sources="moment CROSS JOIN shown",
            ),
        )
    )
)
"""Refreshes in one round trip: of one token, or of as many as are shown at the same time, one of each user.

A row for each token that there is; one with nulls was counted but not rotated, and one whose `turn` is not the first is
to be asked for again. Whoever changes a token from ACTIVE writes the successor; the others do nothing. In this order it
takes the locks of the counters, of the lines' first tokens (which whoever ends the session takes too, so that no
successor is missed) and of the tokens themselves, each kind sorted. When it waited for any of them, PostgreSQL judges
the token by its newest state (READ COMMITTED).

The identity's standing is that of `identities.rules.standing`, and the counter is one of `rate_limits`: this one
statement reads across slices, because one round trip is the point.
"""

_FIND_AGAIN = text("""
    SELECT
      shown.user_id, shown.session_id, shown.status, shown.last_used_at, shown.client_hash, shown.jkt AS shown_jkt,
      shown.expires_at, successor.token, successor.token_hash, successor.status AS successor_status,
      successor.client_hash AS successor_client_hash, successor.idle_until, successor.auth_time, successor.amr,
      successor.security_epoch, successor.scopes, successor.jkt,
      identities.status AS standing, identities.locked_until, identities.deleted_at, identities.security_epoch AS epoch
    FROM auth_tokens AS shown                                                               -- uq_auth_tokens_token
    JOIN identities ON identities.id = shown.user_id                                        -- pk_identities
    LEFT JOIN auth_tokens AS successor ON successor.rotated_from_id = shown.id     -- uq_auth_tokens_rotated_from_id
    WHERE shown.token = :selector AND shown.token_hash = :token_hash AND shown.type = 'REFRESH'
""")


@dataclass(frozen=True)
class Asked:
    """A refresh token that is shown, by whom, and what is to succeed it. Fields named as the statement's parameters."""

    selector: str
    token_hash: bytes = field(repr=False)
    client: bytes
    key: str | None
    """Thumbprint of the key that was proved."""
    scopes: str
    """Separated by spaces, as in RFC 6749."""
    address: IPv4Address | IPv6Address
    agent: str | None
    new_id: UUID
    new_selector: str
    new_hash: bytes = field(repr=False)


_NAMES = [column.name for column in fields(Asked)]


async def rotate(connection: AsyncConnection, asked: Sequence[Asked], now: datetime) -> list[AnyRow | None]:
    """Count refreshes, and replace active refresh tokens by their successors; None for a token that there is not.

    Tokens of one user take turns, one to a round trip.
    """
    rows: list[AnyRow | None] = [None] * len(asked)
    waiting = list(range(len(asked)))
    while waiting:
        values = {name: [getattr(asked[n], name) for n in waiting] for name in _NAMES}
        told: dict[int, AnyRow] = {
            waiting[row.place - 1]: row for row in await ROTATE.all(connection, values | {"now": now})
        }
        for n, row in told.items():
            rows[n] = row
        waiting = [n for n, row in told.items() if row.turn > 1]
    return rows


async def find_again(connection: AsyncConnection, selector: str, token_hash: bytes) -> AnyRow | None:
    """A refresh token that could not be rotated, and its successor, if it has one."""
    values = {"selector": selector, "token_hash": token_hash}
    return (await connection.execute(_FIND_AGAIN, values)).one_or_none()


LINE = text("""
    SELECT
      token.id, token.parent_token_id AS parent_id, successor.id AS replaced_by_id, token.refresh_count, token.status,
      token.issued_at, token.last_used_at AS used_at, token.revoked_at, token.revoked_reason, token.idle_until,
      token.expires_at, token.device_id, host(token.ip_address) AS ip_address, token.user_agent,
      token.jkt IS NOT NULL AS is_bound
    FROM auth_tokens AS token                                   -- ix_auth_tokens_family_id
    LEFT JOIN auth_tokens AS successor ON successor.rotated_from_id = token.id     -- uq_auth_tokens_rotated_from_id
    WHERE token.family_id = (
      SELECT family_id
      FROM auth_tokens                                          -- ix_auth_tokens_user_id_type_status
      WHERE user_id = :user_id AND type = 'REFRESH' AND session_id = :session_id
      LIMIT 1
    )
      AND token.refresh_count > :after
    ORDER BY token.refresh_count
    LIMIT :limit
""")
"""A line in the order of its rotations. It is read whole for each page: a session has four thousand tokens at most when
it is refreshed every ten minutes."""


async def line(
    connection: AsyncConnection, user_id: UUID, session_id: UUID, after: int, limit: int
) -> Sequence[AnyRow]:
    """The refresh tokens of a session of a user that come after so many others."""
    values = {"user_id": user_id, "session_id": session_id, "after": after, "limit": limit}
    return (await connection.execute(LINE, values)).all()


_FIND = text("""
    SELECT
      token.user_id, token.session_id, token.client_id, token.scopes, token.status, token.issued_at, token.expires_at,
      token.idle_until, token.jkt, token.security_epoch,
      identities.status AS standing, identities.locked_until, identities.deleted_at, identities.security_epoch AS epoch
    FROM auth_tokens AS token                                   -- uq_auth_tokens_token
    JOIN identities ON identities.id = token.user_id            -- pk_identities
    WHERE token.token = :selector AND token.token_hash = :token_hash AND token.type = 'REFRESH'
""")


async def find(connection: AsyncConnection, selector: str, token_hash: bytes) -> AnyRow | None:
    """A refresh token and the standing of its owner."""
    return (await connection.execute(_FIND, {"selector": selector, "token_hash": token_hash})).one_or_none()
