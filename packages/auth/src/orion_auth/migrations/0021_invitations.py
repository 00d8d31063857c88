"""Keep invitations: accounts that an administrator makes, and whose readers choose the password."""

import sqlalchemy as sa
from alembic import op

revision = "0021_invitations"
down_revision = "0020_rate_limit_passes"
phase = "pre"


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False, comment="Where the link was sent"),
        sa.Column("selector", sa.String(length=64), nullable=False, comment="Public selector, no secret"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the secret part"),
        sa.Column(
            "invited_by", sa.String(length=255), nullable=False, comment="Subject of the administrator's access token"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("accepted_at IS NULL OR cancelled_at IS NULL", name=op.f("ck_invitations_ended")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_invitations_email")),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("ck_invitations_secret_hash")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identities.id"], name=op.f("fk_invitations_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("selector", name=op.f("uq_invitations_selector")),
        comment="Mails by which somebody makes an account that was prepared for him his own",
    )
    op.create_index(op.f("ix_invitations_expires_at"), "invitations", ["expires_at"], unique=False)
    op.create_index(op.f("ix_invitations_user_id"), "invitations", ["user_id"], unique=False)
    op.create_index(
        "uq_invitations_open",
        "invitations",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND cancelled_at IS NULL"),
    )
    op.execute("GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.invitations TO orion_auth_service")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON public.invitations FOR EACH ROW EXECUTE FUNCTION public.set_updated_at()",
    )


def downgrade() -> None:
    op.drop_index(
        "uq_invitations_open",
        table_name="invitations",
        postgresql_where=sa.text("accepted_at IS NULL AND cancelled_at IS NULL"),
    )
    op.drop_index(op.f("ix_invitations_user_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_expires_at"), table_name="invitations")
    op.drop_table("invitations")
