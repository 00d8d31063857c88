"""What is committed holds for all who clone it: it names no registry's host and no folder of one machine."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not name what it looks for.
REGISTRY_HOST = re.compile(
    r"\b(?:(?:test\.)?pypi\.(?:org|io)|\w+\.pythonhosted\.org|registry\.(?:npmjs|yarnpkg)\.\w+|deb\.debian\.org)\b"
)
MACHINE_PATH = re.compile(r"(?<![\w.})~-])/(?:work|farm|root|Users)(?=/|\b(?![\w-]))")

LOCK_FILES = {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"}
"""They record the host each package came from."""


def tracked_files() -> list[Path]:
    """What git tracks, and what it would track next; in an unpacked archive, nothing."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_registry() -> None:
    assert lines_matching(REGISTRY_HOST) == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_no_lock_file_that_names_registries() -> None:
    assert [path for path in tracked_files() if path.name in LOCK_FILES] == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert REGISTRY_HOST.search("https://files.python" + "hosted.org/packages/x")
    assert MACHINE_PATH.search('open("/wo' + 'rk/main/x")')
    assert MACHINE_PATH.search("cd /ro" + "ot")
    assert not MACHINE_PATH.search("packages/user/work/x /workers {path}/work ./root/x /working-set")
