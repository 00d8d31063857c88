"""The schema that migrations build is the schema of the models, on the way up, down, and up again."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_core.service import installed_services
from orion_db.authoring.draft import draft
from orion_db.authoring.migrate import migrate
from orion_db.deployment.deploy import deploy
from orion_db.deployment.rollback import rollback
from orion_db.drift.status import status
from orion_db.initialize import prepare
from orion_db.revisions import read_revisions

if TYPE_CHECKING:
    from tests.databases.conftest import Platform, Server

SERVICES = sorted(installed_services())


@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_build_what_the_models_say(platform: "Platform", service: str) -> None:
    target = platform.targets[service]
    models, migrations = await orion_db.catalog_of_models(target), await orion_db.catalog_of(target)
    assert [str(difference) for difference in orion_db.compare(models, migrations)] == []
    assert len(models) > 100, "an empty catalog equals an empty catalog"


@pytest.mark.parametrize("service", SERVICES)
async def test_up_down_and_up_again(server: "Server", service: str) -> None:
    target = server.target(installed_services()[service], f"updown_{service}_{server.version}")
    await server.drop(target.database)
    try:
        await prepare(target)
        empty = await orion_db.catalog_of(target)
        await deploy(target)
        full = await orion_db.catalog_of(target)
        names = [revision.name for revision in read_revisions(target.service.migrations)]
        assert [name for name, _ in (await rollback(target, discard_rows=True)).reverted] == names[::-1]
        assert orion_db.compare(empty, await orion_db.catalog_of(target)) == []
        await deploy(target)
        assert orion_db.compare(full, await orion_db.catalog_of(target)) == []
    finally:
        await server.drop(target.database)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_fresh_database_is_clean(platform: "Platform", service: str) -> None:
    found = await status(platform.targets[service])
    assert (found.exit_code, found.drift, found.pending) == (orion_db.Exit.OK, (), ())


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_are_frozen_history(service: str) -> None:
    """What they import must mean the same for ever, so they import nothing of ours."""
    for revision in read_revisions(installed_services()[service].migrations):
        tree = ast.parse(revision.file.read_text(encoding="utf-8"))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {module for module in modules if module.startswith("orion_")}, revision.name
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {"upgrade", "downgrade"} <= functions, revision.name
        assert ast.get_docstring(tree), f"{revision.name} does not say what it is for"


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_the_tool_would_write_the_whole_schema_by_itself(server: "Server", service: str, tmp_path: Path) -> None:
    """The hardest case of `migrate --name`: from nothing to everything that the service has, and back."""
    alone = replace(installed_services()[service], migrations=tmp_path)
    target = server.target(alone, f"authored_{service}_{server.version}")
    await server.drop(target.database)
    try:
        await prepare(target)
        empty = await orion_db.catalog_of(target)
        written = await migrate(target, name="everything")
        assert (written.left_over, written.irreversible) == ((), ())
        assert orion_db.compare(await orion_db.catalog_of_models(target), await orion_db.catalog_of(target)) == []
        await rollback(target, discard_rows=True)
        assert orion_db.compare(empty, await orion_db.catalog_of(target)) == []
    finally:
        await server.drop(target.database)


@pytest.mark.parametrize("service", SERVICES)
async def test_there_is_no_migration_to_write(platform: "Platform", service: str) -> None:
    target = platform.targets[service]
    assert await draft(target, read_revisions(target.service.migrations)) is None
