"""Results in words, one line each, and as JSON: the same facts both ways."""

from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

from orion_db.deploy import Deployment
from orion_db.documents.generate import Generation
from orion_db.initialize import Initialization
from orion_db.migrate import Migration
from orion_db.seeding import Seeding
from orion_db.status import Status

Result = Deployment | Generation | Initialization | Migration | Seeding | Status


def as_json(result: Result) -> dict[str, Any]:
    """The result as plain values; a Status says its exit code too."""
    found: dict[str, Any] = _plain(asdict(result))
    if isinstance(result, Status):
        found["exit_code"] = int(result.exit_code)
    return found


def in_words(result: Result) -> list[str]:
    """The result as lines for a person, without the service's name before them."""
    if isinstance(result, Status):
        return _status(result)
    if isinstance(result, Deployment):
        return _deployment(result)
    if isinstance(result, Seeding):
        return _seeding(result)
    if isinstance(result, Initialization):
        return _initialization(result)
    if isinstance(result, Generation):
        return _generation(result)
    return _migration(result)


def _status(status: Status) -> list[str]:
    lines = [f"{len(status.applied)} applied" + (f", the last is {status.applied[-1].name}" if status.applied else "")]
    lines += [f"pending: {name}" for name in status.pending if name not in status.passed_over]
    lines += [f"passed over: {name} is not applied, though later ones are" for name in status.passed_over]
    lines += [f"edited after it was applied: {name}" for name in status.edited]
    lines += [f"applied, but not in this code: {name}" for name in status.unknown]
    if status.drift is None:
        lines.append(f"drift: not looked for. {status.drift_unknown}")
    lines += [f"drift: {difference}" for difference in status.drift or ()]
    clean = len(lines) == 1 and status.drift is not None
    return ([f"{lines[0]}; nothing pending, no drift"] if clean else lines) + [str(found) for found in status.stranded]


def _deployment(deployment: Deployment) -> list[str]:
    count = len(deployment.applied)
    lines = [f"{count} migrations applied in {sum(ms for _, ms in deployment.applied)} ms" if count else "up to date"]
    lines += [f"{number} partitions made for {table}" for table, number in deployment.partitions_made]
    lines += [f"partitions of {table} put off: the table was locked" for table in deployment.partitions_put_off]
    return lines + [str(found) for found in deployment.stranded]


def _seeding(seeding: Seeding) -> list[str]:
    lines = [f"seeded with profile {seeding.profile}"]
    lines += [
        f"{table}: {seeding.inserted.get(table, 0)} inserted, {seeding.left_alone.get(table, 0)} left alone"
        for table in sorted(seeding.inserted.keys() | seeding.left_alone.keys())
    ]
    return lines


def _initialization(done: Initialization) -> list[str]:
    lines = [f"created the role {role}" for role in done.roles_made]
    lines += list(done.memberships_made)
    lines += (
        [f"created the database {done.database}"] if done.database_made else [f"the database {done.database} exists"]
    )
    return lines + _deployment(done.deployment) + (_seeding(done.seeding) if done.seeding else [])


def _migration(migration: Migration) -> list[str]:
    lines = [
        f"wrote {_shown(migration.file)}" if migration.file else "the models say nothing that the migrations do not"
    ]
    lines = [] if migration.deployment and not migration.file else lines
    lines += [f"left to be written by hand: {difference}" for difference in migration.left_over]
    lines += [f"downgrade() does not take back: {difference}" for difference in migration.irreversible]
    if migration.left_over:
        lines.append("not applied: complete the file, then run `orion db migrate`")
    return lines + (_deployment(migration.deployment) if migration.deployment else [])


def _generation(generation: Generation) -> list[str]:
    words = "stale" if generation.checked else "wrote"
    changed = [f"{words} {_shown(file)}" for file in generation.changed]
    return changed or [f"{len(generation.files)} files are as the models say"]


def _shown(file: Path) -> Path:
    """The path from here, where it is below."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _plain(value: object) -> Any:
    if _is_dict(value):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if _is_sequence(value):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    assert not is_dataclass(value)
    return value


def _is_dict(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def _is_sequence(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, list | tuple)
