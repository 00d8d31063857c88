"""What a user wants to hear, where, and when not."""

from alembic import op

revision = "0006_preferences"
down_revision = "0005_delivery"
phase = "pre"


def upgrade() -> None:
    op.execute(
        r"""
        CREATE TABLE user_preferences (
          id uuid NOT NULL DEFAULT uuidv7(),
          user_id uuid NOT NULL,
          name varchar(200),
          email varchar(255),
          email_verified_at timestamptz,
          phone varchar(16),
          webhook_url varchar(2048),
          locale varchar(35) NOT NULL DEFAULT 'en',
          timezone varchar(64) NOT NULL DEFAULT 'UTC',
          email_enabled boolean NOT NULL DEFAULT true,
          sms_enabled boolean NOT NULL DEFAULT true,
          push_enabled boolean NOT NULL DEFAULT true,
          in_app_enabled boolean NOT NULL DEFAULT true,
          webhook_enabled boolean NOT NULL DEFAULT true,
          slack_enabled boolean NOT NULL DEFAULT true,
          discord_enabled boolean NOT NULL DEFAULT true,
          category_channels jsonb NOT NULL DEFAULT '{}'::jsonb,
          quiet_hours_enabled boolean NOT NULL DEFAULT false,
          quiet_hours_start time,
          quiet_hours_end time,
          quiet_hours_timezone varchar(64),
          quiet_hours_days smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}',
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_user_preferences PRIMARY KEY (id),
          CONSTRAINT uq_user_preferences_user_id UNIQUE (user_id),
          CONSTRAINT ck_user_preferences_email CHECK (email = lower(email)),
          CONSTRAINT ck_user_preferences_phone CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
          CONSTRAINT ck_user_preferences_webhook_url CHECK (webhook_url ~ '^https?://'),
          CONSTRAINT ck_user_preferences_category_channels CHECK (jsonb_typeof(category_channels) = 'object'),
          CONSTRAINT ck_user_preferences_quiet_hours
            CHECK (NOT quiet_hours_enabled OR coalesce(quiet_hours_start <> quiet_hours_end, false)),
          CONSTRAINT ck_user_preferences_quiet_hours_days CHECK (quiet_hours_days <@ '{1,2,3,4,5,6,7}'::smallint[])
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON user_preferences FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON user_preferences TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE user_preferences")
