"""Roles, the inheritance between them, and its closure, which the database keeps."""

from enum import Enum, auto
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from orion_core.retention.declarations import Follows, Forever
from orion_core.tables import Annotated, Identified, Timestamped, after_create, native_enum
from orion_user.base import LOOK, Table, object_check, trigger


class RoleType(Enum):
    """SYSTEM roles come with Orion and belong to no organization; CUSTOM ones are made by its users."""

    SYSTEM = auto()
    CUSTOM = auto()


class Role(Identified, Timestamped, Annotated, Table):
    """A bundle of permissions under a name that programs use; people see `display_name`."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(60))
    display_name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None] = mapped_column(String(500))
    type: Mapped[RoleType] = mapped_column(native_enum(RoleType), server_default="CUSTOM")
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    is_active: Mapped[bool] = mapped_column(server_default="true")
    skeleton: Mapped[str | None] = mapped_column(
        String(1800), comment="What display_name looks like (UTS 39); written with it"
    )

    __table_args__ = (
        # Only these letters: so no two names differ by case or by letters that look alike.
        CheckConstraint("name ~ '^[a-z][a-z0-9_]*$'", name="name"),
        CheckConstraint("type = 'CUSTOM' OR organization_id IS NULL", name="system"),
        CheckConstraint(object_check("metadata"), name="metadata"),
        UniqueConstraint("organization_id", "name", postgresql_nulls_not_distinct=True),
        # What is left that can be taken for another: m and rn, l and 1 and i, o and 0.
        Index("uq_roles_look", "organization_id", text(LOOK), unique=True, postgresql_nulls_not_distinct=True),
        Index(
            "uq_roles_skeleton",
            "organization_id",
            text("md5(skeleton)"),
            unique=True,
            postgresql_where=text("skeleton IS NOT NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        {"info": {"retention": Forever("reference data, and few")}},
    )


class RoleInheritance(Identified, Timestamped, Table):
    """The child has every permission, and every denial, of the parent. A role may have several parents.

    Rows are added and removed, never changed; triggers refuse a circle and keep `role_ancestors`.
    """

    __tablename__ = "role_inheritance"

    parent_role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    child_role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))

    __table_args__ = (
        CheckConstraint("parent_role_id <> child_role_id", name="circle"),
        UniqueConstraint("child_role_id", "parent_role_id"),
        Index(None, "parent_role_id"),
        {"info": {"retention": Follows("roles", "a part of it"), "grants": "SELECT, INSERT, DELETE"}},
    )


class RoleAncestor(Timestamped, Table):
    """The transitive and reflexive closure of `role_inheritance`: every role is its own ancestor at depth 0.

    Written by triggers alone, so it is right in every transaction, whoever changes a role and however.
    """

    __tablename__ = "role_ancestors"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    ancestor_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    depth: Mapped[int] = mapped_column(SmallInteger, comment="Steps on the shortest path")

    __table_args__ = (
        PrimaryKeyConstraint("role_id", "ancestor_id"),
        CheckConstraint("(depth = 0) = (role_id = ancestor_id) AND depth >= 0", name="depth"),
        Index(None, "ancestor_id", "role_id"),
        {"info": {"retention": Follows("roles", "kept by triggers"), "grants": "SELECT"}},
    )


ADD_ROLE_TO_CLOSURE = """
CREATE FUNCTION add_role_to_closure() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO role_ancestors (role_id, ancestor_id, depth) VALUES (NEW.id, NEW.id, 0);
  RETURN NULL;
END
$$
"""

LOCK_INHERITANCE = """
CREATE FUNCTION lock_role_inheritance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The lock lets one transaction at a time change inheritance, and what others have committed must then be seen. A
  -- snapshot from before the lock would hide it (SERIALIZABLE finds out by itself, REPEATABLE READ never).
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION 'role inheritance cannot be changed at isolation level REPEATABLE READ'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use READ COMMITTED or SERIALIZABLE.';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('role_inheritance'), 0);
  RETURN NULL;
