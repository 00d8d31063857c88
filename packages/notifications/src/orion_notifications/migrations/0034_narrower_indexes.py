"""Indexes that no message has to be put into which nobody will look for by them.

Nothing asks for attempts by their provider. Of templates, those messages alone are sought that have one; of a user's
messages by their status, those alone that have not left. Each such place costs a message twice: when it is queued, and
when it is sent.
"""

from alembic import op

revision = "0034_narrower_indexes"
down_revision = "0033_batch_words_checked"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX ix_notifications_user_id_waiting
          ON notifications (user_id, status) WHERE status IN ('QUEUED', 'PROCESSING')
        """
    )
    op.execute(
        """
        CREATE INDEX ix_notifications_template
          ON notifications (template_id, template_version) WHERE template_id IS NOT NULL
        """
    )
    op.execute("DROP INDEX ix_notifications_user_id_status")
    op.execute("DROP INDEX ix_notifications_template_id_template_version")
    op.execute("DROP INDEX ix_delivery_attempts_provider_attempted_at")


def downgrade() -> None:
    op.execute("CREATE INDEX ix_delivery_attempts_provider_attempted_at ON delivery_attempts (provider, attempted_at)")
    op.execute(
        """
        CREATE INDEX ix_notifications_template_id_template_version ON notifications (template_id, template_version)
        """
    )
    op.execute("CREATE INDEX ix_notifications_user_id_status ON notifications (user_id, status)")
    op.execute("DROP INDEX ix_notifications_template")
    op.execute("DROP INDEX ix_notifications_user_id_waiting")
