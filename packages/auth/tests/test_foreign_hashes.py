"""Password hashes of other systems: each verifies as its own library made it, and none that is fast is kept as it is."""

import hashlib
import json
import re
from base64 import b64encode
from hashlib import pbkdf2_hmac, scrypt, sha1
from typing import Any

import bcrypt
import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type, hash_secret_raw

from orion_auth import hashing
from orion_auth.foreign_hashes import UnusableHashError
from orion_auth.hashing import HashingLane, hash_secret, needs_new_hash
from orion_auth.imports.actions import read_line
from orion_auth.imports.formats import HashParts, KeycloakCredential, read_hash

# Decomposed, as one system sends it and another does not; none of these libraries normalises.
PASSWORD = "Tr0ub4dor & cafe\u0301 \U0001f98a"

# Made with Django 5.2, passlib 1.7.4, Werkzeug 3.1, argon2-cffi and bcrypt. What is in them is no secret of anybody.
# ruff: noqa: E501
MADE_ELSEWHERE = {
    "django pbkdf2_sha256": "pbkdf2_sha256$120000$sAltsAltsAltsAltsAlt22$FCuhigHWk9bST6Pbn8thYBH4esoJBcZqnf5hsJdPUc8=",
    "django pbkdf2_sha1": "pbkdf2_sha1$110000$sAltsAltsAlt$JXYc1Z7q7WtuNaSEoFY8833E1zU=",
    "django argon2": "argon2$argon2id$v=19$m=9216,t=1,p=2$c0FsdHNBbHRzQWx0$9+0ElF956H5P4Ic154HaroP+aE3TQ4jWO0vps8Otq5M",
    "django bcrypt_sha256": "bcrypt_sha256$$2b$08$zYPKpTxqvx9x6AsfbOV.rOUmh25N3cHxWT76nVG/C2f7MAqPS0/7i",
    "django bcrypt": "bcrypt$$2b$08$sNDY2PAtebWbnSFmotbZu.XmlW7Sj5D/5rFjrZJIRl3BOC6gOW3sq",
    "django scrypt": "scrypt$16384$sAltsAltsAlt$8$5$5rMnGKCaOC+uSTgK9D8fYTHQdc+tHomxTliZKo+b42cbUzReo8FbDRBCFFf8OkSPg3c2QBe54ms9vzdFZRP3XA==",
    "django md5": "md5$sAltsAlt$b11a81ec67bf699d87fcbffa40e98850",
    "passlib pbkdf2_sha512": "$pbkdf2-sha512$101000$2BujdM6Z855zznnPeW8txQ$ISuX/9h.z.L5oRzcYWXLvRIEZF2KqZX8ttMUAeAN5uK7YyY1h5jy0VlIT6dFNWj7LRQdbK/w8zfH3gogFYgqEw",
    "passlib pbkdf2_sha256 of few rounds": "$pbkdf2-sha256$1000$39t7T8lZa.2d8773XisF4A$kZ24jvbJ3EpLNfL2FygUEZFN/ebDZeffRaOnbU3nOww",
    "passlib scrypt": "$scrypt$ln=14,r=8,p=1$0zqnVColpFTKee/dm9Pauw$oQKUDVGkuGrsXL2UP1vNJz5anDDtjBde3gF72YUYksw",
    "passlib ldap_salted_sha1": "{SSHA}21/Nj+R08Q+GUvRE8R9nxUAQrnq9V+p9",
    "passlib ldap_sha1": "{SHA}p9JbuCApwlYIH8wwGEGoWmJMmj0=",
    "passlib ldap_salted_md5": "{SMD5}ZlwMM4L6SrLzNJLAt0S19kaIsdY=",
    "passlib ldap_salted_sha512": "{SSHA512}HNt+04Hgy3C6jwY87NX8MuW6y99gHJFGyj/f+0r/0tsybnySzv5RRWY2b/5AJavG7uRQW4e2zyu4BSoWC1LPy5MyxhhDKGVs",
    "werkzeug scrypt": "scrypt:32768:8:1$3IhB98VgPywL2MhM$681ca0f449ec69eb9de0021dbed81b7f3602281e47d37f7c976b7d43363c30a32e63d3b1e1626c537e8d419026bc5c6f6e47f9af6d7ba018e7ac9f67462df7f4",
    "werkzeug pbkdf2": "pbkdf2:sha256:120000$Qwx7lq9GkSlltuWA$1419d80fd4eedd09794e63329fe407fe88c5c5fbfcfdf9138e633a83dafb609d",
    "argon2d": "$argon2d$v=19$m=8192,t=1,p=1$CU1XN8QYMBG51qO1FfbWcQ$vtr/H7R6ghaubVUpZ/PurDF4RUAV5nD4iUqJ+sz3g+A",
    "argon2i": "$argon2i$v=19$m=12288,t=3,p=1$a5wuOJyitYmVpBFXsJVbFg$FctNU5wUNXsunggYV1NWE7YSWYeoUH0X7wrP0fgR788",
    "bcrypt 2b": "$2b$08$JnPptIdjBYmmcAqtXoV6w.FwwN6htbQqtJMk3LySvc1C3D6RStGzS",
    "bcrypt 2a": "$2a$08$aL.pqr7r70BtjviYRJHzb.JtsX5SqaqiOjOkC9CuLliFJxhII/IX6",
    "bcrypt 2y": "$2y$08$JnPptIdjBYmmcAqtXoV6w.FwwN6htbQqtJMk3LySvc1C3D6RStGzS",
    "bcrypt of few rounds": "$2b$04$uRkjydF/qYIPnJzi2WbureLOX9lieLpgLBNv7WaSae2K7I/PlRex2",
}
STRONG = {
    name for name in MADE_ELSEWHERE if not any(word in name for word in ("md5", "sha1", "sha512", "few rounds"))
} | {
    "django pbkdf2_sha1",
    "passlib pbkdf2_sha512",
}

