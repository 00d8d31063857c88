"""Password hashes as other systems write them, read into the forms in which auth keeps them."""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from orion_auth.foreign_hashes import UnusableHashError, decode, encode, keep, read_recipe, split_bcrypt
from orion_core.http.shapes import RequestShape

Digest = tuple[str, bytes]
"""The text of a recipe, and the digest that it led to."""

_LDAP = {
    "MD5": ("md5", 16),
    "SMD5": ("md5", 16),
    "SHA": ("sha1", 20),
    "SSHA": ("sha1", 20),
    "SHA256": ("sha256", 32),
    "SSHA256": ("sha256", 32),
    "SHA512": ("sha512", 64),
    "SSHA512": ("sha512", 64),
}
"""Digest and its length; what follows it is the salt (RFC 2307 and its descendants)."""


class HashParts(RequestShape):
    """A hash whose parts another system keeps apart."""

    algorithm: Literal[
        "md5", "sha1", "sha256", "sha512", "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512", "scrypt", "firebase-scrypt"
    ]
    digest: str = Field(max_length=512, repr=False)
    encoding: Literal["hex", "base64"] = "base64"
    """Of the digest."""
    salt: str = Field(default="", max_length=512, repr=False)
    salt_encoding: Literal["text", "hex", "base64"] = "text"
    """Firebase's is always Base64."""
    salt_position: Literal["prefix", "suffix"] = "suffix"
    """Where the salt stands beside the password; of md5 and sha alone."""
    iterations: int | None = None
    """Of PBKDF2."""
    memory_cost: int | None = None
    """Of scrypt: the binary logarithm of N."""
    rounds: int | None = None
    """Of scrypt: r."""
    parallelism: int = 1
    """Of scrypt: p."""
    signer_key: str | None = Field(default=None, max_length=128, repr=False)
    salt_separator: str | None = Field(default=None, max_length=16)


class KeycloakCredential(RequestShape):
    """An entry of `credentials` in a realm that Keycloak has exported."""

    type: Literal["password"] = "password"
    secret_data: str = Field(alias="secretData", max_length=4000, repr=False)
    credential_data: str = Field(alias="credentialData", max_length=4000)
    id: Any = None
    """This and what follows is of no use here; it is there, so that an entry is brought over as it stands."""
    user_label: Any = Field(default=None, alias="userLabel")
    created_date: Any = Field(default=None, alias="createdDate")
    priority: Any = None


def read_hash(given: str | HashParts | KeycloakCredential, wrap: Callable[[bytes], str]) -> str:
    """The form in which a foreign hash is kept; `wrap` makes an Argon2id PHC string of what is too fast.

    An UnusableHashError says what is wrong without repeating it.
    """
    try:
        match given:
            case str():
                recipe, digest = _read_text(given)
            case HashParts():
                recipe, digest = _read_parts(given)
            case KeycloakCredential():
                recipe, digest = _read_keycloak(given)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise UnusableHashError("it cannot be read") from None
    if len(digest) < 16:
        raise UnusableHashError("its digest is too short")
    return keep(read_recipe(recipe), digest, wrap)


def _read_text(text: str) -> Digest:
    if match := re.fullmatch(r"\{([A-Za-z0-9]+)\}(.+)", text):
        return _read_ldap(match[1].upper(), match[2])
    if text.startswith("$"):
        return _read_modular(text)
    if text.startswith(("scrypt:", "pbkdf2:")):
        return _read_werkzeug(text)
    return _read_django(text)


def _read_ldap(scheme: str, rest: str) -> Digest:
    if scheme == "CRYPT":
        return _read_modular(rest)
    if scheme not in _LDAP:
        raise UnusableHashError("its algorithm is not known here")
    name, length = _LDAP[scheme]
    value = decode(rest)
    return _salted(name, "suffix", value[length:]), value[:length]


def _read_modular(text: str) -> Digest:
    """`$…$…`: the forms of crypt(3), PHC and passlib."""
    match text.split("$")[1:]:
        case [("2a" | "2b" | "2y"), _, rest] if len(rest) == 53:
            recipe, digest = split_bcrypt(text)
            return recipe, digest.encode("ascii")
        case [("argon2i" | "argon2d" | "argon2id") as name, *version, parameters, salt, digest] if len(version) < 2:
            length = len(decode(digest))
            return f"${name}${(version or ['v=16'])[0]}${parameters},l={length}${salt}", decode(digest)
        case [("pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512") as name, parameters, salt, digest]:
            rounds = re.sub(r"^i=|,.*$", "", parameters)
            return _pbkdf2("sha1" if name == "pbkdf2" else name[7:], int(rounds), _adapted(salt), _adapted(digest))
        case ["scrypt", parameters, salt, digest]:
            given = dict(part.split("=") for part in parameters.split(","))
            return _scrypt(int(given["ln"]), int(given["r"]), int(given["p"]), _adapted(salt), _adapted(digest))
        case ["fbscrypt", _, _, digest]:
            return text.rpartition("$")[0], decode(digest)
        case _:
            raise UnusableHashError("its algorithm is not known here")


