"""How long it takes to bring over a million users, with auth and notifications running beside, and what a kill loses.

    python bench/import_users.py [--users 1000000] [--kill 20]

A throw-away `orion up`, and `orion user import` with an NDJSON file. With `--kill N` that process is killed by SIGKILL
every N seconds and begun again, until it comes to its end. Afterwards all is counted:
identities, profiles, preferences, roles, the lines of the report. Prints one JSON object; ends with 1 when something is
missing or there twice.

On 2 busy cores it took 19.9 s for 100,000 users, 5,023 a second (processor seconds: PostgreSQL 13.2, the import 7.1,
auth 4.8, user 1.5, notifications 1.5), with notifications 0.4 s behind and nothing missing.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil
from dotenv import dotenv_values

from orion_core.clock import system_clock
from orion_core.database import Database
from orion_core.exits import Exit
from orion_core.service import service_role
from orion_user.imports import actions
from orion_user.imports.rules import ImportFormat
from orion_user.imports.running import Runner
from orion_user.imports.shapes import ImportShape
from orion_user.other_services import OtherServices
from orion_user.settings import UserSettings

BAD_EVERY = 1000
"""Every so many lines one is no address, and one was there before."""


def write(file: Path, users: int) -> None:
    """A file of that many lines."""
    with file.open("w") as out:
        for n in range(1, users + 1):
            user: dict[str, Any] = {"email": f"user{n}@example.com", "email_verified": n % 10 != 0, "username": f"u{n}"}
            user |= {"name": f"User Number {n}", "locale": "de", "timezone": "Europe/Berlin", "location": "Vienna"}
            user |= {"metadata": {"legacy_id": n}, "bio": "Came over from the other system."}
            if n % BAD_EVERY == 1:
                user["email"] = "nowhere"
            elif n % BAD_EVERY == 2 and n > BAD_EVERY:
                user["email"] = f"user{n - BAD_EVERY + 1}@example.com"
            out.write(json.dumps(user) + "\n")


@asynccontextmanager
async def runner() -> AsyncGenerator[Runner]:
    """What brings them over, for the Orion that the environment names."""
    settings = UserSettings.load()
    key = settings.service_key.get_secret_value()
    role = service_role("user")
    database = Database.connect(settings.database_url, role=role, application="orion user import", pool_size=4)
    async with httpx.AsyncClient() as http:
        others = OtherServices(http, settings.auth_url, settings.notifications_url, key, system_clock)
        yield Runner(database, others, system_clock, "bench", lambda _: None)
    await database.close()


async def begin(file: Path) -> UUID:
    """Begin the import."""
    async with runner() as running:
        with file.open("rb") as opened:
            return await running.begin(opened, ImportFormat.NDJSON)


async def read(import_id: UUID) -> ImportShape:
    """How the import stands."""
    async with runner() as running, running.database.autocommit() as connection:
        return await actions.read(connection, import_id)


@contextmanager
def platform() -> Generator[tuple[dict[str, str], dict[str, int]]]:
    """Everything, in a folder that is thrown away; gives the environment of its services, and their processes."""
    with TemporaryDirectory(prefix="orion-bench-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "orion_cli", "up", "--json", "--directory", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
            assert up.stdout is not None
            try:
                summary = json.loads(up.stdout.readline())
                state = json.loads(Path(summary["state_file"]).read_text())
                names = {"auth": "AUTH_URL", "user": "USER_URL", "notifications": "NOTIFICATION_URL"}
                urls = {variable: state["urls"][name] for name, variable in names.items()}
                secrets = dotenv_values(Path(summary["state_file"]).parent / "secrets.env")
                found = {**secrets, **state["environment"], **urls}
                yield {name: value for name, value in found.items() if value}, state["pids"]
            finally:
                up.send_signal(signal.SIGINT)


def processor_seconds(pids: dict[str, int]) -> dict[str, float]:
    """Processor time of each service, and of what has ended of ours, so far."""
    taken = {"import": sum(os.times()[2:4])}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        taken[name] = 0.0
        for part in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = part.cpu_times()
                taken[name] += times.user + times.system + times.children_user + times.children_system
    return taken


def until_done(file: Path, import_id: UUID, environment: dict[str, str], kill: float) -> tuple[float, int]:
    """Seconds, and how often it was killed."""
    began, kills, quiet = time.perf_counter(), 0, subprocess.DEVNULL
    command = [sys.executable, "-m", "orion_cli", "user", "import", str(file), "--resume", str(import_id)]
    while True:
        with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment, cwd="/") as process:
            try:
                process.wait(timeout=kill or None)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                continue
        if process.returncode not in {Exit.OK, Exit.FOUND}:
            raise SystemExit(f"the import ended with {process.returncode}")
        return time.perf_counter() - began, kills


COUNTS = {
    "AUTH_DATABASE_OWNER_URL": {"identities": "SELECT count(*) FROM identities WHERE email LIKE 'user%@example.com'"},
    "USER_DATABASE_OWNER_URL": {
        "profiles": "SELECT count(*) FROM users WHERE email LIKE 'user%@example.com'",
        "with_place": "SELECT count(*) FROM users WHERE location = 'Vienna'",
        "preferences": "SELECT count(*) FROM user_preferences JOIN users ON users.id = user_id WHERE bio <> ''",
        "roles": "SELECT count(*) FROM user_roles WHERE reason = 'import'",
        "lines": "SELECT sum(jsonb_array_length(report)) FROM user_import_chunks",
    },
    "NOTIFICATION_DATABASE_OWNER_URL": {
        "contacts": "SELECT count(*) FROM user_preferences WHERE email LIKE 'user%@example.com'"
    },
}


async def counted(environment: dict[str, str]) -> dict[str, int]:
    """What there is now."""
    found: dict[str, int] = {}
    for variable, queries in COUNTS.items():
        connection = await asyncpg.connect(environment[variable])
        for name, query in queries.items():
            found[name] = await connection.fetchval(query)
        await connection.close()
    return found


async def caught_up(environment: dict[str, str], expected: int) -> float:
    """Seconds until notifications knows everybody too."""
    began = time.perf_counter()
    while (await counted(environment))["contacts"] < expected and time.perf_counter() - began < 600:  # noqa: ASYNC110 - the database says it
        await asyncio.sleep(1)
    return time.perf_counter() - began


def main(users: int, kill: float) -> bool:
    """Bring them over, and count."""
    with TemporaryDirectory(prefix="orion-bench-file-") as folder, platform() as (orion, pids):
        file, environment = Path(folder) / "users.ndjson", {**os.environ, **orion}
        write(file, users)
        os.environ.update(orion)
        import_id = asyncio.run(begin(file))
        before = processor_seconds(pids)
        seconds, kills = until_done(file, import_id, environment, kill)
        done = asyncio.run(read(import_id)).model_dump(mode="json")
        spent = {name: round(after - before[name], 1) for name, after in processor_seconds(pids).items()}
        behind = asyncio.run(caught_up(environment, done["created"]))
        found = asyncio.run(counted(environment))
    created = users - len(range(1, users + 1, BAD_EVERY)) - len(range(BAD_EVERY + 2, users + 1, BAD_EVERY))
    expected = dict.fromkeys(found, created) | {"lines": users}
    is_right = found == expected and done["created"] + done["existing"] + done["refused"] == users
    figures = {"users": users, "seconds": round(seconds, 1), "per_second": round(users / seconds), "kills": kills}
    print(
        json.dumps(
            figures
            | {"processor_seconds": spent}
            | {"notifications_behind_seconds": round(behind, 1), "import": done, "found": found}
        )
    )
    return is_right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--kill", type=float, default=0, metavar="SECONDS")
    arguments = parser.parse_args()
    raise SystemExit(0 if main(arguments.users, arguments.kill) else 1)
