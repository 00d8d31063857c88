"""How `user_grants` is kept: by triggers on what was given, on users, and on organizations.

Each writes in the transaction of the change itself, whoever makes it, so decisions never see one without the other.
"""

from orion_core.service import service_role

MAY_COME_IN = """
CREATE FUNCTION may_come_in(status user_status, deleted_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT deleted_at IS NULL AND status <> 'SUSPENDED'
$$
"""
"""Without a search_path of its own, so that PostgreSQL puts its words in place of it."""
LIES_IN_DELETED_ORGANIZATION = """
CREATE FUNCTION lies_in_deleted_organization(place uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT place IS NOT NULL AND EXISTS (
    SELECT FROM organizations                                            -- pk_organizations
    WHERE id IN (place, (SELECT organization_id FROM teams WHERE id = place)) AND deleted_at IS NOT NULL
  )
$$
"""
"""Of the `scope_id` of a grant: whether it is a deleted organization, or a team in one."""
ADD_USER_GRANTS = """
CREATE FUNCTION add_user_grants(given uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO user_grants (user_id, grant_id, role_id, permission, effect, scope_id, starts_at, expires_at, condition)
  SELECT held.user_id, held.id, held.role_id, NULL, NULL, held.scope_id, held.starts_at, held.expires_at, held.condition
  FROM user_roles AS held JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND (held.scope_id IS NULL OR NOT lies_in_deleted_organization(held.scope_id))
  UNION ALL
  SELECT
    held.user_id, held.id, NULL, permission.name, held.effect, held.scope_id, held.starts_at, held.expires_at,
    held.condition
  FROM user_permissions AS held
  JOIN permissions AS permission ON permission.id = held.permission_id
  JOIN users AS holder ON holder.id = held.user_id
  WHERE held.id = ANY (given) AND may_come_in(holder.status, holder.deleted_at)
    AND (held.scope_id IS NULL OR NOT lies_in_deleted_organization(held.scope_id));
END
$$
"""
"""Whoever calls it has to have the users and the organizations locked, as the triggers do.

Of a grant in no place the function is not called: it takes longer than all else that is done for the grant.
"""
KEEP_USER_GRANTS = """
CREATE FUNCTION keep_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Whoever suspends or restores one of these users, or deletes or restores one of these organizations, at the same
  -- time waits for us, or we for him (see below); each statement from here on sees what he has committed.
  IF TG_OP <> 'INSERT' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM gone) ORDER BY id FOR KEY SHARE;
    PERFORM FROM organizations WHERE id IN (
      SELECT scope_organization_id FROM gone
      UNION ALL
      SELECT team.organization_id FROM gone JOIN teams AS team ON team.id = gone.scope_team_id
    ) ORDER BY id FOR KEY SHARE;
    DELETE FROM user_grants AS known USING gone WHERE known.grant_id = gone.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM FROM users WHERE id IN (SELECT user_id FROM given) ORDER BY id FOR KEY SHARE;
    PERFORM FROM organizations WHERE id IN (
      SELECT scope_organization_id FROM given
      UNION ALL
      SELECT team.organization_id FROM given JOIN teams AS team ON team.id = given.scope_team_id
    ) ORDER BY id FOR KEY SHARE;
    IF EXISTS (
      SELECT FROM given JOIN teams AS team ON team.id = given.scope_team_id
      WHERE given.expires_at IS NULL AND team.deleted_at IS NOT NULL OR given.expires_at > team.deleted_at
    ) THEN
      RAISE EXCEPTION 'what is given in a team ends with it'
        USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = format('ck_%s_team', TG_TABLE_NAME);
    END IF;
    PERFORM add_user_grants(ARRAY(SELECT id FROM given));
  END IF;
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_STANDING = """
CREATE FUNCTION keep_user_grants_of_standing() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Waits for all who are changing grants of this user, and has others wait until this is committed.
  PERFORM FROM users WHERE id = NEW.id FOR UPDATE;
  DELETE FROM user_grants WHERE user_id = NEW.id;
  PERFORM add_user_grants(ARRAY(
    SELECT id FROM user_roles WHERE user_id = NEW.id
    UNION ALL
    SELECT id FROM user_permissions WHERE user_id = NEW.id
  ));
  RETURN NULL;
