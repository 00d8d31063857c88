"""Where backups lie, under which keys, and which there are.

<folder>/<database>/<UTC time>-<id>/manifest.json    what it is
                                   /dump/…           what pg_dump wrote, in its directory format
                                   /verified.json    when it was last proved to be restorable, and what came of it
"""

import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orion_core.sealing import Keyring
from orion_db.backups.files import PARTIAL, faults, write_durably
from orion_db.backups.manifest import Manifest, authenticate, digest, read_manifest
from orion_db.backups.programs import VARIABLE as PROGRAMS
from orion_db.errors import Exit, Problem
from orion_db.targets import Target

DIRECTORY = "ORION_BACKUP_DIRECTORY"
KEYS = "ORION_BACKUP_KEYS"
KEYS_FILE = "ORION_BACKUP_KEYS_FILE"

VARIABLES = (DIRECTORY, KEYS, KEYS_FILE, PROGRAMS)
"""What the environment can say of backups."""

_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Vault:
    """The folder of all backups, the keys they are encrypted under, and where PostgreSQL's programs are."""

    folder: Path
    keys: Keyring | None = None
    programs: Path | None = None

    def of(self, database: str) -> Path:
        """Where the backups of one database lie."""
        return self.folder / database.replace("/", "%2F")


@dataclass(frozen=True)
class Verification:
    """What came of proving a backup, and of which manifest: another one is not proved by it."""

    at: datetime
    ok: bool
    why_not: str
    manifest: str
    seconds: float
    tables: int = 0
    rows: int = 0
    indexes_checked: int = 0
    amcheck: str = ""
    """Why indexes were not checked, when they were not."""
    drift: tuple[str, ...] | None = None
    """How the restored schema differs from what its migrations make; None: it could not be compared."""
    tables_read: int = 0
    """By the service, acting as its own role."""
    hmac: str = ""
    """Of all the others, under the key of the backup: else whoever can write to the folder could call it good."""


@dataclass(frozen=True)
class Backup:
    """One finished backup. Without a manifest it cannot be used, and `fault` says why."""

    path: Path
    manifest: Manifest | None
    fault: str = ""
    verified: Verification | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def at(self) -> datetime:
        """When it was begun, by its name: what was committed before is in it."""
        return datetime.strptime(self.name.partition("-")[0], _TIME).replace(tzinfo=UTC)

    @property
    def dump(self) -> Path:
        return self.path / "dump"

    def described(self) -> Manifest:
        """Its manifest. Raises Problem `backup_damaged` when there is none that can be believed."""
        if self.manifest is None:
            raise damaged(self, [self.fault])
        return self.manifest


_VERIFICATION = TypeAdapter(Verification)


def new_name(now: datetime, token: str) -> str:
    """The name of a backup that is begun now; names sort by time."""
    return f"{now:{_TIME}}-{token}"


def read_vault(environment: Mapping[str, str], start: Path | None = None) -> Vault:
    """What the environment says; without it `.orion/backups` of the project that `start` is in. Raises Problem
    `backup_keys_unreadable`.
    """
    said = environment.get(DIRECTORY, "").strip()
    folder = Path(said).expanduser() if said else _project(start or Path.cwd()) / ".orion" / "backups"
    programs = environment.get(PROGRAMS, "").strip()
    return Vault(folder.absolute(), _keys(environment), Path(programs) if programs else None)


def _keys(environment: Mapping[str, str]) -> Keyring | None:
    words, file, variable = environment.get(KEYS, "").strip(), environment.get(KEYS_FILE, "").strip(), KEYS
    try:
        if not words and file:
            variable, words = KEYS_FILE, Path(file).read_text(encoding="utf-8").strip()
            if not words:
                raise ValueError("the file is empty")
        return Keyring.parse(words) if words else None
    except (OSError, ValueError, binascii.Error) as error:
        why = f"{error.strerror}: {file}" if isinstance(error, OSError) else str(error)
        raise Problem(
            "backup_keys_unreadable",
            Exit.USAGE,
            f"{variable} cannot be used, so nothing is encrypted or opened.",
            f"{why}.",
            f"It is ID:BASE64 with 32 bytes, as in {KEYS}={Keyring.example()}; make one with: orion keys new 2026a",
        ) from None


def _project(start: Path) -> Path:
    """The nearest folder that is a project of ours, so that the command finds the same backups from all below it."""
    marks = (".orion", ".env", ".git")
    return next((path for path in (start, *start.parents) if any((path / mark).exists() for mark in marks)), start)


