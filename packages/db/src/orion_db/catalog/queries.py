# ruff: noqa: S608 - the queries are put together from constants of this file
"""One query per kind of object. Each gives rows (name, facts): facts are what two databases are compared by.

They run with `search_path = pg_catalog`, so that PostgreSQL's own deparsers (pg_get_…def) qualify every name, and read
only schemas of ours: what belongs to an extension or to PostgreSQL is left out. What a partition inherits
from its parent is left out too; what is its own is not.
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


_RELATION = "pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
_TABLE_NAME = _name("n", "c.relname")

QUERIES: dict[str, str] = {
    "database": f"""
    SELECT 'database', jsonb_build_object('owner', pg_get_userbyid(datdba), 'grants', {_acl("datacl", "d", "datdba")})
    FROM pg_database WHERE datname = current_database()""",
    "setting": """
    SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) || ': ' END || split_part(setting, '=', 1),
      jsonb_build_object('value', substring(setting FROM position('=' IN setting) + 1))
    FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase, unnest(setconfig) AS setting
    WHERE d.datname = current_database() AND setting NOT LIKE 'orion.%'""",
    "schema": f"""
    SELECT n.nspname, jsonb_build_object(
      'owner', pg_get_userbyid(nspowner), 'grants', {_acl("nspacl", "n", "nspowner")})
    FROM pg_namespace AS n WHERE {_ours("pg_namespace", "n")}""",
    "extension": """
    SELECT extname, jsonb_build_object('schema', extnamespace::regnamespace::text)
    FROM pg_extension WHERE extname <> 'plpgsql'""",
    "default grants": f"""
    SELECT pg_get_userbyid(defaclrole) || ' ' || defaclobjtype::text || ' ' || defaclnamespace::regnamespace::text,
      jsonb_build_object('grants', {_grants("defaclacl")})
    FROM pg_default_acl""",
    "table": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object(
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
      'table', {_TABLE_NAME}, 'type', format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull,
      'default', CASE a.attgenerated WHEN '' THEN pg_get_expr(f.adbin, f.adrelid) END,
      'generated', CASE WHEN a.attgenerated <> ''
        THEN a.attgenerated::text || ' ' || pg_get_expr(f.adbin, f.adrelid) END,
      'identity', nullif(a.attidentity, ''), 'compression', nullif(a.attcompression, ''),
      'collation', (SELECT collname FROM pg_collation WHERE oid = a.attcollation AND collname <> 'default'),
      'storage', (SELECT a.attstorage FROM pg_type WHERE oid = a.atttypid AND typstorage <> a.attstorage),
      'statistics', nullif(a.attstattarget, -1), 'options', to_jsonb(a.attoptions),
      'grants', CASE WHEN a.attacl IS NOT NULL THEN {_grants("a.attacl")} END,
      'comment', col_description(c.oid, a.attnum))
    FROM pg_attribute AS a JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = a.attrelid")}
      LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'c') AND {_ours("pg_class", "c")}
      AND NOT (c.relispartition AND NOT a.attislocal)""",
    "constraint": f"""
    SELECT {_TABLE_NAME} || '.' || k.conname, jsonb_build_object(
      'table', {_TABLE_NAME}, 'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
      'comment', obj_description(k.oid, 'pg_constraint'))
    FROM pg_constraint AS k JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = k.conrelid")}
    WHERE {_ours("pg_class", "c")} AND k.conparentid = 0 AND k.contype <> 't'
      AND NOT (c.relispartition AND NOT k.conislocal)
      AND (k.contype <> 'n' OR NOT k.convalidated)  -- PostgreSQL 18: a column says itself that it is not null""",
    "index": f"""
    SELECT {_name("n", "i.relname")}, jsonb_build_object(
      'table', {_TABLE_NAME}, 'definition', pg_get_indexdef(i.oid), 'valid', x.indisvalid AND x.indisready,
      'constraint', (SELECT conname FROM pg_constraint WHERE conindid = i.oid AND contype IN ('p', 'u', 'x') LIMIT 1),
      'clustered', x.indisclustered, 'replica identity', x.indisreplident,
      'comment', obj_description(i.oid, 'pg_class'))
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
      JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = x.indrelid")}
    WHERE NOT i.relispartition AND c.relkind IN ('r', 'p', 'm') AND {_ours("pg_class", "c")}""",
    "trigger": f"""
    SELECT {_TABLE_NAME} || '.' || t.tgname, jsonb_build_object(
      'table', {_TABLE_NAME}, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
      'comment', obj_description(t.oid, 'pg_trigger'))
    FROM pg_trigger AS t JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = t.tgrelid")}
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND {_ours("pg_class", "c")}""",
    "policy": f"""
    SELECT {_TABLE_NAME} || '.' || p.polname, jsonb_build_object(
      'table', {_TABLE_NAME}, 'command', p.polcmd, 'permissive', p.polpermissive,
      'roles', (SELECT jsonb_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r) END ORDER BY r)
        FROM unnest(p.polroles) AS r),
      'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = p.polrelid")}
    WHERE {_ours("pg_class", "c")}""",
    "rule": f"""
    SELECT {_TABLE_NAME} || '.' || r.rulename, jsonb_build_object(
      'table', {_TABLE_NAME}, 'definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
    FROM pg_rewrite AS r JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = r.ev_class")}
    WHERE r.rulename <> '_RETURN' AND {_ours("pg_class", "c")}""",
    "view": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object(
      'owner', pg_get_userbyid(c.relowner), 'grants', {_acl("c.relacl", "r", "c.relowner")},
      'definition', pg_get_viewdef(c.oid), 'materialized', c.relkind = 'm', 'options', to_jsonb(c.reloptions),
      'comment', obj_description(c.oid, 'pg_class'))
    FROM {_RELATION} WHERE c.relkind IN ('v', 'm') AND {_ours("pg_class", "c")}""",
    "sequence": f"""
    SELECT {_TABLE_NAME}, jsonb_build_object(
      'owner', pg_get_userbyid(c.relowner), 'grants', {_acl("c.relacl", "s", "c.relowner")},
      'type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'minimum', s.seqmin,
      'maximum', s.seqmax, 'cache', s.seqcache, 'cycles', s.seqcycle, 'comment', obj_description(c.oid, 'pg_class'),
      'owned by', (SELECT d.refobjid::regclass::text || '.' || a.attname FROM pg_depend AS d
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
          AND d.refclassid = 'pg_class'::regclass))
    FROM pg_sequence AS s JOIN {_RELATION.replace("pg_class AS c", "pg_class AS c ON c.oid = s.seqrelid")}
    WHERE {_ours("pg_class", "c")}""",
    "enum": f"""
    SELECT {_name("n", "t.typname")}, jsonb_build_object(
      'labels', (SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
      'owner', pg_get_userbyid(t.typowner), 'grants', {_acl("t.typacl", "T", "t.typowner")},
      'comment', obj_description(t.oid, 'pg_type'))
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND {_ours("pg_type", "t")}""",
    "type": f"""
    SELECT {_name("n", "t.typname")}, jsonb_build_object(
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
      'definition', CASE p.prokind WHEN 'a' THEN 'aggregate ' || pg_get_function_result(p.oid)
        ELSE pg_get_functiondef(p.oid) END,
      'owner', pg_get_userbyid(p.proowner), 'grants', {_acl("p.proacl", "f", "p.proowner")},
      'comment', obj_description(p.oid, 'pg_proc'))
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {_ours("pg_proc", "p")}""",
    "statistics": f"""
    SELECT {_name("n", "s.stxname")}, jsonb_build_object(
      'definition', pg_get_statisticsobjdef(s.oid), 'owner', pg_get_userbyid(s.stxowner), 'target', s.stxstattarget)
    FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
    WHERE {_ours("pg_statistic_ext", "s")}""",
    "event trigger": """
    SELECT evtname, jsonb_build_object('event', evtevent, 'tags', to_jsonb(evttags), 'enabled', evtenabled,
      'function', evtfoid::regprocedure::text)
    FROM pg_event_trigger""",
}
