"""Write down imports of users, and what became of each of their lines."""

from alembic import op

revision = "0020_imports"
down_revision = "0019_erasures"
phase = "pre"


def upgrade() -> None:
    op.execute("CREATE TYPE import_format AS ENUM ('NDJSON', 'CSV')")
    op.execute(
        """
        CREATE TABLE user_imports (
            id uuid DEFAULT uuidv7() NOT NULL,
            format import_format NOT NULL,
            columns varchar(40)[] NOT NULL,
            requested_by varchar(100) NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_user_imports PRIMARY KEY (id),
            CONSTRAINT ck_user_imports_columns CHECK ((format = 'CSV') = (cardinality(columns) > 0))
        )
        """
    )
    op.execute("COMMENT ON COLUMN user_imports.columns IS 'Of a CSV file, in their order'")
    op.execute("COMMENT ON COLUMN user_imports.requested_by IS 'Subject of an access token, or an operator'")
    op.execute("CREATE INDEX ix_user_imports_created_at ON user_imports (created_at)")
    op.execute(
        """
        CREATE TABLE user_import_chunks (
            import_id uuid NOT NULL,
            first_line integer NOT NULL,
            lines integer NOT NULL,
            created integer NOT NULL,
            existing integer NOT NULL,
            refused integer NOT NULL,
            report jsonb NOT NULL,
            created_at timestamptz DEFAULT now() NOT NULL,
            updated_at timestamptz DEFAULT now() NOT NULL,
            CONSTRAINT pk_user_import_chunks PRIMARY KEY (import_id, first_line),
            CONSTRAINT fk_user_import_chunks_import_id FOREIGN KEY (import_id) REFERENCES user_imports (id)
                ON DELETE CASCADE,
            CONSTRAINT ck_user_import_chunks_lines CHECK (first_line >= 1 AND lines = created + existing + refused),
            CONSTRAINT ck_user_import_chunks_report
                CHECK (jsonb_typeof(report) = 'array' AND jsonb_array_length(report) = lines)
        )
        """
    )
    op.execute("COMMENT ON COLUMN user_import_chunks.report IS 'Of each line: outcome, user id, reason'")
    for table in ("user_imports", "user_import_chunks"):
        op.execute(
            f"CREATE TRIGGER set_updated_at BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE user_import_chunks")
    op.execute("DROP TABLE user_imports")
    op.execute("DROP TYPE import_format")
