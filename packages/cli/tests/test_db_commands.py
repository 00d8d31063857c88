"""What all verbs of `orion db` have in common, however they end: one document, a documented code, no secret."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from orion_cli.db import commands, observe
from orion_core.service import installed_services

PASSWORD = "s3cr3t-of-the-night"

VERBS = (
    *("backup", "backup verify", "deploy", "deploy --dry-run", "diff --from live", "doctor", "doctor --fix"),
    *("doctor --history", "drift", "init", "init --dry-run", "lint", "maintain", "mark", "migrate"),
    *("migrate --name nothing --dry-run", "plan", "prune", "pull", "rebase", "reset", "resolve --applied 0001"),
    *("restore --into elsewhere", "rollback --steps 1", "seed", "seed --dry-run", "seed demo --dry-run", "size"),
    *("stats", "status", "test", "top"),
)
"""Each as somebody types it who wants to know, or change, something in a database."""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Result]:
    """Runs words in a directory of its own, with the URL of a server that is not there."""
    for service in installed_services().values():
        url = f"postgresql://keeper:{PASSWORD}@127.0.0.1:9/{service.database}"
        monkeypatch.setenv(service.url_variable, url)
        monkeypatch.delenv(service.owner_url_variable, raising=False)
    monkeypatch.setenv("ORION_BACKUP_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def ended(words: str) -> Result:
        return CliRunner().invoke(commands, words.split())

    return ended


@pytest.mark.parametrize("verb", VERBS)
def test_a_failure_is_one_document_and_its_code(verb: str, typed: Callable[[str], Result]) -> None:
    ended = typed(f"{verb} auth --json")
    document = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert ended.exit_code == document["exit_code"] == (8 if "verify" in verb or "restore" in verb else 4)
    assert document["action"] == " ".join(word for word in verb.split(" -", maxsplit=1)[0].split() if word != "demo")
    told = document["problem"] or document["services"][0]
    assert told["code"] in ("no_server", "no_backup")
    assert told["todo"]
    assert PASSWORD not in ended.stdout


@pytest.mark.parametrize("verb", ["status", "deploy", "backup"])
def test_a_failure_in_words_has_no_password_and_no_traceback(verb: str, typed: Callable[[str], Result]) -> None:
    ended = typed(f"{verb} auth")
    assert ended.exit_code == 4
    assert "nothing listens there" in ended.output
    assert PASSWORD not in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("status --bogus", "wrong_usage"),
        ("frobnicate", "wrong_usage"),
        ("deploy --wait soon", "wrong_usage"),
        ("backup verify --jobs 0", "wrong_usage"),
        ("status nobody", "unknown_service"),
        ("rollback auth", "name_missing"),
        ("resolve auth --applied 0001 --rolled-back 0001", "name_missing"),
        ("doctor --dry-run", "fix_missing"),
        ("seed reference development", "two_profiles"),
    ],
)
def test_wrong_use_is_3_and_with_json_a_document_too(words: str, code: str, typed: Callable[[str], Result]) -> None:
    ended = typed(f"{words} --json")
    assert (ended.exit_code, json.loads(ended.stdout)["problem"]["code"], ended.stderr) == (3, code, "")
    ended = typed(words)
    assert (ended.exit_code, ended.stdout) == (3, "")


def test_an_error_of_our_own_is_told_without_a_traceback(
    typed: Callable[[str], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(observe, "sizes", broken)
    ended = typed("size auth --json")
    problem = json.loads(ended.stdout)["problem"]
    assert (ended.exit_code, problem["code"], "KeyError in test_db_commands.py" in problem["why"]) == (
        8,
        "internal_error",
        True,
    )


def test_an_unreadable_env_file_is_named(typed: Callable[[str], Result], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"AUTH_DATABASE_URL=\xff\xfe\n")
    ended = typed("status auth --json")
    assert (ended.exit_code, json.loads(ended.stdout)["problem"]["code"]) == (3, "env_unreadable")


def test_every_verb_explains_itself_with_its_exit_codes(typed: Callable[[str], Result]) -> None:
    for words in _paths(typer.main.get_command(commands)):
        told = " ".join(typed(f"{words} --help").stdout.split())
        assert "8 failed, 130 interrupted" in told, words
        assert "--json" in told, words


def test_the_script_passes_every_verb_on() -> None:
    script = (Path(__file__).parents[3] / "scripts" / "db-migrate.sh").read_text(encoding="utf-8")
    verbs = {words.split()[0] for words in _paths(typer.main.get_command(commands))}
    passed = next(line for line in script.splitlines() if line.strip().startswith("init |"))
    assert {word.strip(" )") for word in passed.split(";")[0].split("|")} == verbs


@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, ""), (signal.SIGTERM, "--json")])
def test_a_signal_ends_it_in_order(number: signal.Signals, words: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # connecting to it takes its ten seconds
        url = f"postgresql://keeper:{PASSWORD}@127.0.0.1:{mute.getsockname()[1]}/orion_auth"
        program = [sys.executable, "-m", "orion_cli", "db", "size", "auth", *words.split()]
        environment = {**os.environ, "AUTH_DATABASE_URL": url, "AUTH_DATABASE_OWNER_URL": ""}
        with subprocess.Popen(
            program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            mute.settimeout(20)
            with mute.accept()[0]:
                process.send_signal(number)
                out, err = process.communicate(timeout=8)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert (json.loads(out)["problem"]["what"] if words else err).count(
        "`orion db size` was stopped before its end"
    ) == 1


def _paths(command: Any, above: str = "") -> list[str]:
    """All verbs below a group, as they are typed."""
    found: list[str] = []
    for name, below in command.commands.items():
        path = f"{above} {name}".strip()
        found += _paths(below, path) if hasattr(below, "commands") else [path]
    return found