def read_backups(vault: Vault, database: str) -> list[Backup]:
    """All finished backups of the database, the oldest first. Those being written are not among them."""
    folder = vault.of(database)
    paths = [path for path in folder.glob("*-*") if path.is_dir() and not path.name.startswith(PARTIAL)]
    return sorted((backup for path in paths if (backup := _read(path, vault.keys))), key=_began)


def _began(backup: Backup) -> tuple[datetime, str]:
    """To the microsecond where the manifest says it; names tell seconds."""
    return (backup.manifest.started_at if backup.manifest else backup.at, backup.name)


def _read(path: Path, keys: Keyring | None) -> Backup | None:
    try:
        _ = Backup(path, None).at
    except ValueError:
        return None  # somebody else's folder
    try:
        manifest = read_manifest((path / "manifest.json").read_bytes())
    except FileNotFoundError:
        return Backup(path, None, "manifest.json is missing")
    except ValueError as error:
        return Backup(path, None, str(error))
    if manifest.name != path.name:
        return Backup(path, None, f"manifest.json is the one of {manifest.name}")
    return Backup(path, manifest, "", _read_verification(path, manifest, keys))


def _read_verification(path: Path, manifest: Manifest, keys: Keyring | None) -> Verification | None:
    """What is kept of the last one, unless it is another manifest's, or somebody without the key has written it."""
    try:
        found = _VERIFICATION.validate_json((path / "verified.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if found.manifest != digest(manifest) or (keys and not _is_signed(found, manifest, keys)):
        return None
    return found


def record(backup: Backup, verification: Verification, keys: Keyring | None) -> None:
    """Keep what came of a verification beside the backup."""
    key = keys.keys.get(backup.described().key_id or "") if keys else None
    signed = replace(verification, hmac=_sign(verification, key) if key else "")
    write_durably(backup.path / "verified.json", _VERIFICATION.dump_json(signed, indent=1))


def _is_signed(verification: Verification, manifest: Manifest, keys: Keyring) -> bool:
    key = keys.keys.get(manifest.key_id or "")
    return key is not None and hmac.compare_digest(verification.hmac.encode(), _sign(verification, key).encode())


def _sign(verification: Verification, key: bytes) -> str:
    content = _VERIFICATION.dump_json(replace(verification, hmac=""))
    return Keyring({"": key}).mac("orion backup verification", content).hex()


def latest(target: Target, vault: Vault) -> Backup | None:
    """The newest finished backup of the target's database, whatever is known of it."""
    return next(reversed(read_backups(vault, target.database)), None)


def find(target: Target, vault: Vault, name: str = "latest") -> Backup:
    """The backup of that name (its beginning is enough), or the newest. Raises `no_backup`, `unknown_backup`."""
    found = read_backups(vault, target.database)
    if not found:
        raise Problem(
            "no_backup",
            Exit.FAILED,
            f"There is no backup of {target.database!r} in {vault.folder}.",
            "",
            f"Run `orion db backup {target.service.name}`, or set {DIRECTORY} to where they lie.",
        )
    wanted = name.removeprefix(f"{target.database}/")
    chosen = found[-1:] if wanted == "latest" else [backup for backup in found if backup.name.startswith(wanted)]
    if len(chosen) != 1:
        raise Problem(
            "unknown_backup",
            Exit.USAGE,
            f"{name!r} names {len(chosen)} backups of {target.database!r}, and should name one.",
            f"There are: {', '.join(backup.name for backup in found[-10:])}.",
            "Name one of these, or `latest`.",
        )
    return chosen[0]


def check(target: Target, vault: Vault, backup: Backup) -> Manifest:
    """Prove that the backup lies there as it was written: manifest, key, and every file. Raises Problem
    `backup_damaged`, which names the files, `backup_of_another`, and those of `authenticate`.
    """
    manifest = backup.described()
    if manifest.service != target.service.name:
        raise Problem(
            "backup_of_another",
            Exit.REFUSED,
            f"The backup {backup.name} is one of the service {manifest.service}.",
            f"It was to be used for {target.service.name}.",
            f"Name a backup of {target.service.name}.",
        )
    authenticate((backup.path / "manifest.json").read_bytes(), vault.keys)
    found = faults(backup.dump, manifest.files)
    own = {"manifest.json", "verified.json", "dump"}
    found += [f"{path.name} does not belong to it" for path in sorted(backup.path.iterdir()) if path.name not in own]
    if found:
        raise damaged(backup, found)
    return manifest


def damaged(backup: Backup, found: list[str]) -> Problem:
    """The backup is not as it was written."""
    return Problem(
        "backup_damaged",
        Exit.FAILED,
        f"The backup {backup.name} is not as it was written.",
        "; ".join(found) + ".",
        "Do not restore it. Take a new one, restore another (`orion db backup list`), and look at the disk it lies on.",
    )
