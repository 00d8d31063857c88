"""A queue of lanes: each channel is claimed by itself, may be paused, and says since when a worker has a message."""

from alembic import op

revision = "0012_queue_lanes"
down_revision = "0011_outbox_pruned"
phase = "pre"


def upgrade() -> None:
    # channel_pauses
    op.execute(
        """
        CREATE TABLE channel_pauses (
          channel channel NOT NULL,
          reason varchar(500) NOT NULL,
          paused_by varchar(200) NOT NULL,
          paused_at timestamptz NOT NULL DEFAULT now(),
          created_at timestamptz NOT NULL DEFAULT now(),
          updated_at timestamptz NOT NULL DEFAULT now(),
          CONSTRAINT pk_channel_pauses PRIMARY KEY (channel)
        )
        """
    )
    op.execute(
        """
        CREATE TRIGGER set_updated_at BEFORE UPDATE ON channel_pauses FOR EACH ROW EXECUTE FUNCTION set_updated_at()
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON channel_pauses TO orion_notifications_service")
    # notification_queue
    op.execute("ALTER TABLE notification_queue ADD COLUMN channel channel")
    op.execute("ALTER TABLE notification_queue ADD COLUMN leased_at timestamptz")
    op.execute("ALTER TABLE notification_queue ADD COLUMN lost_leases smallint NOT NULL DEFAULT 0")
    op.execute(
        """
        CREATE INDEX ix_notification_queue_lane
            ON notification_queue (channel, priority, due_at) WHERE lease_until IS NULL AND lost_leases = 0
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notification_queue_lost
            ON notification_queue (due_at) WHERE lease_until IS NULL AND lost_leases > 0
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_notification_queue_lost")
    op.execute("DROP INDEX ix_notification_queue_lane")
    op.execute("ALTER TABLE notification_queue DROP COLUMN lost_leases")
    op.execute("ALTER TABLE notification_queue DROP COLUMN leased_at")
    op.execute("ALTER TABLE notification_queue DROP COLUMN channel")
    op.execute("DROP TABLE channel_pauses")
