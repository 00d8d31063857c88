"""Add the keys of programs."""

from alembic import op

revision = "0010_api_keys"
down_revision = "0009_audit"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE api_keys (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(100) NOT NULL,
            prefix varchar(16) NOT NULL,
            key_hash bytea NOT NULL,
            user_id uuid,
            service varchar(60),
            scopes varchar(121)[] NOT NULL DEFAULT '{}',
            allowed_cidrs cidr[] NOT NULL DEFAULT '{}',
            rate_limit integer,
            expires_at timestamptz,
            last_used_at timestamptz,
            last_used_ip inet,
            usage_count bigint NOT NULL DEFAULT 0,
            revoked_at timestamptz,
            revoked_reason varchar(200),
            rotated_from_id uuid,
            overlap_until timestamptz,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_api_keys PRIMARY KEY (id),
            CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
            CONSTRAINT fk_api_keys_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT fk_api_keys_rotated_from_id
                FOREIGN KEY (rotated_from_id) REFERENCES api_keys (id) ON DELETE SET NULL,
            CONSTRAINT ck_api_keys_prefix CHECK (prefix ~ '^[A-Za-z0-9]{8,16}$'),
            CONSTRAINT ck_api_keys_key_hash CHECK (octet_length(key_hash) = 32),
            CONSTRAINT ck_api_keys_owner CHECK (num_nonnulls(user_id, service) = 1),
            CONSTRAINT ck_api_keys_rate_limit CHECK (rate_limit > 0),
            CONSTRAINT ck_api_keys_usage_count CHECK (usage_count >= 0),
            CONSTRAINT ck_api_keys_expires_at CHECK (created_at < expires_at),
            CONSTRAINT ck_api_keys_rotated_from_id CHECK (rotated_from_id <> id),
            CONSTRAINT ck_api_keys_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("COMMENT ON COLUMN api_keys.prefix IS 'Public selector, not a secret'")
    op.execute("COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the secret part'")
    op.execute("COMMENT ON COLUMN api_keys.allowed_cidrs IS 'Empty: from everywhere'")
    op.execute("COMMENT ON COLUMN api_keys.rate_limit IS 'Requests in a minute'")
    op.execute("COMMENT ON COLUMN api_keys.overlap_until IS 'Of a rotated key: until when it still works'")
    for column in ("user_id", "service", "expires_at", "rotated_from_id"):
        op.execute(f"CREATE INDEX ix_api_keys_{column} ON api_keys ({column}) WHERE {column} IS NOT NULL")
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE api_keys")
