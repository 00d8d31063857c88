"""Password hashes that other systems made, in the form in which auth keeps them, and how they are verified.

Every form is `RECIPE$DIGEST`. The recipe names the algorithm, its parameters and the salt, as PHC strings do:

    $2b$12$SALT                                    bcrypt (the digest follows without a dollar, as everywhere)
    $django-bcrypt-sha256$2b$12$SALT               the same over the SHA-256 of the password
    $scrypt$ln=15,r=8,p=1,l=64$SALT
    $fbscrypt$v=1,n=14,r=8,p=1,ss=SEP,sk=KEY$SALT  Firebase's scrypt, as Supabase writes it
    $pbkdf2-sha256$i=600000,l=32$SALT              also sha1 and sha512
    $argon2i$v=19$m=64,t=1,p=1,l=32$SALT           Argon2 that is too weak; any other is kept as it came
    $sha1$suffix$SALT                              md5, sha1, sha256, sha512 over salt and password; prefix or suffix

What can be tried fast is not kept so: `$wrapped` + recipe + `$argon2id$…`, an Argon2id hash of the digest.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import new as new_digest
from hashlib import pbkdf2_hmac, scrypt, sha256

import bcrypt
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

LONGEST_STORED = 255
MOST_MEMORY = 256 * 2**20
"""Bytes that verifying one hash may take: the lane hashes several at once."""
MOST_PASSES = 4
"""Over that much memory, or more over less: each wrong password takes a thread of the lane for as long."""

BCRYPT_BYTES = 72
"""bcrypt looks at no more of a password; libraries differ only in whether they say so."""

WRAPPED = "$wrapped"
FAST = ("md5", "sha1", "sha256", "sha512")
SLOW_PBKDF2, SLOW_BCRYPT, SLOW_MEMORY = 100_000, 8, 4 * 2**20
"""From here on a hash is left as it is; below, its digest is wrapped. About a tenth of what OWASP asks for."""


class UnusableHashError(Exception):
    """A hash that cannot be kept: of an unknown form, or too costly. Its words never repeat the hash."""


@dataclass(frozen=True)
class Recipe:
    """How to get from a password to the digest that is compared."""

    text: str
    derive: Callable[[bytes], bytes]
    is_fast: bool
    """Whether guesses at it are cheap, so that it must not be kept as it is."""


def read_recipe(text: str) -> Recipe:
    """The recipe that `text` writes; an UnusableHashError when nothing here can follow it."""
    try:
        derive, is_fast = _read(text.split("$")[1:])
    except (ValueError, KeyError, OverflowError):
        raise UnusableHashError("its parameters cannot be read") from None
    return Recipe(text, derive, is_fast)


def keep(recipe: Recipe, digest: bytes, wrap: Callable[[bytes], str]) -> str:
    """The form in which a foreign hash is kept; `wrap` makes an Argon2id PHC string of what is too fast."""
    if recipe.is_fast:
        stored = WRAPPED + recipe.text + wrap(digest)
    elif _is_bcrypt(recipe.text):
        stored = recipe.text + digest.decode("ascii")
    elif recipe.text.startswith("$argon2"):
        stored = re.sub(r",l=[0-9]+(?=[$])", "", recipe.text) + f"${encode(digest)}"
    else:
        stored = f"{recipe.text}${encode(digest)}"
    if len(stored) > LONGEST_STORED:
        raise UnusableHashError("its salt and digest are too long to be kept")
    return stored


def matches(stored: str, password: bytes, unwrap: Callable[[str, bytes], bool]) -> bool:
    """Whether a hash kept in one of these forms is that of a password; `unwrap` verifies an Argon2id PHC string."""
    if stored.startswith(WRAPPED):
        recipe, argon2id, phc = stored.removeprefix(WRAPPED).rpartition("$argon2id$")
        return unwrap(argon2id + phc, read_recipe(recipe).derive(password))
    text, digest = split_bcrypt(stored) if _is_bcrypt(stored) else stored.rsplit("$", 1)
    expected = digest.encode() if _is_bcrypt(stored) else decode(digest)
    return hmac.compare_digest(read_recipe(text).derive(password), expected)


def encode(value: bytes) -> str:
    """Base64 without padding, as PHC strings have it."""
    return b64encode(value).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of Base64 with or without padding; a ValueError for anything else."""
    return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)


def split_bcrypt(text: str) -> tuple[str, str]:
    """Recipe and digest of a bcrypt string: 22 characters of salt, 31 of digest."""
    return text[:-31], text[-31:]


def _is_bcrypt(text: str) -> bool:
    return text.startswith(("$2a$", "$2b$", "$2y$", "$django-bcrypt-sha256$"))