END
$$
"""
KEEP_USER_GRANTS_OF_ORGANIZATION = """
CREATE FUNCTION keep_user_grants_of_organization() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  here uuid[];
BEGIN
  -- Waits for all who are changing grants in this organization, deleting a team of it, or suspending or restoring
  -- somebody who was given something in it, and has others wait until this is committed.
  PERFORM FROM organizations WHERE id = NEW.id FOR UPDATE;
  PERFORM FROM teams WHERE organization_id = NEW.id ORDER BY id FOR KEY SHARE;
  here := ARRAY(
    SELECT id FROM user_roles WHERE scope_organization_id = NEW.id
    UNION ALL
    SELECT held.id FROM teams AS team JOIN user_roles AS held ON held.scope_team_id = team.id
    WHERE team.organization_id = NEW.id
    UNION ALL
    SELECT id FROM user_permissions WHERE scope_organization_id = NEW.id
    UNION ALL
    SELECT held.id FROM teams AS team JOIN user_permissions AS held ON held.scope_team_id = team.id
    WHERE team.organization_id = NEW.id
  );
  PERFORM FROM users WHERE id IN (
    SELECT user_id FROM user_roles WHERE id = ANY (here)
    UNION ALL
    SELECT user_id FROM user_permissions WHERE id = ANY (here)
  ) ORDER BY id FOR KEY SHARE;
  DELETE FROM user_grants WHERE grant_id = ANY (here);
  PERFORM add_user_grants(here);
  RETURN NULL;
END
$$
"""
TRUNCATE_USER_GRANTS = """
CREATE FUNCTION truncate_user_grants() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  DELETE FROM user_grants WHERE (role_id IS NOT NULL) = (TG_TABLE_NAME = 'user_roles');
  RETURN NULL;
END
$$
"""
SWEEP_USER_GRANTS = """
CREATE FUNCTION sweep_user_grants(ended_before timestamptz, at_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  swept integer;
BEGIN
  DELETE FROM user_grants WHERE grant_id = ANY (ARRAY(
    SELECT grant_id FROM user_grants                                     -- ix_user_grants_expires_at
    WHERE expires_at < least(ended_before, now())                        -- a caller's clock makes nothing due too early
    ORDER BY expires_at LIMIT at_most
    FOR UPDATE SKIP LOCKED
  ));
  GET DIAGNOSTICS swept = ROW_COUNT;
  RETURN swept;
END
$$
"""
"""Runs with its owner's rights: the service may change no row of the table but by this."""
SWEEP_SIGNATURE = "sweep_user_grants(timestamp with time zone, integer)"
USER_GRANTS_TRIGGERS = (
    *(
        f"CREATE TRIGGER keep_user_grants_truncate AFTER TRUNCATE ON {given}"
        " FOR EACH STATEMENT EXECUTE FUNCTION truncate_user_grants()"
        for given in ("user_roles", "user_permissions")
    ),
    *(
        f"CREATE TRIGGER keep_user_grants_{operation.lower()} AFTER {operation} ON {given}"
        f" REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION keep_user_grants()"
        for given in ("user_roles", "user_permissions")
        for operation, rows in (
            ("INSERT", "NEW TABLE AS given"),
            ("UPDATE", "OLD TABLE AS gone NEW TABLE AS given"),
            ("DELETE", "OLD TABLE AS gone"),
        )
    ),
    (
        "CREATE TRIGGER keep_user_grants AFTER UPDATE ON users FOR EACH ROW"
        " WHEN (may_come_in(OLD.status, OLD.deleted_at) IS DISTINCT FROM may_come_in(NEW.status, NEW.deleted_at))"
        " EXECUTE FUNCTION keep_user_grants_of_standing()"
    ),
    (
        "CREATE TRIGGER keep_user_grants AFTER UPDATE ON organizations FOR EACH ROW"
        " WHEN ((OLD.deleted_at IS NULL) IS DISTINCT FROM (NEW.deleted_at IS NULL))"
        " EXECUTE FUNCTION keep_user_grants_of_organization()"
    ),
)
USER_GRANTS = (
    MAY_COME_IN,
    LIES_IN_DELETED_ORGANIZATION,
    ADD_USER_GRANTS,
    KEEP_USER_GRANTS,
    KEEP_USER_GRANTS_OF_STANDING,
    KEEP_USER_GRANTS_OF_ORGANIZATION,
    TRUNCATE_USER_GRANTS,
    *USER_GRANTS_TRIGGERS,
    SWEEP_USER_GRANTS,
    f"REVOKE EXECUTE ON FUNCTION {SWEEP_SIGNATURE} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {SWEEP_SIGNATURE} TO {service_role('user')}",
)
"""All of it, in the order in which it is made."""
