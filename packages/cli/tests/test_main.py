"""The command line itself."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from orion_cli.main import COMMANDS
from orion_cli.operators import operators
from orion_core.imports import load

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"(?:`|bin/|^ *)orion ([a-z][a-z-]+)", re.MULTILINE)


def run(orion: list[str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*orion, *words], capture_output=True, text=True, check=False)


def test_it_says_its_version(orion: list[str]) -> None:
    assert run(orion, "--version").stdout == "orion 0.1.0\n"


def test_help_names_every_command(orion: list[str]) -> None:
    for words in ((), ("--help",), ("nonsense",)):
        done = run(orion, *words)
        assert all(name in done.stdout for name in COMMANDS) or words == ("nonsense",)
    assert done.returncode == 2
    assert "No such command" in done.stderr


@pytest.mark.parametrize("words", [("db", "nonsense"), ("db", "--nonsense"), ("db", "status", "--nonsense")])
def test_wrong_use_of_db_is_no_drift(orion: list[str], words: tuple[str, ...]) -> None:
    """`orion db status` ends with 2 when a schema has drifted; a script must be able to tell its own typing error."""
    done = run(orion, *words)
    assert done.returncode == 3
    assert "nonsense" in done.stderr


@pytest.mark.parametrize(
    ("line", "offered"), [("orion a", {"api", "auth", "audit"}), ("orion db st", {"status", "stats", "studio"})]
)
def test_a_shell_completes_words_of_the_command_that_is_typed(orion: list[str], line: str, offered: set[str]) -> None:
    asked = {"_ORION_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [str(Path(orion[0]).with_name("orion"))], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == offered


def test_a_service_has_commands_of_its_own(orion: list[str]) -> None:
    done = run(orion, "auth", "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("unlock", "end-sessions", "import", "prune"))
    assert " auth " in run(orion, "--help").stdout
    assert "No such command" in run(orion, "notifications", "nonsense").stderr


def test_a_part_of_a_service_that_is_spoken_of_by_itself_has_commands(orion: list[str]) -> None:
    done = run(orion, "audit", "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("verify", "head", "export", "rotate-key"))


def test_every_command_that_the_documentation_names_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in NAMED.findall(page.read_text())}
    assert "audit" in named
    assert named <= {*COMMANDS, *operators()}


@pytest.mark.parametrize("word", ["up", "serve", "worker", "api"])
def test_a_command_is_listed_as_it_speaks_of_itself(word: str) -> None:
    assert load(COMMANDS[word].where).__doc__.startswith(COMMANDS[word].summary)
