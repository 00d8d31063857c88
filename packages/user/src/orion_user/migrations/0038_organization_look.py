"""Refuse slugs of organizations that look like another's.

Where there are such already, the index cannot be made: change one of the two, and deploy again.
"""

from alembic import op

revision = "0038_organization_look"
down_revision = "0037_audit_search_more"
phase = "pre"
accepted = {
    "wrong-phase": "the code before answers 500 to a slug that looks like another's, which nobody needs in between",
}


def upgrade() -> None:
    op.execute(
        "CREATE UNIQUE INDEX uq_organizations_look ON organizations"
        " ((translate(replace(slug::text, 'rn', 'm'), '01i', 'oll'))) WHERE deleted_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX uq_organizations_look")
