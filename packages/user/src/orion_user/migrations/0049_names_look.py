"""Refuse names of rules of separation and of audit streams that look like another's.

Where there are such already, the index cannot be made: remove one of the two, and deploy again.
"""

from alembic import op

revision = "0049_names_look"
down_revision = "0048_absences"
phase = "pre"
accepted = {
    "wrong-phase": "the code before answers 500 to a name that looks like another's, which nobody needs in between",
}


def upgrade() -> None:
    for table in ("separation_rules", "audit_streams"):
        op.execute(
            f"CREATE UNIQUE INDEX uq_{table}_look ON {table}"
            " ((translate(replace(name::text, 'rn', 'm'), '01i', 'oll')))"
        )


def downgrade() -> None:
    op.execute("DROP INDEX uq_audit_streams_look")
    op.execute("DROP INDEX uq_separation_rules_look")
