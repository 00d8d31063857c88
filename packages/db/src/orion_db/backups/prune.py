"""Thinning out old backups by rules, and listing those that there are."""

from dataclasses import dataclass
from datetime import datetime

from orion_db.backups.files import remove, sweep
from orion_db.backups.rules import Retention, Taken, kept
from orion_db.backups.vault import Backup, Vault, read_backups
from orion_db.result import Result
from orion_db.targets import Target


@dataclass(frozen=True)
class Listed:
    """One backup, in a line."""

    name: str
    at: datetime
    bytes: int
    rows: int
    encrypted: bool
    state: str
    """verified …, not verified, NOT restorable, or damaged: …"""


@dataclass(frozen=True)
class Listing(Result):
    """The backups of one database, the newest first."""

    database: str
    backups: tuple[Listed, ...]

    def in_words(self) -> list[str]:
        if not self.backups:
            return [f"no backup of {self.database}"]
        return [f"{len(self.backups)} backups of {self.database}"] + [
            f"{backup.name}  {backup.bytes / 1_000_000:8.1f} MB  {backup.rows:>10} rows  "
            f"{'encrypted' if backup.encrypted else 'in clear '}  {backup.state}"
            for backup in self.backups
        ]


@dataclass(frozen=True)
class Pruned(Result):
    """What was deleted (or would be), and what stays, with why."""

    database: str
    deleted: tuple[str, ...]
    kept: dict[str, str]
    in_use: tuple[str, ...]
    """Would have gone, and are being read."""
    swept: int
    """Leftovers of backups that were killed."""
    dry_run: bool

    def in_words(self) -> list[str]:
        would = "would delete" if self.dry_run else "deleted"
        lines = [f"{would} {len(self.deleted)} backups of {self.database}, {len(self.kept)} stay"]
        lines += [f"{would} {name}" for name in self.deleted]
        lines += [f"{name} stays: it is being read" for name in self.in_use]
        lines += [f"{name} stays: {why}" for name, why in self.kept.items()]
        return lines + ([f"{self.swept} unfinished ones swept away"] if self.swept else [])


def list_backups(target: Target, vault: Vault) -> Listing:
    """All finished backups of the target's database."""
    found = reversed(read_backups(vault, target.database))
    return Listing(target.service.name, target.database, tuple(_listed(backup) for backup in found))


def _listed(backup: Backup) -> Listed:
    manifest, verified = backup.manifest, backup.verified
    if manifest is None:
        return Listed(backup.name, backup.at, 0, 0, False, f"damaged: {backup.fault}")
    state = "not verified"
    if verified:
        state = f"verified {verified.at:%Y-%m-%d %H:%M} UTC" if verified.ok else f"NOT restorable: {verified.why_not}"
    return Listed(backup.name, backup.at, manifest.size, manifest.rows, manifest.key_id is not None, state)


def prune_backups(target: Target, vault: Vault, retention: Retention, *, dry_run: bool = False) -> Pruned:
    """Delete the backups that the rules do not keep. One whose manifest cannot be read is left for a person to see."""
    found = read_backups(vault, target.database)
    readable = [backup for backup in found if backup.manifest]
    why = kept([Taken(backup.name, backup.at, _sound(backup)) for backup in readable], retention)
    damaged = {backup.name: f"damaged: {backup.fault}" for backup in found if not backup.manifest}
    going = [backup for backup in readable if backup.name not in why]
    gone = going if dry_run else [backup for backup in going if remove(backup.path)]
    swept = [] if dry_run else sweep(vault.of(target.database))
    return Pruned(
        target.service.name,
        target.database,
        tuple(backup.name for backup in gone),
        {name: ", ".join(reasons) for name, reasons in why.items()} | damaged,
        tuple(backup.name for backup in going if backup not in gone),
        len(swept),
        dry_run,
    )


def _sound(backup: Backup) -> bool | None:
    return backup.verified.ok if backup.verified else None
