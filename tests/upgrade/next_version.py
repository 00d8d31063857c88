"""What a next version of each service might bring: every kind of change that running code must live with."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree
from textwrap import dedent

from orion_core.service import Service
from orion_db.revisions import read_revisions

# A column, a label, an index on a table in use, a constraint proved afterwards, a table that refers to one in use, and
# rows filled in batches. What takes something away comes last, in a phase that waits for the new code.
CHANGES: dict[str, list[tuple[str, str]]] = {
    "auth": [
        (
            "next_columns",
            """
            phase = "pre"


            def upgrade() -> None:
                op.execute("ALTER TABLE identities ADD COLUMN region varchar(40)")
                op.execute("ALTER TYPE login_method ADD VALUE IF NOT EXISTS 'NEXT_METHOD'")
                op.execute("CREATE INDEX ix_identities_region ON identities (region)")
                op.execute("CREATE INDEX ix_auth_tokens_issued_at ON auth_tokens (issued_at)")
                op.execute("ALTER TABLE identities ADD CONSTRAINT ck_identities_region CHECK (region <> '') NOT VALID")
                op.execute("ALTER TABLE identities VALIDATE CONSTRAINT ck_identities_region")


            def downgrade() -> None:
                op.execute("DROP INDEX ix_auth_tokens_issued_at")
                op.execute("ALTER TABLE identities DROP COLUMN region")
            """,
        ),
        (
            "next_table",
            """
            phase = "pre"


            def upgrade() -> None:
                op.execute(
                    "CREATE TABLE identity_notes (id uuid CONSTRAINT pk_identity_notes PRIMARY KEY DEFAULT uuidv7(), "
                    "user_id uuid NOT NULL CONSTRAINT fk_identity_notes_user_id_identities REFERENCES identities "
                    "ON DELETE CASCADE)"
                )
                op.execute("CREATE INDEX ix_identity_notes_user_id ON identity_notes (user_id)")
                op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON identity_notes TO orion_auth_service")


            def downgrade() -> None:
                op.execute("DROP TABLE identity_notes")
            """,
        ),
        (
            "next_backfill",
            '''
            phase = "pre"

            backfill = """
                UPDATE identities SET region = 'EU'
                WHERE id IN (SELECT id FROM identities WHERE region IS NULL LIMIT 20 FOR UPDATE SKIP LOCKED)
            """


            def upgrade() -> None:
                pass


            def downgrade() -> None:
                pass
            ''',
        ),
        (
            "next_cleanup",
            """
            phase = "post"


            def upgrade() -> None:
                op.execute("ALTER TABLE identities DROP COLUMN username")


            def downgrade() -> None:
                op.execute("ALTER TABLE identities ADD COLUMN username varchar(50)")
            """,
        ),
    ],
    "user": [
        (
            "next_columns",
            """
            phase = "pre"


            def upgrade() -> None:
                op.execute("ALTER TABLE users ADD COLUMN pronouns varchar(40) NOT NULL DEFAULT ''")
                op.execute("CREATE INDEX ix_users_pronouns ON users (pronouns)")


            def downgrade() -> None:
                op.execute("ALTER TABLE users DROP COLUMN pronouns")
            """,
        ),
    ],
    "notifications": [
        (
            "next_columns",
            """
            phase = "pre"


            def upgrade() -> None:
                op.execute("ALTER TABLE notifications ADD COLUMN thread varchar(80)")
                op.execute("CREATE INDEX ix_notifications_thread ON notifications (thread)")
                op.execute("CREATE INDEX ix_delivery_attempts_completed_at ON delivery_attempts (completed_at)")


            def downgrade() -> None:
                op.execute("DROP INDEX ix_delivery_attempts_completed_at")
                op.execute("ALTER TABLE notifications DROP COLUMN thread")
            """,
        ),
    ],
}


def next_version(service: Service, folder: Path) -> Service:
    """The service with the migrations of its next version, written below `folder`."""
    migrations = folder / service.name
    copytree(service.migrations, migrations)
    for name, body in CHANGES[service.name]:
        number = read_revisions(migrations)[-1].number + 1
        text = f'"""A change of the next version."""\n\nfrom alembic import op\n{dedent(body)}'
        (migrations / f"{number:04d}_{name}.py").write_text(text, encoding="utf-8")
    return replace(service, migrations=migrations)
