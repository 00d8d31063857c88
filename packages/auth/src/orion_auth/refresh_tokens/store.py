"""The statements by which a refresh token is carried on. The table is that of `tokens`."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_auth.base import AnyRow
from orion_auth.counting import counting
from orion_core.statement import Statement

_STATEMENT = """
    WITH shown AS (
      SELECT user_id, family_id
      FROM auth_tokens                                          -- uq_auth_tokens_token
      WHERE token = :selector AND token_hash = :token_hash AND type = 'REFRESH'
    ), moment AS (
      SELECT CAST(:now AS timestamptz) AS now
    ), counted AS ({counted}
    ), line AS (
      SELECT first.id
      FROM shown JOIN auth_tokens AS first ON first.id = shown.family_id      -- pk_auth_tokens
      WHERE NOT EXISTS (SELECT FROM counted WHERE count > "limit")
      FOR NO KEY UPDATE OF first
    ), used AS (
      UPDATE auth_tokens AS token                               -- uq_auth_tokens_token
      SET status = 'USED', last_used_at = :now, usage_count = usage_count + 1, client_hash = :client
      FROM line, identities                                     -- pk_identities
      WHERE token.token = :selector AND token.token_hash = :token_hash AND token.family_id = line.id
        AND token.status = 'ACTIVE' AND token.expires_at > :now AND coalesce(token.idle_until > :now, true)
        AND coalesce(token.jkt = CAST(:jkt AS varchar), token.jkt IS NULL)
        AND token.scopes @> CAST(:scopes AS varchar[])
        AND identities.id = token.user_id
        AND identities.deleted_at IS NULL
        AND identities.status IN ('ACTIVE', 'LOCKED')
        AND coalesce(identities.locked_until <= :now, identities.status = 'ACTIVE')
        AND coalesce(token.security_epoch = identities.security_epoch, true)
      RETURNING token.*, identities.security_epoch AS epoch
    ), successor AS (
      INSERT INTO auth_tokens (
        id, token, token_hash, type, user_id, session_id, family_id, rotated_from_id, parent_token_id, refresh_count,
        scopes, audience, issuer, client_id, device_id, ip_address, user_agent, issued_at, expires_at,
        session_started_at, auth_time, amr, idle_seconds, idle_until, security_epoch, jkt
      )
      SELECT
        :id, :new_selector, :new_hash, type, user_id, session_id, family_id, id, id, refresh_count + 1,
        scopes, audience, issuer, client_id, device_id, :ip_address, :user_agent, :now, expires_at,
        session_started_at, auth_time, amr, idle_seconds,
        CAST(:now AS timestamptz) + make_interval(secs => idle_seconds), epoch,
        coalesce(jkt, CAST(:jkt AS varchar))
      FROM used
      RETURNING user_id, session_id, auth_time, amr, security_epoch, scopes, expires_at, idle_until, jkt
    )
    SELECT
      counted."limit", counted.window_seconds, counted.count, counted.ends_at, successor.*
    FROM shown LEFT JOIN counted ON true LEFT JOIN successor ON true
"""

ROTATE = Statement(
    text(
        _STATEMENT.format(
            counted=counting(
                "'refresh USER ' || shown.user_id",
                "policy.endpoint = 'refresh' AND policy.key_type = 'USER'",
                sources="moment CROSS JOIN shown",
            )
        )
    )
)
"""A refresh in one round trip; no row when there is no such token, one with nulls when it was counted but not rotated.

Whoever changes the row from ACTIVE writes the successor; the others do nothing. In this order it takes the locks of the
counter, of the line's first token (which whoever ends the session takes too, so that no successor is missed) and of the
token itself. When it waited for any of them, PostgreSQL judges the token by its newest state (READ COMMITTED).

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


async def rotate(connection: AsyncConnection, values: dict[str, Any]) -> AnyRow | None:
    """Count a refresh, and replace an active refresh token by its successor; None when there is no such token."""
    return await ROTATE.one_or_none(connection, values)


async def find_again(connection: AsyncConnection, selector: str, token_hash: bytes) -> AnyRow | None:
    """A refresh token that could not be rotated, and its successor, if it has one."""
    values = {"selector": selector, "token_hash": token_hash}
    return (await connection.execute(_FIND_AGAIN, values)).one_or_none()


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
