"""docs/database.md took the place of the first document: it has all its headings, and every command on it is run."""

import asyncio
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.databases.conftest import Server
from typer.testing import CliRunner

from orion_cli.main import build
from orion_core.service import installed_services
from orion_db import initialize

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "database.md").read_text(encoding="utf-8")

HEADINGS = """
# Orion Microservices - Database Documentation
## Table of Contents
## Overview
### Services and Databases
## Database Architecture
### Notification Service Schema
### User Service Schema
### Auth Service Schema
## Setup and Migration
### Environment Variables
### Initial Setup
### Migration Commands
### Manual Migration Workflow
## Seed Data
### Notification Service Seeds
### User Service Seeds
### Auth Service Seeds
### Running Seeds
## Best Practices
### Schema Design
### Indexing Strategy
### Migration Best Practices
### Performance Optimization
## Troubleshooting
### Common Issues
#### Migration Conflicts
#### Connection Issues
#### Schema Drift
#### Performance Issues
### Database Maintenance
## Additional Resources
## Support
"""

DONE = {0, 1}
"""Done, or done and something was found."""


def blocks() -> list[tuple[str, list[str]]]:
    """Heading and commands of each block."""
    heading, found = "", list[tuple[str, list[str]]]()
    for match in re.finditer(r"^#+ ([^\n]+)$|^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            lines = [line for line in match[2].splitlines() if line and not line.startswith("#")]
            found.append((heading, lines))
    return found


def rows() -> list[str]:
    """Commands of the table's right column, each once."""
    found = re.findall(r"^\| .+ \| `((?:orion|\./scripts).+)` \|$", PAGE, re.MULTILINE)
    return list(dict.fromkeys(found))


class Reader:
    """Somebody who types what the page says, beginning in the root of the repository."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.goes_to(ROOT)

    def goes_to(self, directory: Path) -> None:
        self._directory = directory
        self._monkeypatch.chdir(directory)

    def types(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] == "cd":
            self.goes_to(self._directory / words[1])
            return
        code, output = self._orion(words[1:]) if words[0] == "orion" else self._shell(line)
        assert code in DONE, f"{line}\nended with {code}:\n{output}"
        assert "Traceback" not in output

    def _orion(self, words: list[str]) -> tuple[int, str]:
        done = CliRunner().invoke(build(words[0]), words)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    def _shell(self, line: str) -> tuple[int, str]:
        done = subprocess.run(["bash", "-euc", line], cwd=self._directory, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def seeded(postgres_admin_url: str) -> Generator[dict[str, str]]:
    """Three migrated and seeded databases: the variables that name them."""
    server = Server(18, postgres_admin_url)
    suffix = secrets.token_hex(4)
    targets = [server.target(service, f"{service.database}_{suffix}") for service in installed_services().values()]
    for target in targets:
        asyncio.run(initialize(target))
    yield {target.service.url_variable: target.owner_url for target in targets}
    for target in targets:
        asyncio.run(server.drop(target.database))


@pytest.fixture
def reader(seeded: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Reader]:
    for name in [name for name in os.environ if "DATABASE" in name or name == "ORION_ENV"]:
        monkeypatch.delenv(name)
    for name, value in seeded.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ORION_BACKUP_DIRECTORY", str(tmp_path / "backups"))
    monkeypatch.setenv("PATH", f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    before = _tracked()
    yield Reader(monkeypatch)
    assert _tracked() == before, "a command of the page changed the source tree"


def _tracked() -> dict[Path, bytes]:
    """Migrations and generated documents: nothing on the page has anything to write there."""
    found = [
        *ROOT.glob("packages/*/src/*/migrations/*.py"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("packages/*/prisma/*"),
    ]
    return {file: file.read_bytes() for file in found if file.is_file()}


def test_every_heading_of_the_first_document_is_there() -> None:
    titles = [line.lstrip("#").strip() for line in PAGE.splitlines() if line.startswith("#")]
    wanted = [line.lstrip("#").strip() for line in HEADINGS.strip().splitlines()]
    assert [title for title in titles if title in wanted] == wanted


@pytest.mark.slow
@pytest.mark.parametrize(("heading", "lines"), blocks(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_commands_below_each_heading_work(heading: str, lines: list[str], reader: Reader) -> None:
    assert lines, heading
    for line in lines:
        reader.types(line)


@pytest.mark.slow
def test_every_line_of_the_first_document_has_a_command_that_works(reader: Reader) -> None:
    below = {line for _, lines in blocks() for line in lines}
    for line in rows():
        if line not in below:
            reader.types(line)
