"""Who may do more than he needs to, and who less."""

from collections.abc import Iterable, Sequence

from orion_core.tables import ALL_ROWS
from orion_db.doctor.check import Check, Row, each, rows
from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.server import Server
from orion_db.history import KEPT
from orion_db.roles import quoted

_LOGIN = """
SELECT
  rolname AS login, rolsuper AS superuser, rolcreaterole AS createrole, rolcreatedb AS createdb,
  rolbypassrls AS bypassrls, rolreplication AS replication,
  pg_has_role(oid, to_regrole(:owner)::oid, 'MEMBER') AS is_owner
FROM pg_roles
WHERE rolname = :service_login AND to_regrole(:owner) IS NOT NULL
"""

_ATTRIBUTES = ("superuser", "createrole", "createdb", "bypassrls", "replication")


def _login(row: Row, server: Server) -> Finding | None:
    has = [attribute for attribute in _ATTRIBUTES if row[attribute]]
    owns = row["is_owner"] and not row["superuser"]
    if not has and not owns:
        return None
    login, variable = row["login"], server.target.service.url_variable
    words = [*(attribute.upper() for attribute in has), *(["member of the owner role"] if owns else [])]
    fix = [f"ALTER ROLE {quoted(login)} {' '.join('NO' + attribute.upper() for attribute in has)}"] if has else []
    undo = [f"ALTER ROLE {quoted(login)} {' '.join(attribute.upper() for attribute in has)}"] if has else []
    if owns:
        fix.append(f"REVOKE {quoted(server.target.service.owner_role)} FROM {quoted(login)}")
        undo.append(f"GRANT {quoted(server.target.service.owner_role)} TO {quoted(login)}")
    if login == server.target.login:
        fix = [f"-- the tool signs in with it too: give {variable} a login of its own, then `orion db init` makes it"]
    return Finding(
        check="",
        severity=server.in_production(Severity.CRITICAL if row["superuser"] else Severity.WARNING),
        object=login,
        what=f"the service signs in with it ({variable}), and it is {', '.join(words)}",
        numbers=dict.fromkeys(has, True),
        fix=tuple(fix),
        undo=tuple(undo) if login != server.target.login else (),
    )


_PUBLIC = """
WITH object AS (
  SELECT
    CASE WHEN relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relacl AS acl
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
      SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
  UNION ALL
  SELECT 'DATABASE', quote_ident(datname), coalesce(datacl, acldefault('d', datdba))
  FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 'SCHEMA', quote_ident(nspname), nspacl FROM pg_namespace
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT kind, name, string_agg(privilege_type, ', ' ORDER BY privilege_type) AS privileges
FROM object CROSS JOIN LATERAL aclexplode(acl)
WHERE grantee = 0 AND NOT (kind = 'SCHEMA' AND privilege_type = 'USAGE')
GROUP BY 1, 2
ORDER BY 1, 2
"""


def _public(row: Row, _: Server) -> Finding:
    on = f"{row['kind']} {row['name']}"
    return Finding(
        check="",
        severity=Severity.WARNING,
        object=on.lower() if row["kind"] != "TABLE" else row["name"],
        table=row["name"] if row["kind"] == "TABLE" else "",
        what=f"every login of this server has {row['privileges']} on {on.lower()}",
        fix=(f"REVOKE {row['privileges']} ON {on} FROM PUBLIC",),
        undo=(f"GRANT {row['privileges']} ON {on} TO PUBLIC",),
    )


_SERVICE_RIGHTS = """
SELECT
  c.oid::regclass::text AS table,
  ARRAY(
    SELECT a.privilege_type FROM aclexplode(c.relacl) AS a WHERE a.grantee = to_regrole(:service)::oid ORDER BY 1
  ) AS privileges,
  pg_get_userbyid(c.relowner) = :service AS owns
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public' AND to_regrole(:service) IS NOT NULL
ORDER BY 1
"""

_ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}


def _service_rights(found: Sequence[Row], server: Server) -> Iterable[Finding]:
    """Too much: owning, and what is not about rows. Too little, and too much again: other than the models say."""
    role = server.target.service.service_role
    for row in found:
        table, has = row["table"], set[str](row["privileges"])
        wanted = _wanted(server, table)
        needless = has - _ROWS if wanted is None else has - wanted
        missing: set[str] = set() if wanted is None else wanted - has
        if row["owns"]:
            fix = f"ALTER TABLE {table} OWNER TO {quoted(server.target.service.owner_role)}"
            yield _right(table, f"{role} owns it, and may change or drop it", fix, safe=False)
        if needless and table not in KEPT:
            rights = ", ".join(sorted(needless))
            fix = f"REVOKE {rights} ON {table} FROM {quoted(role)}"
            yield _right(table, f"{role} needlessly has {rights}", fix, safe=wanted is not None)
        if missing:
            rights = ", ".join(sorted(missing))
            fix = f"GRANT {rights} ON {table} TO {quoted(role)}"
            yield _right(table, f"{role} lacks {rights}, and requests that need it fail", fix, safe=True)


def _wanted(server: Server, table: str) -> set[str] | None:
    """What the models give the role on the table; None when they have no such table."""
    model = server.target.service.metadata.tables.get(table)
    return None if model is None else {right.strip() for right in model.info.get("grants", ALL_ROWS).split(",")}


def _right(table: str, what: str, fix: str, *, safe: bool) -> Finding:
    return Finding(check="", severity=Severity.WARNING, object=table, table=table, what=what, fix=(fix,), safe=safe)


_PG_HBA = """
SELECT line_number AS line, type, database, user_name AS users, address, auth_method AS method
FROM pg_hba_file_rules
WHERE error IS NULL AND auth_method IN ('trust', 'password', 'md5')
ORDER BY line_number
"""


def _pg_hba(row: Row, server: Server) -> Finding:
    method = row["method"]
    severity = Severity.INFO if method == "md5" else server.in_production(Severity.CRITICAL)
    says = {"trust": "asks for no password", "password": "takes the password in clear", "md5": "uses broken hashes"}
    return Finding(
        check="",
        severity=severity,
        object=f"pg_hba.conf line {row['line']}",
        what=f"{row['type']} {','.join(row['database'])} {','.join(row['users'])} {row['address'] or ''}".rstrip()
        + f" {method}: {says[method]}",
        numbers={"line": row["line"]},
        fix=("-- write scram-sha-256 there", "SELECT pg_reload_conf()"),
    )


CHECKS = (
    Check(
        id="login-rights",
        title="The service's login may too much",
        why="Whoever takes over the service has what its login has: a superuser's is the whole machine.",
        todo="Give the service a login that is a member of its service role and of nothing else; `init` makes it.",
        read=rows(_LOGIN),
        judge=each(_login),
        weight=6,
    ),
    Check(
        id="public-grants",
        title="Everybody may",
        why="A grant to PUBLIC is one to every login that will ever be made on this server.",
        todo="Revoke it, and give what is needed to who needs it.",
        read=rows(_PUBLIC),
        judge=each(_public),
        weight=4,
    ),
    Check(
        id="service-rights",
        title="The service's role may too much or too little",
        why="Too much breaks the fence between a bug and the schema, too little breaks requests.",
        todo="Put the grants back as the models have them.",
        read=rows(_SERVICE_RIGHTS),
        judge=_service_rights,
        weight=5,
    ),
    Check(
        id="pg-hba",
        title="The server lets people in without a proper password",
        why="Whoever reaches its port is in.",
        todo="Use scram-sha-256 everywhere.",
        read=rows(_PG_HBA),
        judge=each(_pg_hba),
        weight=6,
    ),
)
