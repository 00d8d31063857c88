"""Verifying the trail where it stands, writing it out with its proof, and verifying what was written out."""

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from orion_core.database import Database
from orion_core.signatures import VerifyingKey, encode, verifying_key
from orion_user.audit import chain_store, rules
from orion_user.audit.verification import Fault, Findings, Verifier

AT_ONCE = 20
"""Checkpoints that are read at once."""

Head = tuple[int, str]
"""Number and hash of a checkpoint, kept elsewhere."""


async def verify_database(
    database: Database, now: datetime, *, expected: Collection[Head] = (), trusted: Collection[str] = ()
) -> Findings:
    """Look at everything, in one snapshot."""
    async with _snapshot(database) as connection:
        verifier = Verifier(_keys(await chain_store.public_keys(connection)), now, trusted)
        for number, digest in expected:
            verifier.expect(number, digest)
        async for checkpoint, entries in _chain(connection):
            verifier.checkpoint(checkpoint, entries)
        async for row in chain_store.not_in_chain(connection):
            verifier.uncovered(rules.told(row))
    return verifier.finish()


async def lines(database: Database) -> AsyncGenerator[bytes]:
    """The trail and its proof, one JSON object a line: keys, each checkpoint with its entries behind it, the rest."""
    async with _snapshot(database) as connection:
        for key_id, public in (await chain_store.public_keys(connection)).items():
            yield _line("key", {"key_id": key_id, "public_key": public.hex()})
        written = 0
        async for checkpoint, entries in _chain(connection):
            yield _line("checkpoint", checkpoint)
            for leaf_id in checkpoint["leaf_ids"]:
                if leaf_id in entries:
                    yield _line("entry", entries[leaf_id])
                    written += 1
        async for row in chain_store.not_in_chain(connection):
            yield _line("entry", rules.told(row) | {"uncovered": True})
            written += 1
        yield _line("end", {"entries": written})


def verify_lines(
    written: Iterable[bytes], now: datetime, *, expected: Collection[Head] = (), trusted: Collection[str] = ()
) -> Findings:
    """Look at what `lines` has written, without any database. ValueError for what is no such file."""
    keys: dict[str, VerifyingKey] = {}
    verifier = Verifier(keys, now, trusted)
    for number, digest in expected:
        verifier.expect(number, digest)
    checkpoint: dict[str, Any] | None = None
    entries: dict[str, Mapping[str, Any]] = {}
    count, ended = 0, None
    for line in written:
        kind, told = _read(line)
        if kind == "key":
            keys |= _keys({told["key_id"]: bytes.fromhex(told["public_key"])})
            continue
        if kind == "entry":
            count += 1
        if kind == "entry" and "uncovered" not in told:
            entries[told["id"]] = told
            continue
        if checkpoint is not None:
            verifier.checkpoint(checkpoint, entries)
            _refuse_strangers(verifier, checkpoint, entries)
        checkpoint, entries = (told, {}) if kind == "checkpoint" else (None, {})
        if kind == "entry":
            verifier.uncovered(told)
        if kind == "end":
            ended = told["entries"]
    if checkpoint is not None:
        verifier.checkpoint(checkpoint, entries)
    if ended != count:
        verifier.findings.add(Fault("tail", "The file does not end as it was written: some of it is missing."))
    return verifier.finish()


def _refuse_strangers(verifier: Verifier, checkpoint: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    for entry_id in entries.keys() - set(checkpoint["leaf_ids"]):
        detail = "The entry stands behind a checkpoint that does not name it."
        verifier.findings.add(Fault("added", detail, checkpoint["number"], entry_id))


async def _chain(
    connection: AsyncConnection,
) -> AsyncGenerator[tuple[dict[str, Any], dict[str, Mapping[str, Any]]]]:
    """Every checkpoint in its order, with those of its entries that are there."""
    after = 0
    while rows := await chain_store.checkpoints(connection, after, AT_ONCE):
        for row in rows:
            found = await chain_store.entries(connection, row["leaf_ids"])
            yield rules.told(row), {str(entry_id): rules.told(entry) for entry_id, entry in found.items()}
        after = rows[-1]["number"]


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncGenerator[AsyncConnection]:
    """Everything as it is at one moment, however long reading it takes."""
    async with database.transaction() as transaction:
        connection = transaction.connection
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection


def _keys(public: Mapping[str, bytes]) -> dict[str, VerifyingKey]:
    return {
        key_id: verifying_key({"kty": "OKP", "crv": "Ed25519", "x": encode(key)}, "EdDSA")
        for key_id, key in public.items()
    }


def _line(kind: str, told: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"kind": kind, **told}) + b"\n"


def _read(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        told: dict[str, Any] = orjson.loads(line)
        return told.pop("kind"), told
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError("a line of it is no JSON object with a kind") from None


def parse_head(said: str) -> Head:
    """`NUMBER:HASH`, as it is shown; ValueError."""
    number, _, digest = said.partition(":")
    if not number.isdecimal() or len(bytes.fromhex(digest)) != 32:
        raise ValueError("must be NUMBER:HASH, as `orion audit head` shows it")
    return int(number), digest.lower()
