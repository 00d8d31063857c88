"""Find what an address was invited to, also when that is over."""

from alembic import op

revision = "0029_membership_email"
down_revision = "0028_leak_report_rates"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_memberships_email ON memberships (email) WHERE email IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX ix_memberships_email")