END
$$
"""

EXTEND_CLOSURE = """
CREATE FUNCTION extend_role_closure() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM role_ancestors WHERE role_id = NEW.parent_role_id AND ancestor_id = NEW.child_role_id) THEN
    RAISE EXCEPTION 'role % already inherits from role %, directly or through others',
      NEW.parent_role_id, NEW.child_role_id
      USING ERRCODE = 'check_violation', TABLE = 'role_inheritance', CONSTRAINT = 'ck_role_inheritance_circle';
  END IF;
  -- All that are below the child now have all that are above the parent.
  INSERT INTO role_ancestors (role_id, ancestor_id, depth)
  SELECT below.role_id, above.ancestor_id, below.depth + 1 + above.depth
  FROM role_ancestors AS below, role_ancestors AS above
  WHERE below.ancestor_id = NEW.child_role_id AND above.role_id = NEW.parent_role_id
  ON CONFLICT (role_id, ancestor_id) DO UPDATE SET depth = EXCLUDED.depth WHERE EXCLUDED.depth < role_ancestors.depth;
  RETURN NULL;
END
$$
"""

SHRINK_CLOSURE = """
CREATE FUNCTION shrink_role_closure() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  below uuid[] := ARRAY(SELECT role_id FROM role_ancestors WHERE ancestor_id = OLD.child_role_id);
BEGIN
  -- There may be other paths, so what the child and all below it inherit is found anew. The joins with roles leave out
  -- a role that is being deleted and whose own rows are going one table after the other.
  DELETE FROM role_ancestors WHERE role_id = ANY (below) AND depth > 0;
  INSERT INTO role_ancestors (role_id, ancestor_id, depth)
  WITH RECURSIVE path (role_id, ancestor_id, depth) AS (
    SELECT child_role_id, parent_role_id, 1 FROM role_inheritance WHERE child_role_id = ANY (below)
    UNION
    SELECT path.role_id, step.parent_role_id, path.depth + 1
    FROM path JOIN role_inheritance AS step ON step.child_role_id = path.ancestor_id
  )
  SELECT path.role_id, path.ancestor_id, min(path.depth)
  FROM path JOIN roles AS role ON role.id = path.role_id JOIN roles AS ancestor ON ancestor.id = path.ancestor_id
  GROUP BY path.role_id, path.ancestor_id;
  RETURN NULL;
END
$$
"""

REFUSE_INHERITANCE_UPDATE = """
CREATE FUNCTION refuse_role_inheritance_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'role inheritance is added and removed, not changed' USING ERRCODE = 'feature_not_supported';
END
$$
"""

KEEP_IN_ORGANIZATION = """
CREATE FUNCTION keep_role_in_organization() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'roles' THEN
    RAISE EXCEPTION 'role % stays with its organization', OLD.id
      USING ERRCODE = 'check_violation', TABLE = 'roles', CONSTRAINT = 'ck_roles_organization';
  END IF;
  IF EXISTS (
    SELECT FROM roles AS parent JOIN roles AS child ON child.id = NEW.child_role_id
    WHERE parent.id = NEW.parent_role_id AND parent.organization_id IS NOT NULL
      AND parent.organization_id IS DISTINCT FROM child.organization_id
  ) THEN
    RAISE EXCEPTION 'role % belongs to an organization, and role % not to the same',
      NEW.parent_role_id, NEW.child_role_id
      USING ERRCODE = 'check_violation', TABLE = 'role_inheritance', CONSTRAINT = 'ck_role_inheritance_organization';
  END IF;
  RETURN NEW;
END
$$
"""

after_create(Role, ADD_ROLE_TO_CLOSURE, trigger("add_role_to_closure", "AFTER INSERT", "roles", "add_role_to_closure"))
after_create(
    RoleInheritance,
    LOCK_INHERITANCE,
    EXTEND_CLOSURE,
    SHRINK_CLOSURE,
    REFUSE_INHERITANCE_UPDATE,
    "CREATE TRIGGER lock_role_inheritance BEFORE INSERT OR DELETE ON role_inheritance"
    " FOR EACH STATEMENT EXECUTE FUNCTION lock_role_inheritance()",
    trigger("extend_role_closure", "AFTER INSERT", "role_inheritance", "extend_role_closure"),
    trigger("shrink_role_closure", "AFTER DELETE", "role_inheritance", "shrink_role_closure"),
    KEEP_IN_ORGANIZATION,
    "CREATE TRIGGER keep_role_in_organization BEFORE UPDATE OF organization_id ON roles FOR EACH ROW"
    " WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id) EXECUTE FUNCTION keep_role_in_organization()",
    trigger("keep_role_in_organization", "BEFORE INSERT", "role_inheritance", "keep_role_in_organization"),
    trigger("refuse_role_inheritance_update", "BEFORE UPDATE", "role_inheritance", "refuse_role_inheritance_update"),
)
