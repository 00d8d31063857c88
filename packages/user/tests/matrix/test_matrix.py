"""Role × endpoint × organization: whoever was not given something is refused it, and changes nothing.

The endpoints are those of the served OpenAPI document, so none is forgotten; what each needs is declared in
`expectation`, and asked by everybody there is (`world`) in every place it is about.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from packages.user.tests.conftest import ISSUER
from packages.user.tests.matrix.expectation import EXPECTED, Way, page, ways
from packages.user.tests.matrix.world import Caller, Ids, World

from orion_core.database import Database
from orion_core.sealing import Keyring
from orion_user.app import build
from orion_user.audit.checkpoints import extend
from orion_user.components import Components
from orion_user.settings import UserSettings

if TYPE_CHECKING:
    from packages.user.tests.conftest import People, Sign

    from orion_core.testing import MovableClock, TestDatabase

PAGE = Path(__file__).resolve().parents[4] / "docs" / "who-may.md"

VOLATILE = ("audit_checkpoints", "audit_signing_keys", "api_key_rates", "inbox", "inbox_cursors")
"""Tables that change by themselves while requests are refused."""
COUNTED = "last_used_at,last_used_ip,usage_count,last_active_at,updated_at"
"""And columns."""
COUNTERS = {"leak_report_rates"}
"""Tables that tell nothing of anybody but how often he asks."""

COLUMNS = """
    SELECT relname, array_agg(attname::text) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL ($1)
    GROUP BY relname