def _read(fields: list[str]) -> tuple[Callable[[bytes], bytes], bool]:
    match fields:
        case [name, ("prefix" | "suffix") as side, salt] if name in FAST:
            return _salted(name, side, decode(salt)), True
        case [("2a" | "2b" | "2y") as variant, cost, salt]:
            return _bcrypt(variant, int(cost), salt), int(cost) < SLOW_BCRYPT
        case ["django-bcrypt-sha256", ("2a" | "2b" | "2y") as variant, cost, salt]:
            inner = _bcrypt(variant, int(cost), salt)
            return lambda password: inner(sha256(password).hexdigest().encode()), int(cost) < SLOW_BCRYPT
        case [("pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512") as name, parameters, salt]:
            return _pbkdf2(name.removeprefix("pbkdf2-"), _numbers(parameters), decode(salt))
        case ["scrypt", parameters, salt]:
            return _scrypt(_numbers(parameters), decode(salt))
        case ["fbscrypt", parameters, salt]:
            return _firebase(parameters, decode(salt))
        case [("argon2i" | "argon2d" | "argon2id") as name, version, parameters, salt]:
            return _argon2(name, _numbers(version)["v"], _numbers(parameters), decode(salt))
        case _:
            raise UnusableHashError("its algorithm is not known here")


def _numbers(text: str) -> dict[str, int]:
    """Each once, in digits alone, as those who verify them read them; a ValueError otherwise."""
    parts = [part.partition("=") for part in text.split(",")]
    found = {name: int(number) for name, _, number in parts if number.isascii() and number.isdigit()}
    if len(found) < len(parts):
        raise ValueError("not numbers, or one of them twice")
    return found


def _within(is_affordable: bool) -> None:
    if not is_affordable:
        raise UnusableHashError("verifying it would cost too much, or its parameters are out of bounds")


def _salted(name: str, side: str, salt: bytes) -> Callable[[bytes], bytes]:
    def derive(password: bytes) -> bytes:
        text = salt + password if side == "prefix" else password + salt
        return new_digest(name, text, usedforsecurity=False).digest()

    return derive


def _bcrypt(variant: str, cost: int, salt: str) -> Callable[[bytes], bytes]:
    _within(4 <= cost <= 15 and len(salt) == 22 and salt.isascii())
    settings = f"${variant}${cost:02d}${salt}".encode()
    bcrypt.hashpw(b"", f"${variant}$04${salt}".encode())  # a ValueError for a salt that is none
    return lambda password: bcrypt.hashpw(password[:BCRYPT_BYTES], settings)[-31:]


def _pbkdf2(name: str, given: dict[str, int], salt: bytes) -> tuple[Callable[[bytes], bytes], bool]:
    iterations, length = given["i"], given["l"]
    _within(1 <= iterations <= 5_000_000 and 16 <= length <= 64)
    return lambda password: pbkdf2_hmac(name, password, salt, iterations, length), iterations < SLOW_PBKDF2


def _scrypt_key(password: bytes, salt: bytes, ln: int, r: int, p: int, length: int) -> bytes:
    return scrypt(password, salt=salt, n=2**ln, r=r, p=p, dklen=length, maxmem=2 * MOST_MEMORY)


def _scrypt(given: dict[str, int], salt: bytes) -> tuple[Callable[[bytes], bytes], bool]:
    ln, r, p, length = given["ln"], given["r"], given["p"], given["l"]
    _within(1 <= ln <= 24 and 1 <= r <= 64 and 1 <= p <= 16 and 16 <= length <= 64)
    memory = 128 * r * 2**ln
    _within(memory * p <= MOST_PASSES * MOST_MEMORY and memory <= MOST_MEMORY)
    return lambda password: _scrypt_key(password, salt, ln, r, p, length), memory < SLOW_MEMORY


def _firebase(parameters: str, salt: bytes) -> tuple[Callable[[bytes], bytes], bool]:
    """The signer key, encrypted under what scrypt makes of the password (github.com/firebase/scrypt)."""
    given = dict(part.split("=", 1) for part in parameters.split(","))
    ln, r, p = int(given["n"]), int(given["r"]), int(given["p"])
    separator, signer = decode(given["ss"]), decode(given["sk"])
    _within(1 <= ln <= 24 and 1 <= r <= 64 and p == 1 and 128 * r * 2**ln <= MOST_MEMORY and len(signer) <= 64)

    def derive(password: bytes) -> bytes:
        key = _scrypt_key(password, salt + separator, ln, r, p, 32)
        encryptor = Cipher(AES256(key), CTR(bytes(16))).encryptor()
        return encryptor.update(signer) + encryptor.finalize()

    return derive, 128 * r * 2**ln < SLOW_MEMORY


def _argon2(name: str, version: int, given: dict[str, int], salt: bytes) -> tuple[Callable[[bytes], bytes], bool]:
    memory, passes, lanes, length = given["m"], given["t"], given["p"], given["l"]
    if list(given) != ["m", "t", "p", "l"] or version not in (16, 19):
        raise ValueError("not of Argon2, or not in its order")
    _within(
        16 <= length <= 64
        and 1 <= lanes <= 16
        and 8 * lanes <= memory <= MOST_MEMORY // 1024
        and 1 <= passes <= MOST_PASSES * MOST_MEMORY // 1024 // memory
        and len(salt) >= 8
    )
    kind = {"argon2i": Type.I, "argon2d": Type.D, "argon2id": Type.ID}[name]
    return (
        lambda password: hash_secret_raw(password, salt, passes, memory, lanes, length, kind, version),
        memory * 1024 * passes < SLOW_MEMORY,
    )
