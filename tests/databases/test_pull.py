"""A live database read back into models that build it again; and commands that only look go on past what they miss."""

import asyncio
import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from typer.testing import CliRunner

import orion_db
from orion_cli.db import commands
from orion_core.service import installed_services
from orion_db.drift.drift import drift
from orion_db.errors import Exit
from orion_db.pull import pull
from orion_db.repair import repair_between, script

if TYPE_CHECKING:
    from tests.databases.conftest import Platform, Server

WITHOUT_CLASS = re.compile(
    r"CREATE EXTENSION|CREATE OR REPLACE FUNCTION|(GRANT|REVOKE) EXECUTE|ALTER TABLE \S+ (ADD .* EXCLUDE |SET \()"
    r"|(DROP|CREATE) TRIGGER set_updated_at "  # of a table whose statements may set it themselves
)
SERVICES = sorted(installed_services())

UNUSUAL = """
CREATE TYPE "odd one" AS ENUM ('a b', '1'); CREATE DOMAIN address AS text CHECK (VALUE <> '');
CREATE TABLE public.oddities (
  id bigserial CONSTRAINT key_of_oddities PRIMARY KEY, "class" "odd one" NOT NULL DEFAULT 'a b', metadata json,
  home address DEFAULT 'x:y', at time, span interval, price numeric(10,2) DEFAULT 1.5, twice numeric
    GENERATED ALWAYS AS (price * 2) STORED, flags boolean[] NOT NULL DEFAULT '{}', user_id uuid REFERENCES public.users
    ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, CONSTRAINT strange CHECK (home::text !~ ':x "y"'));
CREATE INDEX lower_home ON public.oddities (lower(home::text) DESC NULLS LAST) INCLUDE (at) WHERE (at IS NOT NULL);
ALTER TABLE public.oddities OWNER TO orion_user_owner; ALTER TYPE "odd one" OWNER TO orion_user_owner;
ALTER DOMAIN address OWNER TO orion_user_owner; GRANT SELECT ON public.oddities TO orion_user_service;
CREATE VIEW public.seen AS SELECT id FROM public.users; ALTER VIEW public.seen OWNER TO orion_user_owner;
CREATE TABLE public.by_list (k text) PARTITION BY LIST (k); ALTER TABLE public.by_list OWNER TO orion_user_owner;
"""


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_read_back_is_the_service(platform: "Platform", service: str, tmp_path: Path) -> None:
    file = tmp_path / "tables.py"
    found = await pull(platform.targets[service], output=file)
    assert (found.left_over, found.not_in_models, found.exit_code) == ((), (), Exit.OK)
    text = file.read_text(encoding="utf-8")
    classes = text.count("__tablename__")
    assert classes == len(installed_services()[service].metadata.tables) - 4, "all but the four of the house"
    assert [sql for sql in found.as_sql if not WITHOUT_CLASS.match(sql)] == []


@pytest.mark.slow
async def test_what_has_no_class_is_sql_and_what_the_models_do_not_say_is_told(server: "Server") -> None:
    target = server.target(installed_services()["user"], f"pull_{secrets.token_hex(4)}")
    try:
        await orion_db.initialize(target, seeds=False)
        await execute(target.owner_url, UNUSUAL)
        found = await pull(target)
        assert found.left_over == ()
        assert {"extra table oddities", "extra view seen"} <= {str(entry) for entry in found.not_in_models}
        assert found.exit_code == Exit.FOUND
        assert "class Oddity(Table):" in found.text
        assert "# The models of user do not say: extra view seen" in found.text
    finally:
        await server.drop(target.database)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_a_whole_service_is_written_from_nothing_and_taken_away(platform: "Platform", service: str) -> None:
    server, full = platform.server, await orion_db.catalog_of(platform.targets[service])
    target = server.target(installed_services()[service], f"written_{secrets.token_hex(4)}")
    try:
        await orion_db.prepare(target)
        empty = await orion_db.catalog_of(target)
        for wanted in (full, empty):
            repair = repair_between(await orion_db.catalog_of(target), wanted)
            assert repair.by_hand == ()
            await execute(target.owner_url, script(repair, "there"))
            assert [str(entry) for entry in orion_db.compare(wanted, await orion_db.catalog_of(target))] == []
    finally:
        await server.drop(target.database)


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("service", ["auth", "notifications"])  # user needs btree_gist and pg_trgm
async def test_on_16_too_a_service_is_clean_and_is_put_right(pgserver_16: "Server", service: str) -> None:
    target = pgserver_16.target(installed_services()[service], f"on_16_{service}")
    await orion_db.initialize(target)
    assert (await drift(target)).differences == ()
    await execute(target.owner_url, "ALTER TABLE inbox DROP COLUMN type; DROP INDEX ix_outbox_position")
    found = await drift(target)
    assert [str(entry) for entry in found.differences] == [
        "missing column inbox.type",
        "missing index ix_outbox_position",
    ]
    await execute(target.owner_url, found.script)
    assert (await drift(target)).differences == ()
    assert (await pull(target)).left_over == ()


async def test_status_tells_of_each_database_though_one_is_missing(
    platform: "Platform", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, target in platform.targets.items():
        url = target.owner_url.replace(target.database, "nothing_here") if name == "notifications" else target.owner_url
        monkeypatch.setenv(target.service.url_variable, url)
        monkeypatch.delenv(target.service.owner_url_variable, raising=False)
    words = ["status", "all", "--no-drift", "--json"]
    ran = await asyncio.to_thread(CliRunner().invoke, commands, words)  # the command has an event loop of its own
    document = json.loads(ran.stdout)
    assert ran.exit_code == document["exit_code"] == Exit.UNREACHABLE
    assert {entry["service"]: entry["exit_code"] for entry in document["services"]} == {
        "auth": Exit.OK,
        "notifications": Exit.UNREACHABLE,
        "user": Exit.OK,
    }
    missing = next(entry for entry in document["services"] if entry["service"] == "notifications")
    assert missing["code"] == "database_missing"
