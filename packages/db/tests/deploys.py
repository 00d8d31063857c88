"""Deploys of the shop in processes of their own, which can be killed, and moments of theirs that can be waited for."""

import asyncio
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packages.db.tests.conftest import Shop


async def start(shop: "Shop", call: str = "orion_db.deploy(target)") -> asyncio.subprocess.Process:
    """A process that does the call, and prints how many revisions it has applied or taken back."""
    program = textwrap.dedent(f"""
        import asyncio, pathlib, orion_db
        from sqlalchemy import MetaData
        from orion_core.service import Service
        folder = pathlib.Path({str(shop.folder)!r})
        service = Service(name="shop", title="", database="orion_shop", url_variable="SHOP_DATABASE_URL", port=7199,
            metadata=MetaData(), migrations=folder, seed=None, package=folder, application="", settings="")
        target = orion_db.Target(service, {shop.url()!r}, {shop.url()!r})
        done = asyncio.run({call})
        print(len(getattr(done, "applied", ()) or getattr(done, "reverted", ())))
    """)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=pipe, stderr=pipe, env=dict(os.environ)
    )


async def until(shop: "Shop", condition: str) -> None:
    """Until the query finds a row, as the server's superuser."""
    for _ in range(200):
        if await shop.run(condition):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"It never came to: {condition}")


async def kill_when(shop: "Shop", condition: str, call: str = "orion_db.deploy(target)") -> None:
    """Start the call in a process, and SIGKILL it at the moment that the query finds."""
    process = await start(shop, call)
    await until(shop, condition)
    process.send_signal(signal.SIGKILL)
    await process.wait()


def running(statement: str) -> str:
    """The condition that a session of this database runs a statement that begins so."""
    return f"""
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query LIKE '{statement}%'"""
