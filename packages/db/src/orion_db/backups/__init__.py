"""Backups of a service's database: taken, listed, proved by restoring them, restored, and thinned out.

vault = read_vault(environment)                    # where they lie, and the keys they are sealed under
await backup(target, vault)                        # <folder>/<database>/<UTC time>-<id>/
await verify(target, vault)                        # restored into a scratch database and compared
await restore(target, vault, into="rehearsal")
await require_restorable(target, vault, now, timedelta(days=1))
"""

from orion_db.backups.create import backup
from orion_db.backups.restore import restore
from orion_db.backups.vault import Backup, Vault, latest, read_backups, read_vault
from orion_db.backups.verify import require_restorable, verify

__all__ = [
    "Backup",
    "Vault",
    "backup",
    "latest",
    "read_backups",
    "read_vault",
    "require_restorable",
    "restore",
    "verify",
]