# github.com/firebase/scrypt
FIREBASE = HashParts(
    algorithm="firebase-scrypt",
    digest="lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    salt="42xEC+ixf3L2lw==",
    rounds=8,
    memory_cost=14,
    salt_separator="Bw==",
    signer_key="jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
)
SUPABASE = f"$fbscrypt$v=1,n=14,r=8,p=1,ss={FIREBASE.salt_separator},sk={FIREBASE.signer_key}${FIREBASE.salt}${FIREBASE.digest}"

CHECK = re.compile(r"^\$[a-z0-9-]+\$.+\$")
"""What the identities table asks of a kept hash."""


def kept(given: str | HashParts | KeycloakCredential) -> str:
    return read_hash(given, hash_secret)


def verifies(stored: str, password: str) -> bool:
    return hashing.matches(stored, password)


@pytest.mark.parametrize("name", MADE_ELSEWHERE)
def test_what_another_library_made_verifies_here(name: str) -> None:
    stored = kept(MADE_ELSEWHERE[name])
    assert CHECK.match(stored)
    assert len(stored) <= 255
    assert verifies(stored, PASSWORD)
    for wrong in (PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), ""):
        assert not verifies(stored, wrong)
    assert stored.startswith("$wrapped$") == (name not in STRONG)


@pytest.mark.parametrize("given", [FIREBASE, SUPABASE], ids=["firebase", "supabase"])
def test_firebase(given: str | HashParts) -> None:
    assert verifies(kept(given), "user1password")
    assert not verifies(kept(given), "user1passwore")


