"""What a backup says of itself: `manifest.json`, under a digest, and under a MAC where there is a key."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from orion_core.sealing import Keyring
from orion_db.errors import Exit, Problem

FORMAT = 1

_PURPOSE = "orion backup manifest"


def _within(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError("the name of a file leads out of the backup")
    return name


@dataclass(frozen=True)
class File:
    """One file of the dump, as it lies in the backup."""

    name: Annotated[str, AfterValidator(_within)]
    size: int
    sha256: str


@dataclass(frozen=True)
class Rows:
    """What a table held: `name` is schema-qualified, `hash` is the sum of a 64-bit hash over each row's text."""

    name: str
    rows: int
    hash: str


@dataclass(frozen=True)
class Migration:
    """A row of schema_migrations."""

    name: str
    checksum: str


@dataclass(frozen=True)
class Grant:
    """A right on the database itself. The grantee "" is PUBLIC."""

    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Setting:
    """`ALTER DATABASE … SET`, or `ALTER ROLE … IN DATABASE … SET`; the role "" is everybody."""

    role: str
    name: str
    value: str


@dataclass(frozen=True)
class Role:
    """A role that the database names, so that a reader on another server knows what there was. Never a password."""

    name: str
    login: bool
    member_of: tuple[str, ...]


@dataclass(frozen=True)
class Surroundings:
    """What belongs to a database and is in no dump of it."""

    owner: str
    comment: str | None
    """With the mark of a production database, where it has one."""
    production: bool
    encoding: str
    collation: str
    connection_limit: int
    grants: tuple[Grant, ...]
    settings: tuple[Setting, ...]
    roles: tuple[Role, ...]


@dataclass(frozen=True)
class Manifest:
    """All that is needed to prove that a restored database is the one that was backed up."""

    format: int
    name: str
    service: str
    database: str
    server: str
    """Host and port it was reached at."""
    system_identifier: str
    """PostgreSQL's own name of the cluster: a standby has the same one, another server never."""
    server_version: int
    pg_dump: str
    """`pg_dump --version`."""
    started_at: datetime
    finished_at: datetime
    snapshot: str
    key_id: str | None
    """Id of the key that the files are encrypted under; None: they are not."""
    migrations: tuple[Migration, ...]
    tables: tuple[Rows, ...]
    surroundings: Surroundings
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def pg_dump_major(self) -> int:
        return int(self.pg_dump.split()[2].partition(".")[0])


_FORM = TypeAdapter(Manifest)


def digest(manifest: Manifest) -> str:
    """SHA-256 of the manifest in its one form: a verification names what it verified by this."""
    return hashlib.sha256(_canonical(_FORM.dump_python(manifest, mode="json"))).hexdigest()


def write_manifest(manifest: Manifest, keys: Keyring | None) -> bytes:
    """The document, with its digest, and with a MAC when there is a key."""
    body = _FORM.dump_python(manifest, mode="json")
    document = {"manifest": body, "sha256": digest(manifest)}
    if keys:
        document["hmac"] = keys.mac(_PURPOSE, _canonical(body)).hex()
    return json.dumps(document, indent=1).encode()


def read_manifest(content: bytes) -> Manifest:
    """Read the document and compare its digest. Raises ValueError that says what is wrong with it."""
    body = _document(content)["manifest"]
    if hashlib.sha256(_canonical(body)).hexdigest() != _document(content).get("sha256"):
        raise ValueError("manifest.json was changed: it is not what its own SHA-256 says")
    if body.get("format") != FORMAT:
        raise ValueError(f"manifest.json is of format {body.get('format')}, and this version reads {FORMAT}")
    try:
        return _FORM.validate_python(body, strict=False)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"manifest.json is wrong at {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def authenticate(content: bytes, keys: Keyring | None) -> None:
    """Prove that somebody with the key wrote the manifest, and with it the digest of every file.

    Without keys an unsigned backup is taken as it is. With keys an unsigned one is refused: whoever can write to the
    folder could have put it there. Raises Problem `backup_key_missing`, `backup_key_unknown`, `backup_key_wrong`,
    `backup_not_signed`.
    """
    document = _document(content)
    name, key_id = document["manifest"]["name"], document["manifest"]["key_id"]
    if key_id is None:
        if keys:
            raise _refused(
                "backup_not_signed",
                f"The backup {name} is not signed, though there is a key.",
                "Anybody who can write to the folder could have made it.",
                "If it is from the time before the key, unset ORION_BACKUP_KEYS for this one command.",
            )
        return
    if not keys or key_id not in keys.keys:
        what = "no key is given" if not keys else f"the ring holds {', '.join(keys.keys)}"
        raise _refused(
            "backup_key_unknown" if keys else "backup_key_missing",
            f"The backup {name} cannot be opened: it is encrypted under the key {key_id!r}.",
            f"But {what}.",
            "Put that key into ORION_BACKUP_KEYS, or its file into ORION_BACKUP_KEYS_FILE.",
        )
    only = Keyring({key_id: keys.keys[key_id]})
    expected = only.mac(_PURPOSE, _canonical(document["manifest"])).hex()
    if not hmac.compare_digest(expected, str(document.get("hmac", ""))):
        raise _refused(
            "backup_key_wrong",
            f"The backup {name} was not signed by the key {key_id!r} that is given.",
            "Either the key is another one of the same name, or manifest.json was replaced.",
            f"Compare the key with the one of {name}'s time.",
        )


def _refused(code: str, what: str, why: str, todo: str) -> Problem:
    return Problem(code, Exit.REFUSED, what, why, todo)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        raise ValueError("manifest.json is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("manifest"), dict):  # pyright: ignore[reportUnknownMemberType]
        raise ValueError("manifest.json is no manifest")
    return document  # pyright: ignore[reportUnknownVariableType]


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
