"""Keep what a refresh token carries on in columns, so that one statement can judge, use up and replace it.

Tokens given out before have none of it: `backfill` takes `auth_time` and `amr` from their metadata; an epoch they get with
their first rotation.
"""

from alembic import op

revision = "0023_refresh_rotation"
down_revision = "0022_two_factor_required"
phase = "pre"

backfill = """
UPDATE auth_tokens
SET session_started_at = coalesce(CAST(metadata->>'session_started_at' AS timestamptz), issued_at),
    auth_time = coalesce(
      CAST(metadata->>'authenticated_at' AS timestamptz), CAST(metadata->>'session_started_at' AS timestamptz), issued_at
    ),
    idle_seconds = CAST(CAST(metadata->>'idle_seconds' AS float8) AS integer),
    idle_until = CASE WHEN metadata ? 'idle_seconds' THEN expires_at END,
    expires_at = coalesce(CAST(metadata->>'session_expires_at' AS timestamptz), expires_at),
    amr = ARRAY(SELECT jsonb_array_elements_text(coalesce(metadata->'amr', '["pwd"]'::jsonb)))
WHERE id IN (SELECT id FROM auth_tokens WHERE type = 'REFRESH' AND auth_time IS NULL LIMIT 1000)
"""


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE auth_tokens
            ADD COLUMN session_started_at timestamptz,
            ADD COLUMN auth_time timestamptz,
            ADD COLUMN amr varchar(20)[] NOT NULL DEFAULT '{}',
            ADD COLUMN idle_seconds integer,
            ADD COLUMN idle_until timestamptz,
            ADD COLUMN security_epoch integer,
            ADD COLUMN jkt varchar(43),
            ADD COLUMN client_hash bytea,
            ADD CONSTRAINT ck_auth_tokens_session CHECK (idle_seconds > 0 AND security_epoch >= 0) NOT VALID,
            ADD CONSTRAINT ck_auth_tokens_client_hash CHECK (octet_length(client_hash) = 32) NOT VALID
        """
    )
    op.execute("COMMENT ON COLUMN auth_tokens.auth_time IS 'When the owner last gave proof of who he is'")
    op.execute("COMMENT ON COLUMN auth_tokens.amr IS 'How he did (RFC 8176)'")
    op.execute("COMMENT ON COLUMN auth_tokens.idle_seconds IS 'How long the session may go without being refreshed'")
    op.execute("COMMENT ON COLUMN auth_tokens.idle_until IS 'When it will have; expires_at is the session''s end'")
    op.execute("COMMENT ON COLUMN auth_tokens.security_epoch IS 'Of the user, when the session was begun'")
    op.execute("COMMENT ON COLUMN auth_tokens.jkt IS 'Thumbprint of the key it is bound to (RFC 9449)'")
    op.execute(
        "COMMENT ON COLUMN auth_tokens.client_hash IS 'SHA-256 of what told the client that rotated it from others'"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE auth_tokens VALIDATE CONSTRAINT ck_auth_tokens_session")
        op.execute("ALTER TABLE auth_tokens VALIDATE CONSTRAINT ck_auth_tokens_client_hash")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE auth_tokens
            DROP COLUMN client_hash,
            DROP COLUMN jkt,
            DROP COLUMN security_epoch,
            DROP COLUMN idle_until,
            DROP COLUMN idle_seconds,
            DROP COLUMN amr,
            DROP COLUMN auth_time,
            DROP COLUMN session_started_at
        """
    )
