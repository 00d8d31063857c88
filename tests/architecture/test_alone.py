"""Fence 3: each service, alone in an empty environment with its own pins, imports all of itself and starts."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from orion_core.access_tokens import TYPE
from orion_core.local.ports import free_port
from orion_core.sealing import Keyring
from orion_core.secrets import new_secret
from orion_core.testing.plugin import MakeDatabase

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["auth", "user", "notifications"]


def _part(value: str) -> str:
    return urlsafe_b64encode(value.encode()).decode().rstrip("=")


HEADER = json.dumps({"alg": "ES256", "typ": TYPE, "kid": "k"})
WELL_FORMED = ".".join(map(_part, (HEADER, "{}", "signature")))
"""A token that only auth's keys could tell to be none of ours."""

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


def clean_environment() -> dict[str, str]:
    """This process's environment without what points to where we run."""
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def run(*command: str | Path, cwd: Path) -> str:
    """The command's output; its failure is the test's, with all that it said."""
    done = subprocess.run(
        list(command),
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} {command[1]} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def install(uv: str, python: Path, *what: str | Path) -> None:
    """Install from uv's cache alone, where everything was put when this environment was made; else from the index."""
    command = [uv, "pip", "install", "--quiet", "--python", python, *what]
    cached = subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)
    if cached.returncode != 0:
        run(*command, cwd=ROOT)


@pytest.fixture(scope="module", params=SERVICES)
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Alone":
    """An environment with one service in it, from its wheels and its pins."""
    service: str = request.param
    folder = tmp_path_factory.mktemp(service)
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    assert uv, "uv is missing; `make setup` installs it into .venv"
    for package in ["contracts", "core", service]:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT / "packages" / package)
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "alone", cwd=folder)
    python = folder / "alone" / "bin" / "python"
    install(uv, python, "--require-hashes", "-r", ROOT / "requirements" / f"{service}.txt")
    install(uv, python, "--no-deps", *sorted(folder.glob("*.whl")))
    return Alone(service, python, folder)


@dataclass(frozen=True)
class Alone:
    """One service, installed alone."""

    service: str
    python: Path
    folder: Path

    @contextmanager
    def serving(self, url: str) -> Generator[str]:
        """The service under Granian on a database, with nothing at the addresses of the others; yields its URL."""
        port = free_port()
        command = [str(self.python), "-m", "granian", f"orion_{self.service}.app:create_app", "--factory"]
        process = subprocess.Popen(
            [*command, "--interface", "asgi", "--port", str(port)],
            cwd=self.folder,
            env=clean_environment() | settings(self.service, url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            log, _ = process.communicate(timeout=30)
            print(log)


def settings(service: str, url: str) -> dict[str, str]:
    """The least that the service has to be told."""
    prefix = {"auth": "AUTH", "user": "USER", "notifications": "NOTIFICATION"}[service]
    return {
        f"{prefix}_DATABASE_URL": url,
        f"{prefix}_SEALING_KEYS": Keyring.new_key("test"),
        f"{prefix}_SERVICE_KEY": new_secret(),
        "EVENT_SEALING_KEYS": Keyring.new_key("test"),
        "USER_EVENT_SEALING_KEYS": Keyring.new_key("test"),
        "AUTH_URL": f"http://127.0.0.1:{free_port()}",
    }


async def answer(http: httpx.AsyncClient, path: str) -> httpx.Response:
    """What the service answers, once it does."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await http.get(path)
            except httpx.TransportError:
                await asyncio.sleep(0.1)


@pytest.mark.slow
def test_a_service_alone_imports_all_of_itself(alone: Alone) -> None:
    imported = run(alone.python, "-I", "-c", IMPORT_EVERYTHING, alone.service, cwd=alone.folder).split()
    sources = (ROOT / "packages" / alone.service / "src").glob("orion_*/*.py")
    assert {f"{path.parent.name}.{path.stem}" for path in sources if path.stem != "__init__"} <= set(imported)


@pytest.mark.slow
async def test_a_service_alone_answers_what_it_can_and_says_what_it_lacks(
    alone: Alone, make_database: MakeDatabase
) -> None:
    database = await make_database(alone.service)
    with alone.serving(database.url) as base:
        async with httpx.AsyncClient(base_url=base, timeout=10) as http:
            ready = await answer(http, "/readyz")
            assert ready.status_code == 200
            lacks = ready.json()["faults"].keys()
            if alone.service == "auth":
                assert lacks == {"user feed"}
                assert (await http.get("/auth/.well-known/jwks.json")).json()["keys"]
                return
            assert {"auth feed", "auth revocations"} <= lacks
            listing = {"user": "/user/v1/me", "notifications": "/notifications/v1/me/notifications"}[alone.service]
            assert (await http.get(listing)).status_code == 401
            refused = await http.get(listing, headers={"Authorization": f"Bearer {WELL_FORMED}"})
            assert (refused.status_code, refused.json()["code"]) == (503, "keys_unreachable")
            assert "Retry-After" in refused.headers
