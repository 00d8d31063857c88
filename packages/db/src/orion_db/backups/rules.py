"""Which backups stay: the newest, and one of each day, week and month, as many as are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Retention:
    """How many to keep of each kind. A backup may be several at once: today's is also this week's and this month's."""

    last: int = 3
    daily: int = 7
    weekly: int = 4
    monthly: int = 12


@dataclass(frozen=True)
class Taken:
    """A backup as the rules see it: when it was taken (UTC), and what its last verification found, if there was one."""

    name: str
    at: datetime
    sound: bool | None = None


def kept(backups: Sequence[Taken], retention: Retention) -> dict[str, list[str]]:
    """Names of those that stay, each with why.

    Days, weeks (ISO 8601) and months count when there is a backup in them, so that a long pause in taking backups
    deletes none; of each the newest stays. One that failed its verification stands for no day. The newest, and the
    newest that is proved to be restorable, stay whatever is asked.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.at, backup.name), reverse=True)
    usable = [backup for backup in newest_first if backup.sound is not False]
    why: dict[str, list[str]] = {}
    for backup in newest_first[:1]:
        why.setdefault(backup.name, []).append("the newest")
    for backup in [backup for backup in newest_first if backup.sound][:1]:
        why.setdefault(backup.name, []).append("the last one proved to be restorable")
    for backup in usable[: retention.last]:
        why.setdefault(backup.name, []).append("one of the last")
    for word, count, period in (
        ("day", retention.daily, _day),
        ("week", retention.weekly, _week),
        ("month", retention.monthly, _month),
    ):
        for name, label in _newest_of_each(usable, period)[:count]:
            why.setdefault(name, []).append(f"{word} {label}")
    return why


def _newest_of_each(newest_first: Sequence[Taken], period: Callable[[datetime], str]) -> list[tuple[str, str]]:
    seen: dict[str, str] = {}
    for backup in newest_first:
        seen.setdefault(period(backup.at), backup.name)
    return [(name, label) for label, name in seen.items()]


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _week(at: datetime) -> str:
    return f"{at:%G-W%V}"


def _month(at: datetime) -> str:
    return f"{at:%Y-%m}"
