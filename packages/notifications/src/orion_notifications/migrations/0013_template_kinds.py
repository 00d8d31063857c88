"""Layouts and partials beside templates: the same rows, of another kind."""

from alembic import op

revision = "0013_template_kinds"
down_revision = "0012_queue_lanes"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE template_kind AS ENUM ('MESSAGE', 'LAYOUT', 'PARTIAL')")
    op.execute("ALTER TABLE templates ADD COLUMN kind template_kind NOT NULL DEFAULT 'MESSAGE'")


def downgrade() -> None:
    op.execute("ALTER TABLE templates DROP COLUMN kind")
    op.execute("DROP TYPE template_kind")
