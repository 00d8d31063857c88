"""Taking a backup: pg_dump and our own count of every row, from one snapshot; under its name when it is whole."""

import asyncio
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.sealing import Keyring
from orion_db.backups.copying import told
from orion_db.backups.encryption import encrypt
from orion_db.backups.facts import count_rows, read_sizes, read_surroundings, snapshot, system_identifier
from orion_db.backups.files import PARTIAL, Held, describe, held, plain_folder, publish, sweep, write_durably
from orion_db.backups.manifest import FORMAT, Manifest, Migration, Rows, write_manifest
from orion_db.backups.programs import Program, connection_arguments, default_jobs, find_program, run_program
from orion_db.backups.vault import Vault, new_name
from orion_db.connections import owner_connection, server_version
from orion_db.errors import Exit, Problem
from orion_db.history import read_history
from orion_db.locks import WAIT_SECONDS, exclusive
from orion_db.progress import Progress, Step, silent
from orion_db.result import Result, shown
from orion_db.targets import Target

_COMPRESSION = 1
"""Level of zlib: files some 5 % larger than at the default 6, in less than half the time."""

_LOCK_WAIT = "60s"


@dataclass(frozen=True)
class BackedUp(Result):
    """A backup that was taken, or would be (`dry_run`)."""

    database: str
    name: str
    path: Path
    pg_dump: str
    encrypted: bool
    tables: int
    rows: int | None
    bytes: int
    """Of the files; in a dry run, of the tables on disk."""
    seconds: float
    dry_run: bool = False

    def in_words(self) -> list[str]:
        how = "encrypted" if self.encrypted else "not encrypted: no ORION_BACKUP_KEYS"
        if self.dry_run:
            return [
                f"would back up {self.database}: {self.tables} tables, {_size(self.bytes)} on disk, {how}",
                f"into {shown(self.path)}, with {self.pg_dump}",
            ]
        return [
            f"backed up {self.database}: {self.rows} rows of {self.tables} tables, {_size(self.bytes)}, {how}",
            f"into {shown(self.path)}, in {self.seconds:.1f} s",
            f"prove it: orion db backup verify {self.service}",
        ]


