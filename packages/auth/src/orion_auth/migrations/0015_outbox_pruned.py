"""Remember up to which position the feed was pruned, so that a reader that is further behind is told so."""

from alembic import op

revision = "0015_outbox_pruned"
down_revision = "0014_retention"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE outbox_pruned MINVALUE 0 START WITH 0")
    op.execute("GRANT SELECT, UPDATE ON SEQUENCE outbox_pruned TO orion_auth_service")


def downgrade() -> None:
    op.execute("DROP SEQUENCE outbox_pruned")
