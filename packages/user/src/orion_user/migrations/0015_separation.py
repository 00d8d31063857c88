"""Keep duties separate, give roles of an organization nowhere else, and have roles asked for and given for a time.

All that looks at several tables stands in functions that read them as whoever changes something, so that no service can
get past them. Who has a role is listed along `(role_id, id)`, which also stands for the index of the foreign key.
"""

from alembic import op

revision = "0015_separation"
down_revision = "0014_role_names"
phase = "pre"

PLACE_WITHIN = """
CREATE FUNCTION place_within(scope permission_scope, scope_id uuid) RETURNS uuid[] LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH RECURSIVE above (id, parent_team_id, organization_id) AS (
    SELECT id, parent_team_id, organization_id FROM teams WHERE scope = 'TEAM' AND id = scope_id
    UNION ALL
    SELECT team.id, team.parent_team_id, team.organization_id
    FROM above JOIN teams AS team ON team.id = above.parent_team_id
  )
  SELECT ARRAY[scope_id] || ARRAY(SELECT id FROM above UNION SELECT organization_id FROM above)
$$
"""

# The latest start of all that are in effect together is a moment at which they are, and the narrowest of their places
# is one: so it is enough to look at the starts and the places of what there is.
SEPARATION_CONFLICT = """
CREATE FUNCTION separation_conflict(users uuid[]) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
  WITH held AS MATERIALIZED (
    SELECT grants.user_id, rule.id AS rule_id, rule.name, rule.kind, rule.cardinality, role.name AS role,
      grants.scope, grants.scope_id, grants.starts_at, coalesce(grants.expires_at, 'infinity') AS expires_at,
      CASE rule.kind WHEN 'DYNAMIC' THEN place_within(grants.scope, grants.scope_id) END AS within
    FROM separation_rules AS rule
    JOIN separation_roles AS member ON member.rule_id = rule.id
    JOIN roles AS role ON role.id = member.role_id
    JOIN role_ancestors AS ancestor ON ancestor.ancestor_id = member.role_id
    JOIN user_roles AS grants ON grants.role_id = ancestor.role_id
    WHERE (users IS NULL OR grants.user_id = ANY (users)) AND (grants.expires_at IS NULL OR grants.expires_at > now())
  ), conflict (user_id, name, roles) AS (
    SELECT user_id, name, string_agg(DISTINCT role, ', ')
    FROM held WHERE kind = 'STATIC'
    GROUP BY user_id, rule_id, name, cardinality HAVING count(DISTINCT role) >= cardinality
    UNION ALL
    SELECT held.user_id, held.name, string_agg(DISTINCT held.role, ', ')
    FROM held
    JOIN held AS moment USING (user_id, rule_id)
    JOIN held AS place USING (user_id, rule_id)
    WHERE held.kind = 'DYNAMIC'
      AND held.starts_at <= moment.starts_at AND moment.starts_at < held.expires_at
      AND (held.scope = 'GLOBAL' OR held.scope_id = ANY (place.within))
    GROUP BY held.user_id, rule_id, held.name, held.cardinality, moment.starts_at, place.scope, place.scope_id
    HAVING count(DISTINCT held.role) >= held.cardinality
  )
  SELECT format('The rule %s keeps the roles %s apart, and user %s would have them together.', name, roles, user_id)
  FROM conflict ORDER BY name, user_id LIMIT 1
$$
"""

KEEP_SEPARATE = """
CREATE FUNCTION keep_duties_separate() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  conflict text;
BEGIN
  -- A snapshot from before the lock would hide what others have committed meanwhile.
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION '% cannot be changed at isolation level REPEATABLE READ', TG_TABLE_NAME
      USING ERRCODE = 'feature_not_supported', HINT = 'Use READ COMMITTED or SERIALIZABLE.';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('separation_of_duty'), 0);
  conflict := separation_conflict(NULL);
  IF conflict IS NOT NULL THEN
    RAISE EXCEPTION 'duties are to be separate' USING ERRCODE = 'check_violation', DETAIL = conflict,
      TABLE = TG_TABLE_NAME, CONSTRAINT = format('ck_%s_separation', TG_TABLE_NAME);
  END IF;
  RETURN NULL;
END
$$
"""

