"""`orion keys`, as an operator types it."""

import os
import subprocess
import sys

import asyncpg
import pytest

from orion_core.ids import uuid7
from orion_core.sealing import Keyring, place, sealing_key_id
from orion_core.testing.plugin import MakeDatabase


def orion(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "orion_cli", "keys", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_key_is_one_that_a_keyring_reads() -> None:
    made = orion("new", "2026a")
    assert Keyring.parse(made.stdout.strip()).active_id == "2026a"


@pytest.mark.parametrize("key_id", ["a,b", "a:b", "", "x" * 33])
def test_an_id_that_a_keyring_could_not_read_is_refused(key_id: str) -> None:
    refused = orion("new", key_id)
    assert refused.returncode == 2
    assert refused.stdout == ""


async def test_rotating_brings_the_signing_key_under_the_new_key(make_database: MakeDatabase) -> None:
    database = await make_database("auth")
    old, new = Keyring.new_key("old"), Keyring.new_key("new")
    key_id = uuid7()
    owner: asyncpg.Connection = await asyncpg.connect(database.owner_url)
    where = place("signing_keys", "private_key", key_id)
    await owner.execute(
        "INSERT INTO signing_keys (id, kid, algorithm, public_jwk, private_key, status, activated_at)"
        " VALUES ($1, 'k', 'ES256', '{}', $2, 'ACTIVE', now())",
        key_id,
        Keyring.parse(old).seal(b"the key", where),
    )
    given = {"AUTH_DATABASE_URL": database.url, "AUTH_SEALING_KEYS": f"{new},{old}"}
    done = orion("rotate", "auth", "--json", **given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"service":"auth","resealed":1,"left_alone":0,"unreadable":[],')
    envelope = await owner.fetchval("SELECT private_key FROM signing_keys")
    assert sealing_key_id(envelope) == "new"
    assert Keyring.parse(new).open(envelope, where) == b"the key"

    lost = orion("rotate", "auth", **given | {"AUTH_SEALING_KEYS": Keyring.new_key("another")})
    assert lost.returncode == 4
    assert f"cannot be opened: signing_keys.private_key of {key_id}" in lost.stdout
    assert "leave old keys in AUTH_SEALING_KEYS, last: they alone know backup codes" in lost.stdout
    await owner.close()


async def test_no_key_is_said_to_be_of_no_use_while_something_cannot_be_opened(make_database: MakeDatabase) -> None:
    database = await make_database("user")
    old, new = Keyring.new_key("old"), Keyring.new_key("new")
    stream_id = uuid7()
    sealed = Keyring.parse(old).seal(b"secret", place("audit_streams", "secret", stream_id))
    owner: asyncpg.Connection = await asyncpg.connect(database.owner_url)
    await owner.execute(
        "INSERT INTO audit_streams (id, name, url, secret, position)"
        " VALUES ($1, 'siem', 'https://siem.example/', $2, 0)",
        stream_id,
        sealed,
    )
    await owner.close()
    told = {
        ring: orion("rotate", "user", USER_DATABASE_URL=database.url, USER_SEALING_KEYS=ring).stdout
        for ring in (new, f"{new},{old}")
    }
    assert [("cannot be opened" in text, "may be taken out" in text) for text in told.values()] == [
        (True, False),
        (False, True),
    ]


def test_what_is_not_set_is_named() -> None:
    refused = orion("rotate", "auth", AUTH_DATABASE_URL="postgresql://localhost/x", AUTH_SEALING_KEYS="")
    assert refused.returncode == 1
    assert "AUTH_SEALING_KEYS is not set" in refused.stderr
