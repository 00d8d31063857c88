"""Browsers and devices that may be called."""

from alembic import op

revision = "0009_push"
down_revision = "0008_providers"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE push_platform AS ENUM ('WEB', 'FCM', 'APNS')")
    op.execute(
        """
        CREATE TABLE push_subscriptions (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid NOT NULL,
          platform push_platform NOT NULL,
          token varchar(2048) NOT NULL,
          sealed_keys bytea,
          user_agent varchar(512),
          last_success_at timestamptz,
          disabled_at timestamptz,
          disabled_reason varchar(200),
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_push_subscriptions PRIMARY KEY (id),
          CONSTRAINT uq_push_subscriptions_token UNIQUE (token),
          CONSTRAINT ck_push_subscriptions_sealed_keys CHECK ((platform = 'WEB') = (sealed_keys IS NOT NULL)),
          CONSTRAINT ck_push_subscriptions_token CHECK (octet_length(token) <= 2048),
          CONSTRAINT ck_push_subscriptions_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX ix_push_subscriptions_user_id ON push_subscriptions (user_id)")
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON push_subscriptions FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON push_subscriptions TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE push_subscriptions")
    op.execute("DROP TYPE push_platform")
