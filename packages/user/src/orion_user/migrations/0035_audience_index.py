"""Find whoever has a role, wherever it was given, in the order of users."""

from alembic import op

revision = "0035_audience_index"
down_revision = "0034_user_grants_readable"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_user_roles_role_id_user_id ON user_roles (role_id, user_id)")


def downgrade() -> None:
    op.execute("DROP INDEX ix_user_roles_role_id_user_id")