KEEP_SEPARATE_OF_USERS = """
CREATE FUNCTION keep_duties_of_users_separate() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  users uuid[];
  one uuid;
  conflict text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtext('separation_of_duty'), 0);
  users := ARRAY(
    SELECT DISTINCT changed.user_id
    FROM changed
    JOIN role_ancestors AS ancestor ON ancestor.role_id = changed.role_id
    JOIN separation_roles AS member ON member.role_id = ancestor.ancestor_id
    ORDER BY changed.user_id
  );
  IF users = '{}' THEN
    RETURN NULL;
  END IF;
  IF current_setting('transaction_isolation') = 'repeatable read' THEN
    RAISE EXCEPTION 'roles with separate duties cannot be given at isolation level REPEATABLE READ'
      USING ERRCODE = 'feature_not_supported', HINT = 'Use READ COMMITTED or SERIALIZABLE.';
  END IF;
  FOREACH one IN ARRAY users LOOP
    PERFORM pg_advisory_xact_lock(hashtext('separation_of_duty of'), hashtext(one::text));
  END LOOP;
  conflict := separation_conflict(users);
  IF conflict IS NOT NULL THEN
    RAISE EXCEPTION 'duties are to be separate' USING ERRCODE = 'check_violation', DETAIL = conflict,
      TABLE = TG_TABLE_NAME, CONSTRAINT = 'ck_user_roles_separation';
  END IF;
  RETURN NULL;
END
$$
"""

KEEP_IN_ORGANIZATION = """
CREATE FUNCTION keep_assignment_in_organization() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM changed
    JOIN roles ON roles.id = changed.role_id AND roles.organization_id IS NOT NULL
    LEFT JOIN teams ON teams.id = changed.scope_team_id
    WHERE roles.organization_id IS DISTINCT FROM coalesce(changed.scope_organization_id, teams.organization_id)
  ) THEN
    RAISE EXCEPTION 'a role of an organization is given in that one or in a team of it'
      USING ERRCODE = 'check_violation', TABLE = 'user_roles', CONSTRAINT = 'ck_user_roles_organization';
  END IF;
  RETURN NULL;
END
$$
"""

KEEP_ALL_SEPARATE = (
    "CREATE TRIGGER keep_duties_separate AFTER {} ON {} FOR EACH STATEMENT EXECUTE FUNCTION keep_duties_separate()"
)
KEEP_GIVEN = (
    "CREATE TRIGGER {1}_{0} AFTER {0} ON user_roles REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION {2}()"
)
TOUCHED = "CREATE TRIGGER set_updated_at BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION set_updated_at()"


def upgrade() -> None:
    _separation()
    _elevations()
    op.execute("CREATE INDEX ix_user_roles_role_id_id ON user_roles (role_id, id)")
    op.execute("CREATE INDEX ix_user_permissions_permission_id_id ON user_permissions (permission_id, id)")
    op.execute("DROP INDEX ix_user_roles_role_id")
    op.execute("DROP INDEX ix_user_permissions_permission_id")
    for function in (PLACE_WITHIN, SEPARATION_CONFLICT, KEEP_SEPARATE, KEEP_SEPARATE_OF_USERS, KEEP_IN_ORGANIZATION):
        op.execute(function)
    for event, table in (
        ("INSERT", "separation_roles"),
        ("UPDATE", "separation_rules"),
        ("INSERT", "role_inheritance"),
        ("UPDATE OF parent_team_id", "teams"),
    ):
        op.execute(KEEP_ALL_SEPARATE.format(event, table))
    for event in ("insert", "update"):
        op.execute(KEEP_GIVEN.format(event, "keep_duties_separate", "keep_duties_of_users_separate"))
        op.execute(KEEP_GIVEN.format(event, "keep_assignment_in_organization", "keep_assignment_in_organization"))


def _separation() -> None:
    op.execute("CREATE TYPE separation_kind AS ENUM ('STATIC', 'DYNAMIC')")
    op.execute(
        """
        CREATE TABLE separation_rules (
            id uuid NOT NULL DEFAULT uuidv7(),
            name varchar(60) NOT NULL,
            description varchar(500),
            kind separation_kind NOT NULL,
            cardinality smallint NOT NULL DEFAULT 2,
            metadata jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_separation_rules PRIMARY KEY (id),
            CONSTRAINT uq_separation_rules_name UNIQUE (name),
            CONSTRAINT ck_separation_rules_name CHECK (name ~ '^[a-z][a-z0-9_]*$'),
            CONSTRAINT ck_separation_rules_cardinality CHECK (cardinality >= 2),
            CONSTRAINT ck_separation_rules_metadata CHECK (jsonb_typeof(metadata) = 'object')
        )
        """
    )
    op.execute("COMMENT ON COLUMN separation_rules.cardinality IS 'So many are too many'")
    op.execute(
        """
        CREATE TABLE separation_roles (
            id uuid NOT NULL DEFAULT uuidv7(),
            rule_id uuid NOT NULL,
            role_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_separation_roles PRIMARY KEY (id),
            CONSTRAINT uq_separation_roles_rule_id_role_id UNIQUE (rule_id, role_id),
            CONSTRAINT fk_separation_roles_rule_id
                FOREIGN KEY (rule_id) REFERENCES separation_rules (id) ON DELETE CASCADE,
            CONSTRAINT fk_separation_roles_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE RESTRICT
        )
        """
    )
    op.execute("CREATE INDEX ix_separation_roles_role_id ON separation_roles (role_id)")
    for table, grants in (
        ("separation_rules", "SELECT, INSERT, UPDATE, DELETE"),
        ("separation_roles", "SELECT, INSERT, DELETE"),
    ):
        op.execute(TOUCHED.format(table))
        op.execute(f"GRANT {grants} ON {table} TO orion_user_service")


