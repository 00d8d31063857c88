"""Create the tokens that auth gives out, by selector and hash."""

from alembic import op

revision = "0003_tokens"
down_revision = "0002_identities"
phase = "pre"


def upgrade() -> None:
    op.execute(
        "CREATE TYPE token_type AS ENUM ('ACCESS', 'REFRESH', 'PASSWORD_RESET', 'EMAIL_VERIFICATION', 'MAGIC_LINK', 'API_KEY')"
    )
    op.execute("CREATE TYPE token_status AS ENUM ('ACTIVE', 'USED', 'EXPIRED', 'REVOKED')")
    op.execute(
        """
        CREATE TABLE auth_tokens (
            id uuid NOT NULL DEFAULT uuidv7(),
            token varchar(64) NOT NULL,
            token_hash bytea NOT NULL,
            type token_type NOT NULL,
            status token_status NOT NULL DEFAULT 'ACTIVE',
            user_id uuid NOT NULL,
            session_id uuid,
            family_id uuid,
            parent_token_id uuid,
            rotated_from_id uuid,
            refresh_count integer NOT NULL DEFAULT 0,
            scopes varchar(121)[] NOT NULL DEFAULT '{}',
            audience varchar(255),
            issuer varchar(255),
            client_id varchar(255),
            device_id varchar(128),
            location jsonb,
            issued_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            last_used_at timestamptz,
            revoked_at timestamptz,
            revoked_reason varchar(60),
            usage_count integer NOT NULL DEFAULT 0,
            ip_address inet,
            user_agent varchar(512),
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_auth_tokens PRIMARY KEY (id),
            CONSTRAINT uq_auth_tokens_token UNIQUE (token),
            CONSTRAINT uq_auth_tokens_token_hash UNIQUE (token_hash),
            CONSTRAINT uq_auth_tokens_rotated_from_id UNIQUE (rotated_from_id),
            CONSTRAINT ck_auth_tokens_token_hash CHECK (octet_length(token_hash) = 32),
            CONSTRAINT ck_auth_tokens_lifetime CHECK (issued_at < expires_at),
            CONSTRAINT ck_auth_tokens_revoked CHECK ((status = 'REVOKED') = (revoked_at IS NOT NULL)),
            CONSTRAINT ck_auth_tokens_family CHECK (type <> 'REFRESH' OR family_id IS NOT NULL),
            CONSTRAINT ck_auth_tokens_counts CHECK (refresh_count >= 0 AND usage_count >= 0),
            CONSTRAINT fk_auth_tokens_user_id FOREIGN KEY (user_id) REFERENCES identities (id) ON DELETE CASCADE,
            CONSTRAINT fk_auth_tokens_parent_token_id FOREIGN KEY (parent_token_id) REFERENCES auth_tokens (id) ON DELETE SET NULL,
            CONSTRAINT fk_auth_tokens_rotated_from_id FOREIGN KEY (rotated_from_id) REFERENCES auth_tokens (id) ON DELETE SET NULL
        )
        """
    )
    op.execute("CREATE INDEX ix_auth_tokens_expires_at ON auth_tokens (expires_at) WHERE status = 'ACTIVE'")
    op.execute("CREATE INDEX ix_auth_tokens_family_id ON auth_tokens (family_id)")
    op.execute("CREATE INDEX ix_auth_tokens_parent_token_id ON auth_tokens (parent_token_id)")
    op.execute("CREATE INDEX ix_auth_tokens_user_id_type_status ON auth_tokens (user_id, type, status)")
    op.execute("COMMENT ON TABLE auth_tokens IS 'Every token given out, by public selector and hash of the secret'")
    op.execute("COMMENT ON COLUMN auth_tokens.token IS 'Public selector, no secret'")
    op.execute("COMMENT ON COLUMN auth_tokens.token_hash IS 'SHA-256 of the secret part'")
    op.execute("COMMENT ON COLUMN auth_tokens.family_id IS 'Id of the first token of the line of rotations'")
    op.execute("COMMENT ON COLUMN auth_tokens.parent_token_id IS 'The token this one was obtained with'")
    op.execute("COMMENT ON COLUMN auth_tokens.rotated_from_id IS 'The token this one replaced'")
    op.execute("COMMENT ON COLUMN auth_tokens.device_id IS 'The client''s stable id, as in devices'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON auth_tokens FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON auth_tokens TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE auth_tokens")
    op.execute("DROP TYPE token_status")
    op.execute("DROP TYPE token_type")
