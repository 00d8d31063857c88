"""Keep who made an API key: of a service's, an administrator, whose session somebody else may have been in."""

from alembic import op

revision = "0043_api_keys_issued_by"
down_revision = "0042_separation_by_id"
phase = "pre"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN issued_by uuid")
    op.execute("COMMENT ON COLUMN api_keys.issued_by IS 'Who made it: of a service''s key an administrator'")
    op.execute("CREATE INDEX ix_api_keys_issued_by ON api_keys (issued_by) WHERE issued_by IS NOT NULL")
    op.execute(
        "ALTER TABLE api_keys ADD CONSTRAINT fk_api_keys_issued_by"
        " FOREIGN KEY (issued_by) REFERENCES users (id) ON DELETE SET NULL NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE api_keys VALIDATE CONSTRAINT fk_api_keys_issued_by")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN issued_by")
