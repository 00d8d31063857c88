"""An inbox in which messages are put off and which is watched: what came last is found by when it came."""

from alembic import op

revision = "0018_inbox"
down_revision = "0017_provider_buckets"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE notifications ADD COLUMN snoozed_until timestamptz")
    op.execute(
        """
        CREATE INDEX ix_notifications_inbox ON notifications (user_id, delivered_at)
        WHERE channel = 'IN_APP' AND delivered_at IS NOT NULL
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX ix_notifications_inbox")
    op.execute("ALTER TABLE notifications DROP COLUMN snoozed_until")
