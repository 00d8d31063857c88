"""What must not be guessed comes from the operating system's generator (`secrets`), and from nowhere else."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVED = [ROOT / "packages" / name / "src" for name in ("contracts", "core", "auth", "user", "notifications")]
GUESSABLE = ("random", "numpy.random", "uuid.uuid1")

PAUSES = {
    "packages/core/src/orion_core/background.py",
    "packages/core/src/orion_core/events/follow.py",
    "packages/core/src/orion_core/retention/task.py",
    "packages/core/src/orion_core/revocations.py",
    "packages/notifications/src/orion_notifications/delivery/outcomes.py",
    "packages/user/src/orion_user/erasures/purging.py",
}
"""Where it only says how long to wait, so that many do not try again at the same moment."""

SHARES = {"packages/notifications/src/orion_notifications/delivery/carriers.py"}
"""Where it says which of several providers is asked first."""

INVENTED = {
    "packages/core/src/orion_core/demo.py",
    *(f"packages/{name}/src/orion_{name}/seeds/demo.py" for name in ("auth", "user", "notifications")),
}
"""Where it invents people for a database to try things on: the same ones each time, from a number."""


def test_nothing_that_is_served_uses_a_generator_that_can_be_guessed() -> None:
    found = {
        str(path.relative_to(ROOT))
        for folder in SERVED
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported(node)
        if name.startswith(GUESSABLE)
    }
    assert found == PAUSES | SHARES | INVENTED


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names):
            return [f"{module}.{alias.name}" for alias in names]
        case _:
            return []
