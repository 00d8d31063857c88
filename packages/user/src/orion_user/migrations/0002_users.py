"""Add users and their preferences.

Search by name, e-mail and username needs the contributed module pg_trgm. It is trusted, so the database's owner may
create it, but its files have to be on the server.
"""

from alembic import op

revision = "0002_users"
down_revision = "0001_house"
phase = "pre"

REQUIRE_PG_TRGM = """
DO $do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
    RAISE EXCEPTION 'this PostgreSQL server has no extension pg_trgm'
      USING ERRCODE = '58P01', HINT = 'Install the contributed modules (Debian: postgresql-contrib) and migrate again.';
  END IF;
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE EXCEPTION '% may not create the extension pg_trgm in this database', current_user
    USING ERRCODE = '42501', HINT = 'Have a superuser run CREATE EXTENSION pg_trgm here, and migrate again.';
END $do$
"""


def upgrade() -> None:
    op.execute(REQUIRE_PG_TRGM)
    _users()
    _user_preferences()


def _users() -> None:
    op.execute("CREATE TYPE user_status AS ENUM ('PENDING', 'ACTIVE', 'SUSPENDED', 'DELETED')")
    op.execute(
        r"""
        CREATE TABLE users (
            id uuid NOT NULL DEFAULT uuidv7(),
            email varchar(255) NOT NULL,
            username varchar(60),
            name varchar(100),
            phone varchar(16),
            avatar_url varchar(2048),
            bio varchar(1000),
            location varchar(100),
            website varchar(2048),
            social_links jsonb NOT NULL DEFAULT '{}',
            status user_status NOT NULL DEFAULT 'PENDING',
            email_verified_at timestamptz,
            phone_verified_at timestamptz,
            last_login_at timestamptz,
            last_active_at timestamptz,
            login_count integer NOT NULL DEFAULT 0,
            failed_login_count integer NOT NULL DEFAULT 0,
            last_failed_login_at timestamptz,
            locked_until timestamptz,
            purge_after timestamptz,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            deleted_at timestamptz,
            CONSTRAINT pk_users PRIMARY KEY (id),
            CONSTRAINT ck_users_email CHECK (email = lower(email) AND email LIKE '%_@_%'),
            CONSTRAINT ck_users_username CHECK (username = lower(username) AND username <> ''),
            CONSTRAINT ck_users_phone CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
            CONSTRAINT ck_users_social_links CHECK (jsonb_typeof(social_links) = 'object'),
            CONSTRAINT ck_users_metadata CHECK (jsonb_typeof(metadata) = 'object'),
            CONSTRAINT ck_users_counts CHECK (login_count >= 0 AND failed_login_count >= 0),
            CONSTRAINT ck_users_deleted CHECK ((status = 'DELETED') = (deleted_at IS NOT NULL)),
            CONSTRAINT ck_users_purge_after CHECK (purge_after >= deleted_at),
            CONSTRAINT ck_users_purge_deleted CHECK (purge_after IS NULL OR deleted_at IS NOT NULL)
        )
        """
    )
    op.execute("COMMENT ON TABLE users IS 'Profiles; id is the user id in every service'")
    op.execute("COMMENT ON COLUMN users.phone IS 'E.164'")
    op.execute("COMMENT ON COLUMN users.failed_login_count IS 'Since the last sign-in that succeeded'")
    op.execute("CREATE UNIQUE INDEX uq_users_email ON users (email) WHERE deleted_at IS NULL")
    op.execute("CREATE UNIQUE INDEX uq_users_username ON users (username) WHERE deleted_at IS NULL")
    op.execute("CREATE UNIQUE INDEX uq_users_phone ON users (phone) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX ix_users_created_at_id ON users (created_at, id)")
    op.execute("CREATE INDEX ix_users_status_created_at_id ON users (status, created_at, id)")
    op.execute("CREATE INDEX ix_users_last_login_at ON users (last_login_at)")
    op.execute("CREATE INDEX ix_users_deleted_at ON users (deleted_at) WHERE deleted_at IS NOT NULL")
    op.execute("CREATE INDEX ix_users_purge_after ON users (purge_after) WHERE purge_after IS NOT NULL")
    op.execute(
        "CREATE INDEX ix_users_search ON users USING gin (name gin_trgm_ops, email gin_trgm_ops, username gin_trgm_ops)"
    )
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO orion_user_service")


def _user_preferences() -> None:
    op.execute(
        """
        CREATE TABLE user_preferences (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            notifications jsonb NOT NULL DEFAULT '{}',
            privacy jsonb NOT NULL DEFAULT '{}',
            display jsonb NOT NULL DEFAULT '{}',
            security jsonb NOT NULL DEFAULT '{}',
            locale varchar(35) NOT NULL DEFAULT 'en',
            timezone varchar(64) NOT NULL DEFAULT 'UTC',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_user_preferences PRIMARY KEY (id),
            CONSTRAINT uq_user_preferences_user_id UNIQUE (user_id),
            CONSTRAINT fk_user_preferences_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT ck_user_preferences_notifications CHECK (jsonb_typeof(notifications) = 'object'),
            CONSTRAINT ck_user_preferences_privacy CHECK (jsonb_typeof(privacy) = 'object'),
            CONSTRAINT ck_user_preferences_display CHECK (jsonb_typeof(display) = 'object'),
            CONSTRAINT ck_user_preferences_security CHECK (jsonb_typeof(security) = 'object')
        )
        """
    )
    op.execute("COMMENT ON COLUMN user_preferences.locale IS 'BCP 47'")
    op.execute("COMMENT ON COLUMN user_preferences.timezone IS 'IANA name'")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON user_preferences FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON user_preferences TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE user_preferences")
    op.execute("DROP TABLE users")
    op.execute("DROP TYPE user_status")
    op.execute("DROP EXTENSION pg_trgm")