def _elevations() -> None:
    op.execute("CREATE TYPE elevation_status AS ENUM ('PENDING', 'APPROVED', 'DENIED', 'CANCELLED', 'LAPSED', 'ENDED')")
    op.execute(
        """
        CREATE TABLE elevations (
            id uuid NOT NULL DEFAULT uuidv7(),
            user_id uuid NOT NULL,
            role_id uuid NOT NULL,
            scope permission_scope NOT NULL DEFAULT 'GLOBAL',
            scope_id uuid,
            minutes smallint NOT NULL,
            reason varchar(500) NOT NULL,
            status elevation_status NOT NULL DEFAULT 'PENDING',
            lapses_at timestamptz NOT NULL,
            decided_at timestamptz,
            decided_by uuid,
            decision_reason varchar(500),
            user_role_id uuid,
            ends_at timestamptz,
            ended_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_elevations PRIMARY KEY (id),
            CONSTRAINT fk_elevations_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
            CONSTRAINT fk_elevations_role_id FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE RESTRICT,
            CONSTRAINT fk_elevations_decided_by FOREIGN KEY (decided_by) REFERENCES users (id) ON DELETE SET NULL,
            CONSTRAINT fk_elevations_user_role_id
                FOREIGN KEY (user_role_id) REFERENCES user_roles (id) ON DELETE SET NULL,
            CONSTRAINT ck_elevations_scope_id CHECK ((scope = 'GLOBAL') = (scope_id IS NULL)),
            CONSTRAINT ck_elevations_minutes CHECK (minutes BETWEEN 1 AND 1440),
            CONSTRAINT ck_elevations_decided_by CHECK (decided_by <> user_id),
            CONSTRAINT ck_elevations_decided CHECK (status NOT IN ('APPROVED', 'DENIED') OR decided_at IS NOT NULL),
            CONSTRAINT ck_elevations_approved CHECK (status <> 'APPROVED' OR ends_at IS NOT NULL),
            CONSTRAINT ck_elevations_ended CHECK ((status = 'ENDED') = (ended_at IS NOT NULL))
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_elevations_pending ON elevations (user_id, role_id, scope_id) NULLS NOT DISTINCT"
        " WHERE status = 'PENDING'"
    )
    op.execute("CREATE INDEX ix_elevations_user_id_id ON elevations (user_id, id)")
    op.execute("CREATE INDEX ix_elevations_status_id ON elevations (status, id)")
    op.execute("CREATE INDEX ix_elevations_role_id ON elevations (role_id)")
    op.execute("CREATE INDEX ix_elevations_decided_by ON elevations (decided_by) WHERE decided_by IS NOT NULL")
    op.execute("CREATE INDEX ix_elevations_user_role_id ON elevations (user_role_id) WHERE user_role_id IS NOT NULL")
    comments = {
        "scope_id": "Of the assignment, once there is one; checked there",
        "lapses_at": "Until when it can be decided",
        "decided_by": "Empty: an operator, or a user who has been purged",
    }
    for column, comment in comments.items():
        op.execute(f"COMMENT ON COLUMN elevations.{column} IS '{comment}'")
    op.execute(TOUCHED.format("elevations"))
    op.execute("GRANT SELECT, INSERT, UPDATE ON elevations TO orion_user_service")


def downgrade() -> None:
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER keep_duties_separate_{event} ON user_roles")
        op.execute(f"DROP TRIGGER keep_assignment_in_organization_{event} ON user_roles")
    for table in ("separation_roles", "separation_rules", "role_inheritance", "teams"):
        op.execute(f"DROP TRIGGER keep_duties_separate ON {table}")
    for function in (
        "keep_assignment_in_organization()",
        "keep_duties_of_users_separate()",
        "keep_duties_separate()",
        "separation_conflict(uuid[])",
        "place_within(permission_scope, uuid)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("CREATE INDEX ix_user_roles_role_id ON user_roles (role_id)")
    op.execute("CREATE INDEX ix_user_permissions_permission_id ON user_permissions (permission_id)")
    op.execute("DROP INDEX ix_user_permissions_permission_id_id")
    op.execute("DROP INDEX ix_user_roles_role_id_id")
    op.execute("DROP TABLE elevations")
    op.execute("DROP TYPE elevation_status")
    op.execute("DROP TABLE separation_roles")
    op.execute("DROP TABLE separation_rules")
    op.execute("DROP TYPE separation_kind")