def test_what_is_fast_is_kept_under_argon2id_and_its_digest_is_gone() -> None:
    digest = sha1(b"pepper" + PASSWORD.encode()).hexdigest()
    stored = kept(HashParts(algorithm="sha1", digest=digest, encoding="hex", salt="pepper", salt_position="prefix"))
    assert stored.startswith("$wrapped$sha1$prefix$cGVwcGVy$argon2id$v=19$m=19456,t=2,p=1$")
    assert digest not in stored
    assert verifies(stored, PASSWORD)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("side", ["prefix", "suffix"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_every_way_to_salt_a_fast_digest(algorithm: str, side: str, encoding: str) -> None:
    salt, text = b"\x00\xffsalt", PASSWORD.encode()
    digest = hashlib.new(algorithm, salt + text if side == "prefix" else text + salt)
    parts = {
        "algorithm": algorithm,
        "digest": digest.hexdigest() if encoding == "hex" else b64encode(digest.digest()).decode(),
        "encoding": encoding,
        "salt": salt.hex(),
        "salt_encoding": "hex",
        "salt_position": side,
    }
    stored = kept(HashParts.model_validate(parts))
    assert verifies(stored, PASSWORD)
    assert not verifies(stored, PASSWORD + " ")


def test_keycloak() -> None:
    salt, text = b"0123456789abcdef", PASSWORD.encode()
    old = KeycloakCredential(
        secretData=json.dumps(
            {
                "value": b64encode(pbkdf2_hmac("sha256", text, salt, 27_500, 64)).decode(),
                "salt": b64encode(salt).decode(),
                "additionalParameters": {},
            }
        ),
        credentialData=json.dumps({"hashIterations": 27_500, "algorithm": "pbkdf2-sha256", "additionalParameters": {}}),
    )
    assert kept(old).startswith("$wrapped$pbkdf2-sha256$i=27500,l=64$"), "a twentieth of what OWASP asks for"
    assert verifies(kept(old), PASSWORD)
    entry: dict[str, Any] = {
        "id": "4f2c6f0e-9a0b-4a63-8a0d-2f6f5f0c7c11",
        "type": "password",
        "userLabel": "My password",
        "createdDate": 1_700_000_000_000,
        "priority": 10,
        "secretData": old.secret_data,
        "credentialData": old.credential_data,
    }
    line = read_line(1, json.dumps({"email": "ada@example.com", "password_hash": entry}).encode())
    assert (line.fault, line.user and line.user.password_hash) == (None, KeycloakCredential.model_validate(entry)), (
        "as it stands in an export"
    )
    assert verifies(kept(KeycloakCredential.model_validate(entry)), PASSWORD)
    more = {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
    value = hash_secret_raw(text, salt, 5, 7168, 1, 32, Type.ID)
    new = KeycloakCredential(
        secretData=json.dumps({"value": b64encode(value).decode(), "salt": b64encode(salt).decode()}),
        credentialData=json.dumps({"hashIterations": 5, "algorithm": "argon2", "additionalParameters": more}),
    )
    assert kept(new).startswith("$argon2id$v=19$m=7168,t=5,p=1$")
    assert verifies(kept(new), PASSWORD)
    assert not verifies(kept(new), PASSWORD + "x")


def test_scrypt_in_parts() -> None:
    digest = scrypt(PASSWORD.encode(), salt=b"NaCl", n=2**14, r=8, p=1, dklen=64)
    parts = HashParts(algorithm="scrypt", digest=digest.hex(), encoding="hex", salt="NaCl", memory_cost=14, rounds=8)
    assert verifies(kept(parts), PASSWORD)


def test_argon2_that_is_too_weak_is_wrapped_too() -> None:
    stored = kept(PasswordHasher(1, 64, 1, hash_len=24).hash(PASSWORD))
    assert stored.startswith("$wrapped$argon2id$v=19$m=64,t=1,p=1,l=24$")
    assert verifies(stored, PASSWORD)
    assert not verifies(stored, PASSWORD + "x")


def test_bcrypt_looks_at_72_bytes_and_is_therefore_upgraded() -> None:
    stored = kept("$2b$08$abcdefghijklmnopqrstuuCFI.PdkIDwkLPjsdAuyXrh6DZDZNpcy")
    assert not verifies(stored, "x" * 72)
    assert needs_new_hash(stored)
    long = "a" * 80
    theirs = bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(8)).decode()
    assert verifies(kept(theirs), long)
    assert verifies(kept(theirs), long[:72])
    assert not verifies(kept(theirs), long[:71])


@pytest.mark.parametrize(
    "given",
    [
        "",
        "hunter2hunter2",
        "$",
        "$6$salt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
        "{UNKNOWN}aaaa",
        "{SSHA}!!!!",
        "{SHA}c2hvcnQ=",
        "$2b$31$abcdefghijklmnopqrstuuCFI.PdkIDwkLPjsdAuyXrh6DZDZNpcy",
        "$2b$12$short",
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$pbkdf2-sha256$99999999999$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=262144,t=64,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=65536,t=3,p=64$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=99$m=65536,t=3,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=4194304,t=3,p=1,m=65536$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=65_536,t= 3,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=65536,t=3,p=1,keyid=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
        "pbkdf2_sha256$x$salt$c2FsdHNhbHRzYWx0c2FsdA",
        "md5$" + "s" * 300 + "$" + "0" * 32,
        "$wrapped$sha1$prefix$cGVwcGVy$argon2id$v=19$m=19456,t=2,p=1$aaaa$bbbb",
    ],
)
def test_what_cannot_be_kept_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(UnusableHashError) as raised:
        kept(given)
    assert not given or given not in str(raised.value)


@pytest.mark.parametrize(
    ("secret", "how"),
    [
        ('{"value": "c2FsdA==", "salt": null}', '{"algorithm": "pbkdf2-sha256", "hashIterations": 27500}'),
        (
            '{"value": "c2FsdA==", "salt": "c2FsdA=="}',
            '{"algorithm": "argon2", "hashIterations": 5, "additionalParameters": null}',
        ),
        ("[" * 4000, "{}"),
    ],
    ids=["no salt", "no parameters", "too deep"],
)
def test_a_broken_credential_of_keycloak_is_refused_like_any_other(secret: str, how: str) -> None:
    with pytest.raises(UnusableHashError):
        kept(KeycloakCredential(secretData=secret, credentialData=how))


@pytest.mark.parametrize(
    "stored", ["$broken$x$y", "$wrapped$x$y$argon2id$z", "$2b$99$x", "$scrypt$ln=1$x$y", "$argon2id$v=19$x$y"]
)
def test_a_broken_hash_matches_nothing_and_breaks_nothing(stored: str) -> None:
    assert not verifies(stored, PASSWORD)


@pytest.mark.parametrize(
    ("stored", "needed"),
    [
        (hash_secret("x"), False),
        (PasswordHasher(3, 65536, 4).hash("x"), False),
        (PasswordHasher(1, 19456, 1).hash("x"), True),
        (PasswordHasher(2, 9216, 1).hash("x"), True),
        (PasswordHasher(2, 19456, 1, hash_len=16).hash("x"), True),
        (PasswordHasher(2, 19456, 1, type=Type.I).hash("x"), True),
        ("$2b$12$abcdefghijklmnopqrstuuCFI.PdkIDwkLPjsdAuyXrh6DZDZNpcy", True),
    ],
    ids=["ours", "stronger", "passes", "memory", "length", "argon2i", "bcrypt"],
)
def test_parameters_are_raised_and_never_lowered(stored: str, needed: bool) -> None:
    assert needs_new_hash(stored) is needed


async def test_an_unknown_user_and_one_whose_hash_was_wrapped_cost_one_argon2id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane = HashingLane(1)
    wrapped, plain = kept(MADE_ELSEWHERE["passlib ldap_salted_sha1"]), hash_secret(PASSWORD)
    calls: list[str] = []
    library = hashing.quickest_library()

    def counted(kept: str, password: bytes) -> bool:
        calls.append(kept)
        return library.verify(kept, password)

    monkeypatch.setattr(hashing, "quickest_library", lambda: library._replace(verify=counted))
    for stored in (None, plain, wrapped):
        calls.clear()
        assert not await lane.verify(stored, "another password")
        assert len(calls) == 1
    lane.close()
