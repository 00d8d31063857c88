"""The seed document's commands, word for word, from any directory, against an external server."""

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orion_core.service import installed_services

if TYPE_CHECKING:
    from tests.databases.conftest import Server

SCRIPT = Path(__file__).parents[2] / "scripts" / "db-migrate.sh"


class Operator:
    """Somebody who types the commands in a directory of his own, with the three URLs in its `.env`."""

    def __init__(self, directory: Path, variables: dict[str, str]) -> None:
        self.directory = directory
        lines = [f'{name}="{value}"' for name, value in variables.items()]
        (directory / ".env").write_text("\n".join(lines), encoding="utf-8")

    def types(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if "DATABASE" not in name and name != "ORION_ENV"}
        return subprocess.run(
            [str(SCRIPT), *words],
            cwd=self.directory,
            env=kept | environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def reads(self, *words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.types(*words, "--json").stdout)
        return document


@pytest.fixture
def operator(debian_15: "Server", tmp_path: Path) -> Generator[Operator]:
    """One strong login in three URLs, as in the seed document; databases that do not exist yet."""
    if not (SCRIPT.parents[1] / ".venv" / "bin" / "orion").exists():
        pytest.skip("The script runs the command in .venv of the repository, which is not there.")
    suffix = secrets.token_hex(4)
    targets = [debian_15.target(service, f"{service.database}_{suffix}") for service in installed_services().values()]
    yield Operator(tmp_path, {target.service.url_variable: target.owner_url for target in targets})
    for target in targets:
        asyncio.run(debian_15.drop(target.database))


@pytest.mark.slow
def test_the_documents_commands(operator: Operator) -> None:
    first = operator.types("all", "init")
    assert first.returncode == 0, first.stderr
    again = operator.reads("all", "init")
    assert all(not service["database_made"] and not service["deployment"]["applied"] for service in again["services"])
    for service in ("notifications", "user", "auth"):
        assert operator.types(service, "init").returncode == 0
    for action in ("migrate", "deploy", "status", "seed"):
        done = operator.types("all", action)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert operator.types("notifications", "seed").returncode == 0
    assert operator.types("all", "generate", "--check").returncode == 0
    found = operator.reads("all", "status")
    assert [(service["service"], service["exit_code"]) for service in found["services"]] == [
        ("auth", 0),
        ("notifications", 0),
        ("user", 0),
    ]
    database = found["services"][0]["database"]
    assert operator.types("auth", "reset").returncode == 5
    assert operator.types("auth", "reset", "--yes-delete", database, ORION_ENV="production").returncode == 5
    assert operator.types("auth", "reset", "--yes-delete", database).returncode == 0
    assert operator.types("all", "migrate", ORION_ENV="production").returncode == 5


def test_wrong_words_and_missing_servers_have_their_exit_codes(operator: Operator) -> None:
    assert operator.types("everything", "init").returncode == 3
    assert operator.types("all", "explode").returncode == 3
    assert operator.types("all").returncode == 3
    assert operator.types("auth", "status", "--no-such-option").returncode == 3
    missing = operator.types("auth", "status")
    assert missing.returncode == 4
    assert "orion db init auth" in missing.stderr
    nowhere = operator.types("auth", "status", "--json", AUTH_DATABASE_URL="postgresql://me:hidden-word@127.0.0.1:1/x")
    assert nowhere.returncode == 4
    assert json.loads(nowhere.stdout)["problem"]["code"] == "no_server"
    assert "hidden-word" not in nowhere.stdout + nowhere.stderr
