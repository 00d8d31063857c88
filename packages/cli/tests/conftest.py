"""A small service of our own, installed for the processes that a test starts: the real ones have tests of their own."""

import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

# As real services do, it imports nothing of the web before an application or a worker is made.
STUB = """
import os
from pathlib import Path
from sqlalchemy import MetaData
from orion_core.seeds import SeedReport
from orion_core.service import Service

async def seed(connection, profile, *arguments):
    return SeedReport()

def create_app():
    from orion_core import metrics

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["path"] == "/exit":
            os._exit(9)
        if scope["path"] == "/count":
            metrics.EVENTS_APPLIED.labels("stub").inc()
        body = f"{os.getpid()} {os.getppid()}".encode()
        if scope["path"] == "/metrics":
            body = metrics.exposition()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
    return app

async def work(stop, host, port):
    from orion_core.http.embedded import serving

    print("working", flush=True)
    async with serving(create_app(), host, port):
        await stop.wait()
    print("worked", flush=True)

async def fail(stop, host, port):
    raise RuntimeError("no work today")

service = Service(
    name="stub", title="Stub", database="orion_stub", url_variable="STUB_DATABASE_URL", port=7191,
    metadata=MetaData(), migrations=Path(__file__).parent / "migrations", seed=seed, package=Path(__file__).parent,
    application="orion_stub:create_app", settings="orion_core.settings:Settings", worker="orion_stub:work",
)
failing = Service(**{**vars(service), "name": "failing", "worker": "orion_stub:fail"})
"""

ENTRY_POINTS = "[orion.services]\nstub = orion_stub:service\nfailing = orion_stub:failing\n"


@pytest.fixture
def tmp_path() -> Generator[Path]:
    """A folder outside pytest's own: each further pytest of root closes that one to PostgreSQL, which is not root."""
    with tempfile.TemporaryDirectory(prefix="orion-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def stub_environment(tmp_path: Path) -> dict[str, str]:
    """Environment in which the services `stub` and `failing` are installed."""
    site = tmp_path / "site"
    described = site / "orion_stub-1.0.dist-info"
    described.mkdir(parents=True)
    (site / "migrations").mkdir()
    (site / "orion_stub.py").write_text(STUB)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: orion-stub\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.environ | {"PYTHONPATH": str(site)}


@pytest.fixture
def orion() -> list[str]:
    """The command, as the supervisor calls it."""
    return [sys.executable, "-u", "-m", "orion_cli"]