async def backup(
    target: Target,
    vault: Vault,
    *,
    jobs: int | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
    wait_seconds: float = WAIT_SECONDS,
) -> BackedUp:
    """Back the database up, while it is used. Holds the migration lock: pg_dump and DDL exclude each other anyway.

    Raises Problem `program_missing`, `locked`, `backup_failed`, `folder_unusable`, and those of connecting.
    """
    if dry_run:
        return await _foretell(target, vault)
    async with exclusive(target, "backup", progress, wait_seconds), snapshot(target, "backup") as (connection, name):
        version = await server_version(connection)
        program = find_program("pg_dump", version // 10000, target.service.name, vault.programs)
        taking = _Taking(target, vault, program, name, jobs or default_jobs(), progress)
        path, manifest = await taking.take(connection, version)
    done = BackedUp(
        target.service.name,
        target.database,
        manifest.name,
        path,
        manifest.pg_dump,
        manifest.key_id is not None,
        len(manifest.tables),
        manifest.rows,
        manifest.size,
        (manifest.finished_at - manifest.started_at).total_seconds(),
    )
    progress(Step(target.service.name, f"backed up {target.database}", "done"))
    return done


async def _foretell(target: Target, vault: Vault) -> BackedUp:
    async with owner_connection(target, "backup") as connection, connection.begin():
        sizes = await read_sizes(connection)
        version = await server_version(connection)
    program = find_program("pg_dump", version // 10000, target.service.name, vault.programs)
    where, size = vault.of(target.database), sum(sizes.values())
    return BackedUp(
        target.service.name,
        target.database,
        "",
        where,
        f"{program.path} ({program.major})",
        vault.keys is not None,
        len(sizes),
        None,
        size,
        0,
        dry_run=True,
    )


@dataclass(frozen=True)
class _Taking:
    target: Target
    vault: Vault
    program: Program
    snapshot: str
    jobs: int
    progress: Progress

    async def take(self, connection: AsyncConnection, version: int) -> tuple[Path, Manifest]:
        started = datetime.now(UTC)
        name = new_name(started, secrets.token_hex(4))
        folder = self.vault.of(self.target.database)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sweep(folder)
            with held(folder / f"{PARTIAL}{name}") as partial:
                rows = await self._write(connection, name, partial)
                manifest = await self._describe(connection, name, started, version, rows, partial)
                write_durably(partial.path / "manifest.json", write_manifest(manifest, self.vault.keys))
                publish(partial, folder / name)
        except OSError as error:
            raise Problem(
                "folder_unusable",
                Exit.FAILED,
                f"{self.target.service.name}: the backup could not be written to {folder}.",
                f"{error.strerror or error}.",
                "Nothing of it is left. Make room or set ORION_BACKUP_DIRECTORY to a folder that can be written to.",
            ) from None
        return folder / name, manifest

    async def _write(self, connection: AsyncConnection, name: str, partial: Held) -> tuple[Rows, ...]:
        """The dump's files. Where there is a key, pg_dump writes into a private folder under $TMPDIR instead."""
        dump = partial.path / "dump"
        with ExitStack() as stack:
            plain = stack.enter_context(plain_folder()) if self.vault.keys else partial
            rows = await self._dump(connection, plain.path / "dump", plain)
            if self.vault.keys:
                self._tell("encrypting")
                await asyncio.to_thread(_encrypt_all, plain.path / "dump", dump, self.vault.keys, name)
        return rows

    async def _dump(self, connection: AsyncConnection, goal: Path, folder: Held) -> tuple[Rows, ...]:
        """Run pg_dump, and count meanwhile what it should find."""
        where, environment = connection_arguments(self.target, self.target.database)
        words = [
            f"--dbname={where}", f"--role={self.target.service.owner_role}", "--format=directory", f"--file={goal}",
            f"--jobs={self.jobs}", f"--snapshot={self.snapshot}", f"--compress={_COMPRESSION}",
            f"--lock-wait-timeout={_LOCK_WAIT}", "--no-password", "--no-sync", "--no-subscriptions",
        ]  # fmt: skip
        sizes = await read_sizes(connection)
        purpose = f"backing up {self.target.database}"
        estimates = await _estimates(connection, sizes)
        async with told(self.target, purpose, estimates, self.progress):
            counting = asyncio.create_task(count_rows(connection))
            try:
                await self._run(words, environment, folder)
                return await counting
            finally:
                counting.cancel()
                await asyncio.gather(counting, return_exceptions=True)

    async def _run(self, words: list[str], environment: dict[str, str], folder: Held) -> None:
        code, said = await run_program(self.program, words, environment, inherit=(folder.descriptor,))
        if code:
            raise Problem(
                "backup_failed",
                Exit.FAILED,
                f"{self.target.service.name}: {self.program.path} ended with {code}; nothing is left of the backup.",
                " ".join(said[-4:]),
                "Correct what it says, and repeat.",
            )

    async def _describe(
        self,
        connection: AsyncConnection,
        name: str,
        started: datetime,
        version: int,
        rows: tuple[Rows, ...],
        partial: Held,
    ) -> Manifest:
        self._tell("computing checksums")
        files = await asyncio.to_thread(describe, partial.path / "dump")
        history = await read_history(connection)
        return Manifest(
            format=FORMAT,
            name=name,
            service=self.target.service.name,
            database=self.target.database,
            server=self.target.address(),
            system_identifier=await system_identifier(connection),
            server_version=version,
            pg_dump=self.program.version,
            started_at=started,
            finished_at=datetime.now(UTC),
            snapshot=self.snapshot,
            key_id=self.vault.keys.active_id if self.vault.keys else None,
            migrations=tuple(Migration(entry.name, entry.checksum) for entry in history),
            tables=rows,
            surroundings=await read_surroundings(connection, self.target, self.target.database),
            files=files,
        )

    def _tell(self, what: str) -> None:
        self.progress(Step(self.target.service.name, f"{what} of the backup of {self.target.database}"))


def _encrypt_all(source: Path, goal: Path, keys: Keyring, name: str) -> None:
    """Encrypt each file into `goal`, and delete it: room is needed once, not twice."""
    key = keys.keys[keys.active_id]
    goal.mkdir(mode=0o700)
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        within = path.relative_to(source).as_posix()
        (goal / within).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        encrypt(path, goal / within, key, f"{name}/{within}")
        path.unlink()


async def _estimates(connection: AsyncConnection, tables: dict[str, int]) -> dict[str, int]:
    """Rows of each table as ANALYZE last saw them; a table that it has not seen counts its pages' worth."""
    rows = await connection.execute(
        text("SELECT format('%I.%I', nspname, relname), greatest(reltuples, 0)::bigint "
             "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'r'")
    )  # fmt: skip
    known = {str(name): int(count) for name, count in rows}
    return {name: known.get(name) or size // 100 for name, size in tables.items()}


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count < 1_000_000_000 else f"{count / 1_000_000_000:.2f} GB"
