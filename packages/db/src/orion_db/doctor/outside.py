"""What a database is judged by that is not in it: backups, and how long the installation keeps its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orion_db.backups import Vault


@dataclass(frozen=True)
class Outside:
    """What the environment says."""

    vault: Vault | None = None
    """Where backups lie; None: not asked."""
    retention: Mapping[str, str] = field(default_factory=dict[str, str])
    """The service's setting of retention: durations by table, over what the tables declare."""
