"""Fence 3: each service, installed alone in an empty environment from its own pins, imports all of itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Left out: extras of core that a service does not ask for, and migrations, which `orion db` runs.
IMPORT_EVERYTHING = """
import importlib, importlib.metadata, pkgutil, sys

service = sys.argv[1]
left_out = ("orion_core.local", "orion_core.testing", f"orion_{service}.migrations")
installed = {name for found in importlib.metadata.distributions() if (name := found.name).startswith("orion-")}
assert installed == {"orion-contracts", "orion-core", f"orion-{service}"}, installed

def import_all(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name not in left_out:
            imported = importlib.import_module(module.name)
            if module.ispkg:
                import_all(imported)

for name in sorted(installed):
    import_all(importlib.import_module(name.replace("-", "_")))
print(*sys.modules)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The command's output; its failure is the test's, with all that it said."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        list(command), cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} {command[1]} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def install(uv: str, python: Path, *what: str | Path) -> None:
    """Install from uv's cache alone, where everything was put when this environment was made; else from the index."""
    command = [uv, "pip", "install", "--quiet", "--python", python, *what]
    cached = subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)
    if cached.returncode != 0:
        run(*command, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["auth", "user", "notifications"])
def test_a_service_alone_imports_all_of_itself(service: str, tmp_path: Path) -> None:
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    assert uv, "uv is missing; `make setup` installs it into .venv"
    for package in ["contracts", "core", service]:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT / "packages" / package)

    run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "alone", cwd=tmp_path)
    python = tmp_path / "alone" / "bin" / "python"
    install(uv, python, "--require-hashes", "-r", ROOT / "requirements" / f"{service}.txt")
    install(uv, python, "--no-deps", *sorted(tmp_path.glob("*.whl")))

    imported = run(python, "-I", "-c", IMPORT_EVERYTHING, service, cwd=tmp_path).split()
    sources = (ROOT / "packages" / service / "src").glob("orion_*/*.py")
    assert {f"{path.parent.name}.{path.stem}" for path in sources if path.stem != "__init__"} <= set(imported)
