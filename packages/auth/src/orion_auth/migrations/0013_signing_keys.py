"""Create the keys that sign access tokens."""

from alembic import op

revision = "0013_signing_keys"
down_revision = "0012_rate_limits"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE signing_key_status AS ENUM ('PENDING', 'ACTIVE', 'RETIRING', 'RETIRED')")
    op.execute(
        """
        CREATE TABLE signing_keys (
            id uuid NOT NULL DEFAULT uuidv7(),
            kid varchar(64) NOT NULL,
            algorithm varchar(20) NOT NULL,
            public_jwk jsonb NOT NULL,
            private_key bytea NOT NULL,
            status signing_key_status NOT NULL DEFAULT 'PENDING',
            activated_at timestamptz,
            retires_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_signing_keys PRIMARY KEY (id),
            CONSTRAINT uq_signing_keys_kid UNIQUE (kid),
            CONSTRAINT ck_signing_keys_public_jwk CHECK (NOT public_jwk ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']),
            CONSTRAINT ck_signing_keys_activated CHECK (status = 'PENDING' OR activated_at IS NOT NULL)
        )
        """
    )
    op.execute("CREATE INDEX ix_signing_keys_status ON signing_keys (status)")
    op.execute("CREATE UNIQUE INDEX uq_signing_keys_active ON signing_keys (algorithm) WHERE status = 'ACTIVE'")
    op.execute("COMMENT ON TABLE signing_keys IS 'The keys that sign access tokens'")
    op.execute("COMMENT ON COLUMN signing_keys.kid IS 'RFC 7638 thumbprint'")
    op.execute("COMMENT ON COLUMN signing_keys.algorithm IS 'JOSE name, e.g. ES256'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON signing_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE signing_keys")
    op.execute("DROP TYPE signing_key_status")
