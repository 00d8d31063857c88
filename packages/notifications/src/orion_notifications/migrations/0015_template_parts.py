"""What a published version is rendered from, and its own schema.

A version keeps what was written apart from what it was compiled to, so that it says tomorrow what it says today whatever
becomes of its layout; and its own schema of variables, so that going back to it brings that back too.
"""

from alembic import op

revision = "0015_template_parts"
down_revision = "0014_sent_at_once"
phase = "pre"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE template_versions
          ADD COLUMN layout varchar(100),
          ADD COLUMN variables jsonb,
          ADD COLUMN compiled jsonb,
          ADD COLUMN parts jsonb NOT NULL DEFAULT '{}'::jsonb,
          ADD CONSTRAINT ck_template_versions_variables CHECK (jsonb_typeof(variables) = 'object') NOT VALID,
          ADD CONSTRAINT ck_template_versions_compiled CHECK (jsonb_typeof(compiled) = 'object') NOT VALID
        """
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE template_versions VALIDATE CONSTRAINT ck_template_versions_variables")
        op.execute("ALTER TABLE template_versions VALIDATE CONSTRAINT ck_template_versions_compiled")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE template_versions
          DROP COLUMN layout, DROP COLUMN variables, DROP COLUMN compiled, DROP COLUMN parts
        """
    )
