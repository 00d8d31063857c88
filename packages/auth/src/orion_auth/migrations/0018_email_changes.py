"""Keep changes of address that are under way: both ends have to agree before one is made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018_email_changes"
down_revision = "0017_codes_sent"
phase = "pre"


def upgrade() -> None:
    op.create_table(
        "email_changes",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("old_email", sa.String(length=255), nullable=False),
        sa.Column("new_email", sa.String(length=255), nullable=False),
        sa.Column("old_selector", sa.String(length=64), nullable=False, comment="Public selector, no secret"),
        sa.Column("old_secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret part"),
        sa.Column("new_selector", sa.String(length=64), nullable=False, comment="Public selector, no secret"),
        sa.Column("new_secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret part"),
        sa.Column("old_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.Column("user_agent", sa.String(length=512), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "completed_at IS NULL OR (old_confirmed_at IS NOT NULL AND new_confirmed_at IS NOT NULL)",
            name=op.f("ck_email_changes_agreed"),
        ),
        sa.CheckConstraint("completed_at IS NULL OR cancelled_at IS NULL", name=op.f("ck_email_changes_ended")),
        sa.CheckConstraint("octet_length(new_secret_hash) = 32", name=op.f("ck_email_changes_new_secret_hash")),
        sa.CheckConstraint("octet_length(old_secret_hash) = 32", name=op.f("ck_email_changes_old_secret_hash")),
        sa.CheckConstraint("old_email <> new_email", name=op.f("ck_email_changes_changes")),
        sa.CheckConstraint(
            "old_email = lower(old_email) AND new_email = lower(new_email)", name=op.f("ck_email_changes_emails")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identities.id"], name=op.f("fk_email_changes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_changes")),
        sa.UniqueConstraint("new_selector", name=op.f("uq_email_changes_new_selector")),
        sa.UniqueConstraint("old_selector", name=op.f("uq_email_changes_old_selector")),
        comment="Changes of address, made when whoever reads the old and the new one has agreed",
    )
    op.create_index(op.f("ix_email_changes_expires_at"), "email_changes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_email_changes_user_id"), "email_changes", ["user_id"], unique=False)
    op.create_index(
        "uq_email_changes_open",
        "email_changes",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("completed_at IS NULL AND cancelled_at IS NULL"),
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.email_changes TO orion_auth_service")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON public.email_changes FOR EACH ROW EXECUTE FUNCTION public.set_updated_at()",
    )


def downgrade() -> None:
    op.drop_index(
        "uq_email_changes_open",
        table_name="email_changes",
        postgresql_where=sa.text("completed_at IS NULL AND cancelled_at IS NULL"),
    )
    op.drop_index(op.f("ix_email_changes_user_id"), table_name="email_changes")
    op.drop_index(op.f("ix_email_changes_expires_at"), table_name="email_changes")
    op.drop_table("email_changes")
