"""Add roles, their inheritance with its closure, and what they allow and deny.

`role_ancestors` is written by triggers alone, which run with the owner's rights: the service may read it and no more.
"""

from alembic import op

revision = "0005_roles"
down_revision = "0004_organizations"
phase = "pre"

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


def upgrade() -> None:
    _roles()
    _role_inheritance()
    _role_ancestors()
    _closure()
    _role_permissions()


def _roles() -> None:
    op.execute("CREATE TYPE role_type AS ENUM ('SYSTEM', 'CUSTOM')")
    op.execute(
        """
        CREATE TABLE roles (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(60) NOT NULL,
            display_name varchar(100) NOT NULL,
            description varchar(500),
            type role_type NOT NULL DEFAULT 'CUSTOM',
            organization_id uuid,
            is_active boolean NOT NULL DEFAULT true,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_roles PRIMARY KEY (id),
            CONSTRAINT uq_roles_organization_id_name UNIQUE NULLS NOT DISTINCT (organization_id, name),
            CONSTRAINT fk_roles_organization_id
                FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
            CONSTRAINT ck_roles_name CHECK (name ~ '^[a-z][a-z0-9_]*$'),
            CONSTRAINT ck_roles_system CHECK (type = 'CUSTOM' OR organization_id IS NULL),
            CONSTRAINT ck_roles_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("CREATE TRIGGER set_updated_at BEFORE UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION set_updated_at()")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON roles TO orion_user_service")


def _role_inheritance() -> None:
    op.execute(
        """
        CREATE TABLE role_inheritance (
            id uuid NOT NULL DEFAULT uuidv7(),
            parent_role_id uuid NOT NULL,
            child_role_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_role_inheritance PRIMARY KEY (id),
            CONSTRAINT uq_role_inheritance_child_role_id_parent_role_id UNIQUE (child_role_id, parent_role_id),
            CONSTRAINT fk_role_inheritance_parent_role_id
                FOREIGN KEY (parent_role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT fk_role_inheritance_child_role_id
                FOREIGN KEY (child_role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT ck_role_inheritance_circle CHECK (parent_role_id <> child_role_id)
        )
        """
    )
    op.execute("CREATE INDEX ix_role_inheritance_parent_role_id ON role_inheritance (parent_role_id)")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON role_inheritance FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON role_inheritance TO orion_user_service")


def _role_ancestors() -> None:
    op.execute(
        """
        CREATE TABLE role_ancestors (
            role_id uuid NOT NULL,
            ancestor_id uuid NOT NULL,
            depth smallint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_role_ancestors PRIMARY KEY (role_id, ancestor_id),
            CONSTRAINT fk_role_ancestors_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT fk_role_ancestors_ancestor_id FOREIGN KEY (ancestor_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT ck_role_ancestors_depth CHECK ((depth = 0) = (role_id = ancestor_id) AND depth >= 0)
        )
        """
    )
    op.execute("COMMENT ON COLUMN role_ancestors.depth IS 'Steps on the shortest path'")
    op.execute("CREATE INDEX ix_role_ancestors_ancestor_id_role_id ON role_ancestors (ancestor_id, role_id)")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON role_ancestors FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT ON role_ancestors TO orion_user_service")


def _closure() -> None:
    for function in (
        ADD_ROLE_TO_CLOSURE,
        LOCK_INHERITANCE,
        EXTEND_CLOSURE,
        SHRINK_CLOSURE,
        REFUSE_INHERITANCE_UPDATE,
    ):
        op.execute(function)
    op.execute(
        "CREATE TRIGGER add_role_to_closure AFTER INSERT ON roles FOR EACH ROW EXECUTE FUNCTION add_role_to_closure()"
    )
    op.execute(
        "CREATE TRIGGER lock_role_inheritance BEFORE INSERT OR DELETE ON role_inheritance"
        " FOR EACH STATEMENT EXECUTE FUNCTION lock_role_inheritance()"
    )
    op.execute(
        "CREATE TRIGGER extend_role_closure AFTER INSERT ON role_inheritance"
        " FOR EACH ROW EXECUTE FUNCTION extend_role_closure()"
    )
    op.execute(
        "CREATE TRIGGER shrink_role_closure AFTER DELETE ON role_inheritance"
        " FOR EACH ROW EXECUTE FUNCTION shrink_role_closure()"
    )
    op.execute(
        "CREATE TRIGGER refuse_role_inheritance_update BEFORE UPDATE ON role_inheritance"
        " FOR EACH ROW EXECUTE FUNCTION refuse_role_inheritance_update()"
    )


def _role_permissions() -> None:
    op.execute(
        """
        CREATE TABLE role_permissions (
            id uuid NOT NULL DEFAULT uuidv7(),
            role_id uuid NOT NULL,
            permission_id uuid NOT NULL,
            effect permission_effect NOT NULL DEFAULT 'ALLOW',
            condition varchar(2000),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_role_permissions PRIMARY KEY (id),
            CONSTRAINT uq_role_permissions_role_id_permission_id UNIQUE (role_id, permission_id),
            CONSTRAINT fk_role_permissions_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE,
            CONSTRAINT fk_role_permissions_permission_id
                FOREIGN KEY (permission_id) REFERENCES permissions (id) ON DELETE RESTRICT,
            CONSTRAINT ck_role_permissions_condition CHECK (condition <> '')
        )
        """
    )
    op.execute("COMMENT ON COLUMN role_permissions.condition IS 'CEL; validated when written'")
    op.execute("CREATE INDEX ix_role_permissions_permission_id ON role_permissions (permission_id)")
    op.execute(
        "CREATE TRIGGER set_updated_at BEFORE UPDATE ON role_permissions FOR EACH ROW EXECUTE FUNCTION set_updated_at()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON role_permissions TO orion_user_service")


def downgrade() -> None:
    op.execute("DROP TABLE role_permissions")
    op.execute("DROP TABLE role_ancestors")
    op.execute("DROP TABLE role_inheritance")
    op.execute("DROP TABLE roles")
    for function in (
        "refuse_role_inheritance_update",
        "shrink_role_closure",
        "extend_role_closure",
        "lock_role_inheritance",
        "add_role_to_closure",
    ):
        op.execute(f"DROP FUNCTION {function}()")
    op.execute("DROP TYPE role_type")
