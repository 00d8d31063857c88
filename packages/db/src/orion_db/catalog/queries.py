# ruff: noqa: S608 - the queries are put together from constants of this file
"""One query per kind of object. Each gives rows (name, facts): facts are what two databases are compared by.

They run with `search_path = pg_catalog`, so that PostgreSQL's own deparsers (pg_get_…def) qualify every name, and read
only schemas of ours: what belongs to an extension or to PostgreSQL is left out. What a partition inherits
from its parent is left out too; what is its own is not.

Some facts are there for whoever writes SQL from them, and are not compared (`compare.NOT_COMPARED`): `sql` is the
object's name as SQL, with its schema where it has one; `on` is the table of a thing that belongs to one; `at` is its
place in pg_depend.
"""


def _acl(column: str, kind: str, owner: str) -> str:
    """Grants as {grantee: [privilege, …]}, with `*` for the right to grant on; what is implied counts as granted."""
    acl = f"coalesce({column}, acldefault('{kind}', {owner}))"
    return _grants(acl)


def _grants(acl: str) -> str:
    return f"""(
      SELECT coalesce(jsonb_object_agg(grantee, privileges), '{{}}') FROM (
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END AS grantee,
          jsonb_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END ORDER BY privilege_type) AS privileges
        FROM aclexplode({acl}) GROUP BY 1) AS grants)"""


def _name(namespace: str, name: str) -> str:
    """`users`, or `reporting.users` outside of schema public."""
    return f"CASE {namespace}.nspname WHEN 'public' THEN '' ELSE quote_ident({namespace}.nspname) || '.' END || {name}"


def _ours(catalog: str, object_: str) -> str:
    return f"""n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
      SELECT FROM pg_depend AS d
      WHERE d.classid = '{catalog}'::regclass AND d.objid = {object_}.oid AND d.deptype = 'e')"""


def _sql(namespace: str, name: str) -> str:
    return f"'sql', quote_ident({namespace}.nspname) || '.' || quote_ident({name})"


def _at(catalog: str, object_: str, number: str = "0") -> str:
    return f"'at', '{catalog}:' || {object_} || ':' || {number}"


_RELATION = "pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
_TABLE_NAME = _name("n", "c.relname")
# What somebody said of a column; Debian's PostgreSQL 15.20 keeps a number of its own there, another in each database.
_SAID_OF_COLUMN = """(
        SELECT jsonb_agg(option ORDER BY option) FROM unnest(a.attoptions) AS option WHERE option NOT LIKE 'pg\\_%'
      )"""
_TABLE = f"{_sql('n', 'c.relname')}, {_at('pg_class', 'c.oid')}"


def _on(name: str) -> str:
    """Facts of what belongs to a table: the table, as told and as SQL, and its own name as SQL."""
    on = _sql("n", "c.relname").replace("'sql'", "'on'")
    return f"'table', {_TABLE_NAME}, {on}, 'sql', quote_ident({name})"


