"""What git knows of a folder of migrations: which came to the main branch, and in what order."""

import subprocess
from pathlib import Path

_MAIN = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def order_in_main(folder: Path) -> dict[str, int] | None:
    """When each migration came to the main branch, as a number that grows; None without git or a main branch.

    The main branch is the remote's where there is one. Its first parents are followed, so that what came by a merge
    counts from the merge. What is not committed there is not in it.
    """
    main = next(
        (name for name in _MAIN if _git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")), None
    )
    if main is None:
        return None
    there = _git(folder, "ls-tree", "--name-only", main, "./") or ""
    stems = {Path(line).stem for line in there.splitlines() if line.endswith(".py")}
    words = ("log", "--first-parent", "-m", "--no-renames", "--diff-filter=A", "--name-only", "--format=%x00")
    log = _git(folder, *words, main, "--", ".")
    commits = (log or "").split("\0")[1:][::-1]
    came = {Path(line).stem: place for place, commit in enumerate(commits) for line in commit.split("\n") if line}
    return {stem: came.get(stem, 0) for stem in stems}


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None when it is not there, or says no."""
    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
