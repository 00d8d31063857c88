"""A fence that stops nothing proves nothing: each contract of pyproject.toml refuses the import it is there for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

HOUSE = [
    "orion_auth.app",
    "orion_auth.sessions.routes",
    "orion_auth.sessions.actions",
    "orion_auth.sessions.store",
    "orion_auth.sessions.rules",
    "orion_auth.tokens.actions",
    "orion_user.app",
    "orion_notifications.app",
    "orion_db.engine",
    "orion_cli.main",
    "orion_contracts.events",
    "orion_core.clock",
    "orion_core.database",
    "orion_core.local.server",
    "orion_core.testing.plugin",
]

OFFENCES = {
    "distributions": [
        ("orion_auth.app", "orion_user.app"),
        ("orion_db.engine", "orion_user.app"),
        ("orion_core.clock", "orion_auth.app"),
        ("orion_contracts.events", "orion_core.clock"),
    ],
    "found-not-imported": [("orion_cli.main", "orion_auth.app")],
    "extras": [("orion_auth.app", "orion_core.testing.plugin"), ("orion_auth.app", "orion_core.local.server")],
    "slices": [
        ("orion_auth.sessions.store", "orion_auth.sessions.actions"),
        ("orion_auth.sessions.rules", "orion_auth.sessions.store"),
        ("orion_auth.sessions.actions", "orion_auth.sessions.routes"),
    ],
    "rules": [("orion_auth.sessions.rules", "sqlalchemy"), ("orion_auth.sessions.rules", "orion_core.database")],
    "rules-io": [("orion_auth.sessions.rules", "socket")],
    "routes": [
        ("orion_auth.sessions.routes", "sqlalchemy.ext.asyncio"),
        ("orion_auth.sessions.routes", "orion_auth.sessions.store"),
    ],
}


def build(tree: Path) -> None:
    for module in HOUSE:
        path = tree / (module.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in [path.parent, *path.parent.parents[: module.count(".") - 1]]:
            (folder / "__init__.py").touch()
        path.touch()
    (tree / "orion_core" / "database.py").write_text("import sqlalchemy\n")


def check(tree: Path, contract: str) -> subprocess.CompletedProcess[str]:
    run = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", run, "--no-logo", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        [*command, "--contract", contract],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("contract", "importer", "imported"),
    [(contract, *offence) for contract, offences in OFFENCES.items() for offence in offences],
)
def test_contract_refuses(contract: str, importer: str, imported: str, tmp_path: Path) -> None:
    build(tmp_path)
    kept = check(tmp_path, contract)
    assert kept.returncode == 0, kept.stdout + kept.stderr

    (tmp_path / (importer.replace(".", "/") + ".py")).write_text(f"import {imported}\n")
    broken = check(tmp_path, contract)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "BROKEN" in broken.stdout


def test_contract_refuses_circles(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "orion_auth/sessions/actions.py").write_text("import orion_auth.tokens.actions\n")
    assert check(tmp_path, "circles").returncode == 0
    (tmp_path / "orion_auth/tokens/actions.py").write_text("import orion_auth.sessions.actions\n")
    assert "BROKEN" in check(tmp_path, "circles").stdout
