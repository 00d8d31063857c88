"""Keep what user tells of API keys, so that tokens are given for them while user is away."""

from alembic import op

revision = "0035_api_keys"
down_revision = "0034_erasures"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE api_keys (
            id uuid NOT NULL DEFAULT uuidv7(),
            prefix varchar(16) NOT NULL,
            key_hash bytea NOT NULL,
            user_id uuid,
            service varchar(60),
            scopes varchar(121)[] NOT NULL,
            allowed_cidrs cidr[] NOT NULL,
            ends_at timestamptz,
            revoked_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_api_keys PRIMARY KEY (id),
            CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
            CONSTRAINT ck_api_keys_key_hash CHECK (octet_length(key_hash) = 32),
            CONSTRAINT ck_api_keys_owner CHECK (num_nonnulls(user_id, service) = 1)
        )
        """
    )
    op.execute("COMMENT ON TABLE api_keys IS 'API keys as user tells of them, to give tokens for'")
    op.execute("COMMENT ON COLUMN api_keys.prefix IS 'Public selector, not a secret'")
    op.execute("COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the secret part'")
    op.execute("COMMENT ON COLUMN api_keys.user_id IS 'No foreign key: user may tell of one who is gone here'")
    op.execute("COMMENT ON COLUMN api_keys.allowed_cidrs IS 'Empty: from everywhere'")
    op.execute("CREATE INDEX ix_api_keys_user_id ON api_keys (user_id) WHERE user_id IS NOT NULL")
    op.execute("CREATE INDEX ix_api_keys_ends_at ON api_keys (ends_at) WHERE ends_at IS NOT NULL")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE api_keys")
