"""Hashes of other systems and of yesterday's parameters: good for signing in, and made anew by it."""

import asyncio
from hashlib import sha1
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from pyotp.totp import TOTP

from orion_auth import hashing
from orion_auth.hashing import HashingLane, hash_secret, needs_new_hash
from orion_auth.imports.formats import HashParts, read_hash

if TYPE_CHECKING:
    from packages.auth.tests.conftest import Auth

PASSWORD = "correct horse battery staple"
KEPT = {
    "Argon2id of fewer passes": PasswordHasher(1, 19456, 1).hash(PASSWORD),
    "SHA-1": read_hash(
        HashParts(algorithm="sha1", digest=sha1(PASSWORD.encode()).hexdigest(), encoding="hex"), hash_secret
    ),
    "bcrypt": "$2b$08$cbx5QVV67t3l4X6b46qjyet0l3hphn9D//bP889X.SqiZgxizDfS.",
}


async def keep(auth: "Auth", stored: str) -> None:
    await auth.verified()
    await auth.execute("UPDATE identities SET password_hash = :stored", stored=stored)


async def kept(auth: "Auth") -> tuple[str, object]:
    [row] = await auth.rows("SELECT password_hash, password_changed_at FROM identities")
    return row["password_hash"], row["password_changed_at"]


@pytest.mark.parametrize("name", KEPT)
async def test_a_sign_in_raises_the_hash_once_and_the_password_stays(
    auth: "Auth", name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(auth, KEPT[name])
    _, changed_at = await kept(auth)
    hashed: list[str] = []

    def counted(password: str) -> str:
        hashed.append(hash_secret(password))
        return hashed[-1]

    monkeypatch.setattr(hashing, "hash_secret", counted)
    assert (await auth.sign_in(password="another password")).status_code == 401
    assert (await kept(auth))[0] == KEPT[name], "not for a wrong password"
    assert (await auth.sign_in()).status_code == 201
    assert await kept(auth) == (hashed[0], changed_at)
    assert hashed[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await auth.sign_in()).status_code == 201
    assert len(hashed) == 1


async def test_all_who_sign_in_at_once_come_in_and_one_hash_is_kept(auth: "Auth") -> None:
    await keep(auth, KEPT["Argon2id of fewer passes"])
    await auth.execute('UPDATE rate_limit_policies SET "limit" = 100')
    answers = await asyncio.gather(*(auth.sign_in() for _ in range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12
    assert needs_new_hash((await kept(auth))[0]) is False
    assert (await auth.sign_in()).status_code == 201


async def test_a_password_that_was_changed_meanwhile_is_not_put_back(
    auth: "Auth", monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(auth, KEPT["bcrypt"])
    other, make = hash_secret("quite another password"), HashingLane.hash

    async def meanwhile(self: HashingLane, password: str) -> str:
        await auth.execute("UPDATE identities SET password_hash = :other, password_changed_at = now()", other=other)
        return await make(self, password)

    monkeypatch.setattr(HashingLane, "hash", meanwhile)
    answer = await auth.sign_in()
    assert (answer.status_code, answer.json()["code"]) == (409, "account_changed")
    assert (await kept(auth))[0] == other


async def test_whoever_has_a_second_factor_shows_it_after_his_hash_was_raised(auth: "Auth") -> None:
    """The half-finished sign-in is bound to the password that was shown, not to the hash that it had before."""
    await keep(auth, KEPT["bcrypt"])
    await auth.execute("INSERT INTO two_factor_auth (user_id, is_required) SELECT id, true FROM identities")
    challenge = (await auth.sign_in()).json()["challenge"]
    assert (await kept(auth))[0] != KEPT["bcrypt"]
    offered = await auth.http.post("/auth/v1/challenges/enrolments", json={"challenge": challenge})
    assert offered.status_code == 201, offered.text
    app = TOTP(offered.json()["secret"])
    answer = {"challenge": challenge, "method": "TOTP", "code": app.at(auth.clock())}
    assert (await auth.http.post("/auth/v1/challenges/answers", json=answer)).status_code == 201
