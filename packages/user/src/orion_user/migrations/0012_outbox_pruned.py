"""Remember up to which position the feed was pruned, so that a reader that is further behind is told so."""

from alembic import op

revision = "0012_outbox_pruned"
down_revision = "0011_retention"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE outbox_pruned MINVALUE 0 START WITH 0")
    op.execute("GRANT SELECT, UPDATE ON SEQUENCE outbox_pruned TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP SEQUENCE outbox_pruned")