def _read_django(text: str) -> Digest:
    name, _, rest = text.partition("$")
    match name, rest.split("$"):
        case "argon2" | "bcrypt", _:
            return _read_modular(rest if rest.startswith("$") else f"${rest}")
        case "bcrypt_sha256", _:
            recipe, digest = split_bcrypt(rest)
            return f"$django-bcrypt-sha256{recipe}", digest.encode("ascii")
        case (("pbkdf2_sha256" | "pbkdf2_sha1"), [iterations, salt, digest]):
            return _pbkdf2(name.removeprefix("pbkdf2_"), int(iterations), salt.encode(), decode(digest))
        case "scrypt", [n, salt, r, p, digest]:
            return _scrypt(_logarithm(int(n)), int(r), int(p), salt.encode(), decode(digest))
        case (("md5" | "sha1"), [salt, digest]):
            return _salted(name, "prefix", salt.encode()), bytes.fromhex(digest)
        case _:
            raise UnusableHashError("its algorithm is not known here")


def _read_werkzeug(text: str) -> Digest:
    method, salt, digest = text.split("$")
    match method.split(":"):
        case ["scrypt", n, r, p]:
            return _scrypt(_logarithm(int(n)), int(r), int(p), salt.encode(), bytes.fromhex(digest))
        case ["pbkdf2", name, iterations]:
            return _pbkdf2(name, int(iterations), salt.encode(), bytes.fromhex(digest))
        case _:
            raise UnusableHashError("its algorithm is not known here")


def _read_parts(given: HashParts) -> Digest:
    digest = bytes.fromhex(given.digest) if given.encoding == "hex" else _web_safe(given.digest)
    if given.algorithm == "firebase-scrypt":
        signer, separator = _web_safe(given.signer_key or ""), _web_safe(given.salt_separator or "")
        if not signer or given.memory_cost is None or given.rounds is None:
            raise UnusableHashError("it needs signer_key, rounds and memory_cost")
        parameters = f"v=1,n={given.memory_cost},r={given.rounds},p=1,ss={encode(separator)},sk={encode(signer)}"
        return f"$fbscrypt${parameters}${encode(_web_safe(given.salt))}", digest
    salt = _salt(given)
    if given.algorithm == "scrypt":
        if given.memory_cost is None or given.rounds is None:
            raise UnusableHashError("it needs memory_cost and rounds")
        return _scrypt(given.memory_cost, given.rounds, given.parallelism, salt, digest)
    if given.algorithm.startswith("pbkdf2-"):
        if given.iterations is None:
            raise UnusableHashError("it needs iterations")
        return _pbkdf2(given.algorithm.removeprefix("pbkdf2-"), given.iterations, salt, digest)
    return _salted(given.algorithm, given.salt_position, salt), digest


def _read_keycloak(given: KeycloakCredential) -> Digest:
    secret: dict[str, Any] = json.loads(given.secret_data)
    how: dict[str, Any] = json.loads(given.credential_data)
    algorithm, iterations = str(how["algorithm"]), int(how["hashIterations"])
    salt, digest = decode(secret["salt"]), decode(secret["value"])
    if algorithm == "argon2":
        more = {name: str(values[0]) for name, values in how["additionalParameters"].items()}
        version = {"1.0": 16, "1.3": 19}[more.get("version", "1.3")]
        parameters = f"m={int(more['memory'])},t={iterations},p={int(more['parallelism'])},l={len(digest)}"
        return f"$argon2{more.get('type', 'id')}$v={version}${parameters}${encode(salt)}", digest
    name = {"pbkdf2": "sha1"}.get(algorithm, algorithm.removeprefix("pbkdf2-"))
    return _pbkdf2(name, iterations, salt, digest)


def _salted(name: str, side: str, salt: bytes) -> str:
    return f"${name}${side}${encode(salt)}"


def _pbkdf2(name: str, iterations: int, salt: bytes, digest: bytes) -> Digest:
    return f"$pbkdf2-{name}$i={iterations},l={len(digest)}${encode(salt)}", digest


def _scrypt(ln: int, r: int, p: int, salt: bytes, digest: bytes) -> Digest:
    return f"$scrypt$ln={ln},r={r},p={p},l={len(digest)}${encode(salt)}", digest


def _salt(given: HashParts) -> bytes:
    match given.salt_encoding:
        case "text":
            return given.salt.encode()
        case "hex":
            return bytes.fromhex(given.salt)
        case "base64":
            return _web_safe(given.salt)


def _logarithm(n: int) -> int:
    if n < 2 or n & (n - 1):
        raise UnusableHashError("its parameters are out of bounds")
    return n.bit_length() - 1


def _adapted(text: str) -> bytes:
    """Passlib writes a dot for a plus."""
    return decode(text.replace(".", "+"))


def _web_safe(text: str) -> bytes:
    """Base64 of either alphabet (RFC 4648 §4, §5)."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