"""


@dataclass
class Tables:
    """All rows, which can be compared with what they were and put back."""

    connection: asyncpg.Connection
    columns: dict[str, list[str]]
    """By table, those that are not worked out from others."""
    before: dict[str, str]

    @classmethod
    async def of(cls, url: str) -> "Tables":
        connection = await asyncpg.connect(url)
        await connection.execute("SET session_replication_role = replica; CREATE SCHEMA kept")
        columns = {row["relname"]: row["columns"] for row in await connection.fetch(COLUMNS, list(VOLATILE))}
        for name in columns:
            await connection.execute(f"CREATE TABLE kept.{name} AS TABLE public.{name}")
        made = cls(connection, columns, {})
        made.before = await made.now()
        return made

    async def now(self) -> dict[str, str]:
        """A digest of each table; that somebody was refused may be written down."""
        row = f"(to_jsonb(t) - '{{{COUNTED}}}'::text[])::text"
        parts = (
            f"SELECT '{name}' AS name, md5(string_agg({row}, ',' ORDER BY {row})) AS digest FROM {name} AS t"
            + (" WHERE action <> 'access.denied'" if name == "audit_logs" else "")
            for name in self.columns
        )
        return {row["name"]: row["digest"] for row in await self.connection.fetch(" UNION ALL ".join(parts))}

    async def changed(self) -> list[str]:
        now = await self.now()
        return [name for name in self.columns if now[name] != self.before[name]]

    async def put_back(self, changed: list[str]) -> None:
        for name in changed:
            columns = ", ".join(self.columns[name])
            await self.connection.execute(
                f"DELETE FROM {name}; INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE"
                f" SELECT {columns} FROM kept.{name}"
            )


@pytest.fixture
async def world(
    people: "People", sign: "Sign", service: httpx.ASGITransport, database: Database, clock: "MovableClock"
) -> World:
    made = World(people, sign, service)
    await made.build()
    components: Components = made.application.state.components
    while await extend(database, components.settings.sealing_keys, clock()):
        pass
    return made


@pytest.fixture
async def tables(world: World, test_database: "TestDatabase") -> AsyncGenerator[Tables]:
    made = await Tables.of(test_database.owner_url)
    yield made
    await made.connection.close()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = document["paths"]
    return {f"{method.upper()} {path}": each for path, methods in paths.items() for method, each in methods.items()}


def filled(value: Any, ids: Ids) -> Any:
    """With the ids that are named in it."""
    match value:
        case dict():
            return {key: filled(each, ids) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [filled(each, ids) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case str() if (named := re.fullmatch(r"\{(\w+)\}", value)) is not None:
            return ids[named[1]]
        case _:
            return value


async def asked(
    world: World, operation: str, way: Way, side: str, caller: Caller, token: str | None = None
) -> httpx.Response:
    method, _, path = operation.partition(" ")
    ids = world.ids[side]
    url = re.sub(r"\{(\w+)\}", lambda match: str(ids[way.ids.get(match[1], match[1])]), path)
    return await world.ask(token or caller.token, method, url, filled(way.body, ids), filled(dict(way.query), ids))


def document() -> dict[str, Any]:
    """The OpenAPI document of the service, which needs no database to be made."""
    settings = {
        "USER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "USER_SEALING_KEYS": Keyring.new_key("k1"),
        "USER_EVENT_SEALING_KEYS": Keyring.new_key("k1"),
        "USER_SERVICE_KEY": "key",
        "AUTH_URL": ISSUER,
        "AUTH_ISSUER": ISSUER,
    }
    return build(UserSettings.model_validate(settings), httpx.AsyncClient()).openapi()


def test_every_route_is_declared() -> None:
    assert set(EXPECTED) == set(operations(document())), "what is served, and what expectation.py has"


def test_the_page_says_what_is_declared() -> None:
    """To write it anew: `python -m packages.user.tests.matrix.expectation > docs/who-may.md`."""
    assert PAGE.read_text() == page()


@pytest.mark.slow
async def test_whoever_was_not_given_it_is_refused_and_changes_nothing(world: World, tables: Tables) -> None:
    wrong: list[str] = []
    for operation, described in operations(world.application.openapi()).items():
        for way in ways(operation):
            for side in way.sides:
                refused = [each for each in world.callers if not each.is_let_in(way, side)]
                for caller in refused:
                    answer = await asked(world, operation, way, side, caller)
                    if (
                        answer.status_code != caller.refusal(way)
                        or str(answer.status_code) not in described["responses"]
                    ):
                        wrong.append(f"{operation} in {side}: {caller.name} got {answer.status_code} {answer.text}")
                if changed := await tables.changed():
                    wrong.append(f"{operation} in {side}: changed {changed} though all were refused")
                    await tables.put_back(changed)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
async def test_whoever_was_given_it_is_let_in(world: World, tables: Tables) -> None:
    """With the very requests that the others are refused, so none of these is refused for another reason.

    Of the roles that come with Orion the least that may: each has all that the one before it has. What anybody changes
    stands in the audit trail.
    """
    wrong: list[str] = []
    for operation in operations(world.application.openapi()):
        for way in ways(operation):
            for side in way.sides:
                for caller in world.least(way, side):
                    answer = await asked(world, operation, way, side, caller)
                    lacks = way.holding is not None and not caller.holds(way.holding, side)
                    if answer.status_code != 422 if lacks else answer.status_code >= 300:
                        wrong.append(f"{operation} in {side}: {caller.name} got {answer.status_code} {answer.text}")
                    if operation.startswith("GET"):
                        continue
                    changed = await tables.changed()
                    if "audit_logs" not in changed and set(changed) - COUNTERS:
                        wrong.append(f"{operation} in {side}: {caller.name} changed {changed}, and the trail is silent")
                    await tables.put_back(changed)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
async def test_whoever_changes_what_is_others_has_proved_lately_who_he_is(world: World, tables: Tables) -> None:
    """What needs a permission that is not to read, asked by persons who may, a little more than half an hour later."""
    wrong: list[str] = []
    seen = 0
    for operation, described in operations(world.application.openapi()).items():
        for way in ways(operation):
            if operation.startswith("GET") or all(each.endswith(":read") for each in way.permissions):
                continue
            for side in way.sides:
                for caller in world.least(way, side):
                    if not caller.is_person or not all(caller.holds(each, way.at or side) for each in way.permissions):
                        continue
                    answer = await asked(world, operation, way, side, caller, world.long_ago(caller))
                    challenge = answer.headers.get("www-authenticate", "")
                    if answer.status_code != 401 or 'error="insufficient_user_authentication"' not in challenge:
                        wrong.append(f"{operation} in {side}: {caller.name} got {answer.status_code} {answer.text}")
                    assert "401" in described["responses"]
                    seen += 1
                if changed := await tables.changed():
                    wrong.append(f"{operation} in {side}: changed {changed} without a proof")
                    await tables.put_back(changed)
    assert wrong == [], "\n".join(wrong)
    assert seen > 60, "operations by persons"
