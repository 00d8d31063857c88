"""What belongs to a database and is in no dump of it, given to a restored one: grants, settings, comment, limit."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_db.backups.manifest import Setting, Surroundings
from orion_db.errors import reason
from orion_db.roles import quoted
from orion_db.targets import Target

_LISTS = frozenset({
    "search_path", "session_preload_libraries", "local_preload_libraries", "shared_preload_libraries",
    "temp_tablespaces", "unix_socket_directories",
})  # fmt: skip
"""Settings that are lists of quoted names (pg_dump's variable_is_guc_list_quote): their value is SQL already."""


async def surround(connection: AsyncConnection, target: Target, database: str, facts: Surroundings) -> list[str]:
    """Give the database its surroundings. What this server or login cannot do is left out, and told."""
    known = {str(role) for role in (await connection.execute(text("SELECT rolname FROM pg_roles"))).scalars()}
    left_out: list[str] = []
    for role, statement in _statements(target, database, facts):
        if role and role not in known:
            left_out.append(f"there is no role {role}: {statement}")
            continue
        try:
            await connection.exec_driver_sql(statement)
        except DBAPIError as error:
            left_out.append(f"{reason(error)} {statement}")
    return left_out


def _statements(target: Target, database: str, facts: Surroundings) -> Iterator[tuple[str, str]]:
    """Each statement, and the role that it needs."""
    name = quoted(database)
    for grant in facts.grants:
        if grant.grantee == facts.owner:
            continue  # the owner has all
        option = " WITH GRANT OPTION" if grant.grantable else ""
        to = quoted(grant.grantee) if grant.grantee else "PUBLIC"
        yield grant.grantee, f"GRANT {grant.privilege} ON DATABASE {name} TO {to}{option}"
    for setting in facts.settings:
        role = f"ROLE {quoted(setting.role)} IN " if setting.role else ""
        yield setting.role, f"ALTER {role}DATABASE {name} SET {_dotted(setting.name)} TO {_value(setting)}"
    if facts.comment is not None:
        yield "", f"COMMENT ON DATABASE {name} IS {_literal(facts.comment)}"
    if facts.connection_limit != -1:
        yield "", f"ALTER DATABASE {name} CONNECTION LIMIT {facts.connection_limit}"
    if facts.owner != target.service.owner_role:
        yield facts.owner, f"ALTER DATABASE {name} OWNER TO {quoted(facts.owner)}"


def _dotted(name: str) -> str:
    return ".".join(quoted(part) for part in name.split("."))


def _value(setting: Setting) -> str:
    return (setting.value or "''") if setting.name.lower() in _LISTS else _literal(setting.value)


def _literal(value: str) -> str:
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
