"""Roles in an organization are assignments (user_roles). Nothing has ever written or read this one."""

from alembic import op

revision = "0051_no_role_of_memberships"
down_revision = "0050_counters_alike"
phase = "post"
accepted = {
    "locks-several-tables": "a foreign key cannot go without both tables, which are shut for a change of the catalog",
}


def upgrade() -> None:
    op.execute("ALTER TABLE memberships DROP COLUMN role_id")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE memberships
          ADD COLUMN role_id uuid,
          ADD CONSTRAINT fk_memberships_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE SET NULL
        """
    )
    op.execute("CREATE INDEX ix_memberships_role_id ON memberships (role_id) WHERE role_id IS NOT NULL")
