"""Permissions, and which roles allow or deny them."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, Timestamped, native_enum
from orion_user.base import LOOK, Table, object_check
from orion_user.permissions.rules import PermissionEffect, PermissionScope


class Permission(Identified, Timestamped, Annotated, Table):
    """One thing that can be done to one kind of resource."""

    __tablename__ = "permissions"

    name: Mapped[str] = mapped_column(String(121), unique=True, comment="resource:action")
    resource: Mapped[str] = mapped_column(String(60))
    action: Mapped[str] = mapped_column(String(60))
    scope: Mapped[PermissionScope] = mapped_column(
        native_enum(PermissionScope), server_default="GLOBAL", comment="The widest it may be granted at"
    )
    category: Mapped[str] = mapped_column(String(60))
    description: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        CheckConstraint("name = resource || ':' || action", name="name"),
        CheckConstraint("resource ~ '^[a-z][a-z0-9_]*$' AND action ~ '^[a-z][a-z0-9_]*$'", name="words"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        UniqueConstraint("resource", "action"),
        Index("uq_permissions_look", text(LOOK), unique=True),
        {"info": {"retention": Forever("reference data")}},
    )


class RolePermission(Identified, Timestamped, Table):
    """That a role allows or denies a permission, to itself and to all roles that inherit from it."""

    __tablename__ = "role_permissions"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    permission_id: Mapped[UUID] = mapped_column(ForeignKey("permissions.id", ondelete="RESTRICT"), index=True)
    effect: Mapped[PermissionEffect] = mapped_column(native_enum(PermissionEffect), server_default="ALLOW")
    condition: Mapped[str | None] = mapped_column(String(2000), comment="CEL; validated when written")

    __table_args__ = (
        CheckConstraint("condition <> ''", name="condition"),
        UniqueConstraint("role_id", "permission_id"),
        {"info": {"retention": Follows("roles", "a part of it")}},
    )
