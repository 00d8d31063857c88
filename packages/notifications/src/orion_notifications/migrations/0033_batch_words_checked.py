"""Check the batches that there are for what 0032 asks of them; reading them for that holds nobody up."""

from alembic import op

revision = "0033_batch_words_checked"
down_revision = "0032_batch_words"
phase = "pre"

CHECKS = {
    "ck_notification_batches_ready": "num_nonnulls(template_id, content) = 1 OR status IN ('DRAFT', 'CANCELLED')",
    "ck_notification_batches_words": "(content IS NULL) = (category IS NULL)",
}


def upgrade() -> None:
    for name in CHECKS:
        op.execute(f"ALTER TABLE notification_batches VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    for name, condition in CHECKS.items():
        op.execute(f"ALTER TABLE notification_batches DROP CONSTRAINT {name}")
        op.execute(f"ALTER TABLE notification_batches ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
