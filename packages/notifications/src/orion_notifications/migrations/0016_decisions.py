"""Keep what was decided of each message, what users choose beyond switches, and how much one gets in a window of time."""

from alembic import op

revision = "0016_decisions"
down_revision = "0015_template_parts"
phase = "pre"
accepted = {
    "locks-several-tables": "each column is a change of the catalogue alone, and nothing takes both tables' locks in turn"
}


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE user_preferences
          ADD COLUMN chosen_channels jsonb NOT NULL DEFAULT '{}'::jsonb,
          ADD COLUMN type_channels jsonb NOT NULL DEFAULT '{}'::jsonb,
          ADD COLUMN quiet_hours_overrides jsonb NOT NULL DEFAULT '{}'::jsonb,
          ADD COLUMN digests jsonb NOT NULL DEFAULT '{}'::jsonb,
          ADD COLUMN digest_at time NOT NULL DEFAULT '09:00'
        """
    )
    op.execute("ALTER TABLE notifications ADD COLUMN local_time time, ADD COLUMN decisions jsonb")
    op.execute("CREATE TYPE excess AS ENUM ('DEFER', 'REJECT')")
    op.execute(
        """
        CREATE TABLE throttles (
          id uuid NOT NULL DEFAULT uuidv7(),
          type varchar(100) NOT NULL,
          channel channel,
          most integer NOT NULL,
          window_seconds integer NOT NULL,
          excess excess NOT NULL DEFAULT 'DEFER',
          metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_throttles PRIMARY KEY (id),
          CONSTRAINT uq_throttles_type_channel UNIQUE NULLS NOT DISTINCT (type, channel),
          CONSTRAINT ck_throttles_most CHECK (most >= 1),
          CONSTRAINT ck_throttles_window_seconds CHECK (window_seconds BETWEEN 1 AND 2678400)
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON throttles FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON throttles TO orion_notifications_service")
    op.execute(
        """
        CREATE TABLE throttle_uses (
          user_id uuid NOT NULL,
          throttle_id uuid NOT NULL,
          begins_at timestamptz NOT NULL,
          used integer NOT NULL,
          CONSTRAINT pk_throttle_uses PRIMARY KEY (user_id, throttle_id, begins_at),
          CONSTRAINT fk_throttle_uses_throttle_id
            FOREIGN KEY (throttle_id) REFERENCES throttles (id) ON DELETE CASCADE,
          CONSTRAINT ck_throttle_uses_used CHECK (used >= 1)
        )
        """
    )
    op.execute("CREATE INDEX ix_throttle_uses_throttle_id ON throttle_uses (throttle_id)")
    op.execute("CREATE INDEX ix_throttle_uses_begins_at ON throttle_uses (begins_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON throttle_uses TO orion_notifications_service")


def downgrade() -> None:
    op.execute("DROP TABLE throttle_uses")
    op.execute("DROP TABLE throttles")
    op.execute("DROP TYPE excess")
    op.execute("ALTER TABLE notifications DROP COLUMN decisions, DROP COLUMN local_time")
    op.execute(
        """
        ALTER TABLE user_preferences
          DROP COLUMN digest_at,
          DROP COLUMN digests,
          DROP COLUMN quiet_hours_overrides,
          DROP COLUMN type_channels,
          DROP COLUMN chosen_channels
        """
    )
