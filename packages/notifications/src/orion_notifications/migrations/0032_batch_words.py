"""Let a batch say words of its own where no template says them. The rows are checked by the next revision."""

from alembic import op

revision = "0032_batch_words"
down_revision = "0031_no_webhook_url"
phase = "pre"
accepted = {
    "wrong-phase": "in the same transaction a constraint takes its place that allows all that was allowed before",
}


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE notification_batches
          ADD COLUMN category category,
          ADD COLUMN content jsonb,
          ADD CONSTRAINT ck_notification_batches_words CHECK ((content IS NULL) = (category IS NULL)) NOT VALID,
          DROP CONSTRAINT ck_notification_batches_ready
        """
    )
    op.execute(
        """
        ALTER TABLE notification_batches ADD CONSTRAINT ck_notification_batches_ready
        CHECK (num_nonnulls(template_id, content) = 1 OR status IN ('DRAFT', 'CANCELLED')) NOT VALID
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM notification_batches WHERE template_id IS NULL AND status NOT IN ('DRAFT', 'CANCELLED')")
    op.execute(
        """
        ALTER TABLE notification_batches
          DROP CONSTRAINT ck_notification_batches_ready,
          DROP CONSTRAINT ck_notification_batches_words,
          DROP COLUMN content,
          DROP COLUMN category
        """
    )
    op.execute(
        """
        ALTER TABLE notification_batches ADD CONSTRAINT ck_notification_batches_ready
        CHECK (template_id IS NOT NULL OR status IN ('DRAFT', 'CANCELLED'))
        """
    )
