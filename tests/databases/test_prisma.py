"""The generated files: as the models say, accepted by Prisma's own validator, and true to the database."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.service import installed_services
from orion_db.documents.generate import documents, generate
from orion_db.history import KEPT

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

SERVICES = sorted(installed_services())
VALIDATOR = Path(__file__).parent / "prisma"
MODULE = VALIDATOR / "node_modules" / "@prisma" / "prisma-schema-wasm"


def validated(schema: Path) -> dict[str, Any]:
    """What Prisma understands of the schema. It exits with an error for one that it does not accept."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Prisma's validator needs node, which is not installed.")
    if not MODULE.is_dir():
        pytest.skip(f"Prisma's validator is not installed: npm install --prefix {VALIDATOR} --no-package-lock")
    command = [node, str(VALIDATOR / "validate.cjs"), str(schema)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=VALIDATOR)
    assert done.returncode == 0, done.stderr
    understood: dict[str, Any] = json.loads(done.stdout)["datamodel"]
    return understood


@pytest.mark.parametrize("service", SERVICES)
def test_the_committed_files_are_not_stale(service: str) -> None:
    assert generate(installed_services()[service], check=True).changed == ()


@pytest.mark.parametrize("service", SERVICES)
def test_a_stale_file_is_found(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = next(iter(documents(installed_services()[service])))
    read = Path.read_bytes

    def spoilt(path: Path) -> bytes:
        return read(path) + b"x" if path == stale else read(path)

    monkeypatch.setattr(Path, "read_bytes", spoilt)
    assert generate(installed_services()[service], check=True).changed == (stale,)


@pytest.mark.parametrize("service", SERVICES)
async def test_prisma_accepts_the_schema_and_sees_the_same_database(platform: "Platform", service: str) -> None:
    understood = validated(installed_services()[service].package / "prisma" / "schema.prisma")
    columns = await platform.read(
        service,
        """SELECT c.relname AS table, a.attname AS column, a.attnotnull OR a.attndims > 0 AS required
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
          AND attnum > 0 AND NOT attisdropped""",
    )
    there = {(row["table"], row["column"]): row["required"] for row in columns if row["table"] not in KEPT}
    said = {
        (model["dbName"], field.get("dbName") or field["name"]): field["isRequired"]
        for model in understood["models"]
        for field in model["fields"]
        if field["kind"] != "object"
    }
    unsupported = {key for key in there if key not in said}
    assert said.keys() <= there.keys()
    assert len(unsupported) <= 2, unsupported
    assert {key: value for key, value in there.items() if key in said} == said


@pytest.mark.parametrize("service", SERVICES)
async def test_prisma_sees_the_same_enums(platform: "Platform", service: str) -> None:
    understood = validated(installed_services()[service].package / "prisma" / "schema.prisma")
    rows = await platform.read(
        service,
        """SELECT typname::text, array_agg(enumlabel::text ORDER BY enumsortorder)
        FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY 1""",
    )
    said = {enum["dbName"]: [value["name"] for value in enum["values"]] for enum in understood["enums"]}
    assert said == {row[0]: row[1] for row in rows}
