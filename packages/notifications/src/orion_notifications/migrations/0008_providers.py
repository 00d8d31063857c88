"""Accounts with those who carry messages."""

from alembic import op

revision = "0008_providers"
down_revision = "0007_suppressions"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE provider_health AS ENUM ('HEALTHY', 'DEGRADED', 'DOWN')")
    op.execute(
        """
        CREATE TABLE provider_accounts (
          id uuid NOT NULL DEFAULT uuidv7(),
          channel channel NOT NULL,
          provider varchar(60) NOT NULL,
          name varchar(100) NOT NULL,
          sealed_credentials bytea,
          weight smallint NOT NULL DEFAULT 1,
          rate_limit integer,
          rate_limit_seconds smallint NOT NULL DEFAULT 1,
          is_enabled boolean NOT NULL DEFAULT true,
          health provider_health NOT NULL DEFAULT 'HEALTHY',
          health_changed_at timestamptz,
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_provider_accounts PRIMARY KEY (id),
          CONSTRAINT uq_provider_accounts_channel_name UNIQUE (channel, name),
          CONSTRAINT ck_provider_accounts_weight CHECK (weight BETWEEN 0 AND 1000),
          CONSTRAINT ck_provider_accounts_rate_limit CHECK (rate_limit > 0 AND rate_limit_seconds > 0)
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON provider_accounts FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON provider_accounts TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE provider_accounts")
    op.execute("DROP TYPE provider_health")
