"""Create what auth knows of a user."""

from alembic import op

revision = "0002_identities"
down_revision = "0001_house"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE identity_status AS ENUM ('PENDING', 'ACTIVE', 'LOCKED', 'SUSPENDED', 'DELETED')")
    op.execute(
        r"""
        CREATE TABLE identities (
            id uuid NOT NULL DEFAULT uuidv7(),
            email varchar(255) NOT NULL,
            username varchar(50),
            phone varchar(16),
            password_hash varchar(255),
            password_changed_at timestamptz,
            status identity_status NOT NULL DEFAULT 'PENDING',
            email_verified_at timestamptz,
            phone_verified_at timestamptz,
            locale varchar(35) NOT NULL DEFAULT 'en',
            failed_login_count integer NOT NULL DEFAULT 0,
            locked_until timestamptz,
            security_epoch integer NOT NULL DEFAULT 0,
            metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            deleted_at timestamptz,
            CONSTRAINT pk_identities PRIMARY KEY (id),
            CONSTRAINT ck_identities_email CHECK (email = lower(email) AND email LIKE '%_@_%'),
            CONSTRAINT ck_identities_username CHECK (username = lower(username) AND username <> ''),
            CONSTRAINT ck_identities_phone CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
            CONSTRAINT ck_identities_password_hash CHECK (password_hash ~ '^\$[a-z0-9-]+\$.+\$'),
            CONSTRAINT ck_identities_deleted CHECK ((status = 'DELETED') = (deleted_at IS NOT NULL)),
            CONSTRAINT ck_identities_failed_login_count CHECK (failed_login_count >= 0),
            CONSTRAINT ck_identities_security_epoch CHECK (security_epoch >= 0)
        )
        """
    )
    op.execute("CREATE INDEX ix_identities_deleted_at ON identities (deleted_at) WHERE deleted_at IS NOT NULL")
    op.execute("CREATE UNIQUE INDEX uq_identities_email ON identities (email) WHERE deleted_at IS NULL")
    op.execute("CREATE UNIQUE INDEX uq_identities_phone ON identities (phone) WHERE deleted_at IS NULL")
    op.execute("CREATE UNIQUE INDEX uq_identities_username ON identities (username) WHERE deleted_at IS NULL")
    op.execute("COMMENT ON TABLE identities IS 'What auth knows of a user; id is the user id in every service'")
    op.execute("COMMENT ON COLUMN identities.phone IS 'E.164'")
    op.execute("COMMENT ON COLUMN identities.password_hash IS 'PHC string, Argon2id'")
    op.execute("COMMENT ON COLUMN identities.locale IS 'BCP 47; what mails about this account are written in'")
    op.execute(
        "COMMENT ON COLUMN identities.security_epoch IS 'Raised to end all sessions: tokens of an earlier epoch are refused'"
    )
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON identities FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP TABLE identities")
    op.execute("DROP TYPE identity_status")