QUERIES: dict[str, str] = {
    "database": f"""
    SELECT 'database', jsonb_build_object('sql', quote_ident(datname),
      'owner', pg_get_userbyid(datdba), 'grants', {_acl("datacl", "d", "datdba")})
    FROM pg_database WHERE datname = current_database()""",
    "setting": """
    SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) || ': ' END || split_part(setting, '=', 1),
      jsonb_build_object('value', substring(setting FROM position('=' IN setting) + 1),
      'sql', quote_ident(split_part(setting, '=', 1)), 'role', CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole) END)
    FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase, unnest(setconfig) AS setting
    WHERE d.datname = current_database() AND setting NOT LIKE 'orion.%'""",
    "schema": f"""
    SELECT n.nspname, jsonb_build_object(
      'sql', quote_ident(n.nspname), {_at("pg_namespace", "n.oid")}, 'comment', obj_description(n.oid, 'pg_namespace'),
      'owner', pg_get_userbyid(nspowner), 'grants', {_acl("nspacl", "n", "nspowner")})
    FROM pg_namespace AS n WHERE {_ours("pg_namespace", "n")}""",
    "extension": f"""
    SELECT extname, jsonb_build_object('schema', extnamespace::regnamespace::text, 'version', extversion,
      'sql', quote_ident(extname), {_at("pg_extension", "pg_extension.oid")})
    FROM pg_extension WHERE extname <> 'plpgsql'""",
    "default grants": f"""
    SELECT pg_get_userbyid(defaclrole) || ' ' || defaclobjtype::text || ' ' || defaclnamespace::regnamespace::text,
      jsonb_build_object('role', pg_get_userbyid(defaclrole), 'objects', defaclobjtype,
      'schema', CASE WHEN defaclnamespace <> 0 THEN defaclnamespace::regnamespace::text END,
      'grants', {_grants("defaclacl")})
    FROM pg_default_acl""",
    "table": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object({_TABLE},
      'owner', pg_get_userbyid(c.relowner), 'grants', {_acl("c.relacl", "r", "c.relowner")},
      'persistence', CASE c.relpersistence WHEN 'p' THEN 'logged' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
      'kind', CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END,
      'options', to_jsonb(c.reloptions), 'comment', obj_description(c.oid, 'pg_class'),
      'partitioned by', pg_get_partkeydef(c.oid),
      'row security', CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'on' END,
      'replica identity', c.relreplident,
      'parent', (SELECT jsonb_agg(inhparent::regclass::text ORDER BY inhseqno)
        FROM pg_inherits WHERE inhrelid = c.oid),
      'bound', pg_get_expr(c.relpartbound, c.oid))
    FROM {_RELATION} WHERE c.relkind IN ('r', 'p', 'f') AND {_ours("pg_class", "c")}""",
    "column": f"""
    SELECT {_TABLE_NAME} || '.' || a.attname, jsonb_build_object(
      {_on("a.attname")}, {_at("pg_class", "c.oid", "a.attnum")}, 'number', a.attnum,
      'type', format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull,
      'default', CASE a.attgenerated WHEN '' THEN pg_get_expr(f.adbin, f.adrelid) END,
      'generated', CASE WHEN a.attgenerated <> ''
        THEN a.attgenerated::text || ' ' || pg_get_expr(f.adbin, f.adrelid) END,
      'identity', nullif(a.attidentity, ''), 'compression', nullif(a.attcompression, ''),
      'collation', (SELECT collname FROM pg_collation WHERE oid = a.attcollation AND collname <> 'default'),
      'stored as', a.attstorage,
      'storage', (SELECT a.attstorage FROM pg_type WHERE oid = a.atttypid AND typstorage <> a.attstorage),
      'statistics', nullif(a.attstattarget, -1), 'options', {_SAID_OF_COLUMN},
      'grants', CASE WHEN a.attacl IS NOT NULL THEN {_grants("a.attacl")} END,
      'comment', col_description(c.oid, a.attnum))
    FROM pg_attribute AS a JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = a.attrelid")}
      LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'c') AND {_ours("pg_class", "c")}
      AND NOT (c.relispartition AND NOT a.attislocal)""",
    "constraint": f"""
    SELECT {_TABLE_NAME} || '.' || k.conname, jsonb_build_object(
      {_on("k.conname")}, {_at("pg_constraint", "k.oid")}, 'index', nullif(k.conindid, 0)::regclass::text,
      'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
      'comment', obj_description(k.oid, 'pg_constraint'))
    FROM pg_constraint AS k JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = k.conrelid")}
    WHERE {_ours("pg_class", "c")} AND k.conparentid = 0 AND k.contype <> 't'
      AND NOT (c.relispartition AND NOT k.conislocal)
      AND (k.contype <> 'n' OR NOT k.convalidated)  -- PostgreSQL 18: a column says itself that it is not null""",
    "index": f"""
    SELECT {_name("n", "i.relname")}, jsonb_build_object(
      {_on("i.relname")}, {_at("pg_class", "i.oid")}, 'whole', {_sql("n", "i.relname").replace("'sql', ", "")},
      'definition', pg_get_indexdef(i.oid), 'valid', x.indisvalid AND x.indisready,
      'constraint', (SELECT conname FROM pg_constraint WHERE conindid = i.oid AND contype IN ('p', 'u', 'x') LIMIT 1),
      'clustered', x.indisclustered, 'replica identity', x.indisreplident,
      'comment', obj_description(i.oid, 'pg_class'))
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
      JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = x.indrelid")}
    WHERE NOT i.relispartition AND c.relkind IN ('r', 'p', 'm') AND {_ours("pg_class", "c")}""",
    "trigger": f"""
    SELECT {_TABLE_NAME} || '.' || t.tgname, jsonb_build_object(
      {_on("t.tgname")}, {_at("pg_trigger", "t.oid")}, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
      'comment', obj_description(t.oid, 'pg_trigger'))
    FROM pg_trigger AS t JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = t.tgrelid")}
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND {_ours("pg_class", "c")}""",
    "policy": f"""
    SELECT {_TABLE_NAME} || '.' || p.polname, jsonb_build_object(
      {_on("p.polname")}, {_at("pg_policy", "p.oid")}, 'command', p.polcmd, 'permissive', p.polpermissive,
      'roles', (SELECT jsonb_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r) END ORDER BY r)
        FROM unnest(p.polroles) AS r),
      'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = p.polrelid")}
    WHERE {_ours("pg_class", "c")}""",
    "rule": f"""
    SELECT {_TABLE_NAME} || '.' || r.rulename, jsonb_build_object(
      {_on("r.rulename")}, {_at("pg_rewrite", "r.oid")}, 'definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
    FROM pg_rewrite AS r JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = r.ev_class")}
    WHERE r.rulename <> '_RETURN' AND {_ours("pg_class", "c")}""",
    "view": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object({_TABLE},
      'owner', pg_get_userbyid(c.relowner), 'grants', {_acl("c.relacl", "r", "c.relowner")},
      'definition', pg_get_viewdef(c.oid), 'materialized', c.relkind = 'm', 'options', to_jsonb(c.reloptions),
      'comment', obj_description(c.oid, 'pg_class'))
    FROM {_RELATION} WHERE c.relkind IN ('v', 'm') AND {_ours("pg_class", "c")}""",
    "sequence": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object({_TABLE},
      'owner', pg_get_userbyid(c.relowner), 'grants', {_acl("c.relacl", "s", "c.relowner")},
      'type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'minimum', s.seqmin,
      'maximum', s.seqmax, 'cache', s.seqcache, 'cycles', s.seqcycle, 'comment', obj_description(c.oid, 'pg_class'),
      'owned by', (SELECT d.refobjid::regclass::text || '.' || quote_ident(a.attname) FROM pg_depend AS d
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
          AND d.refclassid = 'pg_class'::regclass))
    FROM pg_sequence AS s JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = s.seqrelid")}
    WHERE {_ours("pg_class", "c")}""",
    "enum": f"""
    SELECT {_name("n", "t.typname")}, jsonb_build_object({_sql("n", "t.typname")}, {_at("pg_type", "t.oid")},
      'labels', (SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
      'owner', pg_get_userbyid(t.typowner), 'grants', {_acl("t.typacl", "T", "t.typowner")},
      'comment', obj_description(t.oid, 'pg_type'))
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND {_ours("pg_type", "t")}""",
    "type": f"""
    SELECT {_name("n", "t.typname")}, jsonb_build_object({_sql("n", "t.typname")}, {_at("pg_type", "t.oid")},
      'kind', CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'composite' END,
      'base', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END, 'not null', t.typnotnull,
      'default', t.typdefault, 'owner', pg_get_userbyid(t.typowner), 'grants', {_acl("t.typacl", "T", "t.typowner")},
      'checks', (SELECT jsonb_object_agg(conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE contypid = t.oid),
      'comment', obj_description(t.oid, 'pg_type'))
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE (t.typtype IN ('d', 'r') OR EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'c'))
      AND {_ours("pg_type", "t")}""",
    "function": f"""
    SELECT {_name("n", "p.proname")} || '(' || pg_get_function_identity_arguments(p.oid) || ')', jsonb_build_object(
      'sql', p.oid::regprocedure::text, {_at("pg_proc", "p.oid")},
      'definition', CASE p.prokind WHEN 'a' THEN 'aggregate ' || pg_get_function_result(p.oid)
        ELSE pg_get_functiondef(p.oid) END,
      'owner', pg_get_userbyid(p.proowner), 'grants', {_acl("p.proacl", "f", "p.proowner")},
      'comment', obj_description(p.oid, 'pg_proc'))
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {_ours("pg_proc", "p")}""",
    "statistics": f"""
    SELECT {_name("n", "s.stxname")}, jsonb_build_object({_sql("n", "s.stxname")}, {_at("pg_statistic_ext", "s.oid")},
      'definition', pg_get_statisticsobjdef(s.oid), 'owner', pg_get_userbyid(s.stxowner),
      'target', nullif(s.stxstattarget, -1),
      'comment', obj_description(s.oid, 'pg_statistic_ext'))
    FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
    WHERE {_ours("pg_statistic_ext", "s")}""",
    "event trigger": f"""
    SELECT evtname, jsonb_build_object('sql', quote_ident(evtname), {_at("pg_event_trigger", "pg_event_trigger.oid")},
      'owner', pg_get_userbyid(evtowner), 'event', evtevent, 'tags', to_jsonb(evttags), 'enabled', evtenabled,
      'function', evtfoid::regprocedure::text)
    FROM pg_event_trigger""",
    "publication": """
    SELECT pubname, jsonb_build_object('sql', quote_ident(pubname), 'owner', pg_get_userbyid(pubowner),
      'all tables', puballtables, 'via root', pubviaroot,
      'publishes', ARRAY[pubinsert, pubupdate, pubdelete, pubtruncate],
      'tables', (SELECT jsonb_agg(prrelid::regclass::text ORDER BY prrelid::regclass::text)
        FROM pg_publication_rel WHERE prpubid = p.oid))
    FROM pg_publication AS p""",
    "collation": f"""
    SELECT {_name("n", "l.collname")}, jsonb_build_object({_sql("n", "l.collname")}, {_at("pg_collation", "l.oid")},
      'owner', pg_get_userbyid(l.collowner), 'provider', l.collprovider, 'deterministic', l.collisdeterministic,
      'locale', concat_ws(' ', l.collcollate, l.collctype))
    FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace WHERE {_ours("pg_collation", "l")}""",
}

DEPENDENCIES = """
WITH place (object, stands_for) AS (
  SELECT 'pg_rewrite:' || oid || ':0', 'pg_class:' || ev_class || ':0' FROM pg_rewrite WHERE rulename = '_RETURN'
  UNION ALL SELECT 'pg_attrdef:' || f.oid || ':0',
    CASE a.attgenerated WHEN '' THEN 'default:' ELSE 'pg_class:' END || f.adrelid || ':' || f.adnum
  FROM pg_attrdef AS f JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
  UNION ALL SELECT 'pg_type:' || t.oid || ':0', 'pg_class:' || c.oid || ':0'
  FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid WHERE c.relkind <> 'c'
  UNION ALL SELECT 'pg_class:' || c.oid || ':0', 'pg_type:' || c.reltype || ':0'
  FROM pg_class AS c WHERE c.relkind = 'c'
  UNION ALL SELECT 'pg_type:' || a.oid || ':0', CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f')
    THEN 'pg_class:' || c.oid || ':0' ELSE 'pg_type:' || e.oid || ':0' END
  FROM pg_type AS a JOIN pg_type AS e ON e.oid = a.typelem AND e.typarray = a.oid
    LEFT JOIN pg_class AS c ON c.oid = e.typrelid
  UNION ALL SELECT 'pg_type:' || rngmultitypid || ':0', 'pg_type:' || rngtypid || ':0' FROM pg_range
  UNION ALL SELECT 'pg_class:' || conindid || ':0', 'pg_constraint:' || oid || ':0'
  FROM pg_constraint WHERE contype IN ('p', 'u', 'x')
  UNION ALL SELECT 'pg_constraint:' || oid || ':0', 'pg_type:' || contypid || ':0'
  FROM pg_constraint WHERE contypid <> 0
  UNION ALL SELECT classid::regclass || ':' || objid || ':' || objsubid, 'pg_extension:' || refobjid || ':0'
  FROM pg_depend WHERE deptype = 'e'
)
SELECT DISTINCT coalesce(o.stands_for, d.object) AS object, coalesce(r.stands_for, d.needs) AS needs
FROM (
  SELECT classid::regclass || ':' || objid || ':' || objsubid AS object,
    refclassid::regclass || ':' || refobjid || ':' || refobjsubid AS needs
  FROM pg_depend WHERE deptype IN ('n', 'a', 'i', 'P', 'S') AND refobjid >= 16384
) AS d LEFT JOIN place AS o USING (object) LEFT JOIN place AS r ON r.object = d.needs
WHERE coalesce(o.stands_for, d.object) <> coalesce(r.stands_for, d.needs)
"""
"""What needs what, as places in pg_depend. A view's rule stands for the view, an array for its elements' type, an index
for its constraint, a member for its extension; a column's default is a thing of its own, `default:TABLE:COLUMN`."""
