"""Files encrypted in pieces, so that one of any size is never whole in memory, and any change of it is found.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) over AES-256-GCM, as the file format of age has it:
a key of its own for each file (HKDF-SHA-256 of the ring's key and a random salt), a nonce that is the piece's
number and whether it is the last. So pieces cannot be cut off, swapped, or taken to another file: the name of
backup and file is associated data of each.

    "ORIONBK1" | salt, 32 bytes | pieces of 1 MiB, each with its 16-byte tag; the last one is shorter, or empty
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orion_db.backups.files import private

PIECE = 1024 * 1024
_TAG = 16
_SALT = 32
_MAGIC = b"ORIONBK1"


class TamperedError(Exception):
    """The file is not what was encrypted under this key for this place."""


def encrypt(source: Path, goal: Path, key: bytes, place: str) -> None:
    """Write `source` encrypted to `goal`, which only its owner may read. `place` names backup and file."""
    salt = os.urandom(_SALT)
    cipher = _cipher(key, salt)
    with source.open("rb") as plain, open(goal, "xb", opener=private) as sealed:
        sealed.write(_MAGIC + salt)
        sealed.writelines(
            cipher.encrypt(_nonce(number, last), piece, place.encode())
            for number, (piece, last) in enumerate(_pieces(plain, PIECE))
        )


def decrypt(source: Path, goal: Path, key: bytes, place: str) -> None:
    """The inverse of `encrypt`. Raises TamperedError; what was written until then is to be thrown away."""
    with source.open("rb") as sealed, open(goal, "xb", opener=private) as plain:
        if sealed.read(len(_MAGIC)) != _MAGIC:
            raise TamperedError("it is no encrypted file")
        cipher = _cipher(key, sealed.read(_SALT))
        for number, (piece, last) in enumerate(_pieces(sealed, PIECE + _TAG)):
            try:
                plain.write(cipher.decrypt(_nonce(number, last), piece, place.encode()))
            except (InvalidTag, ValueError):
                raise TamperedError(f"piece {number + 1} was changed, moved or cut off") from None


def _pieces(file: IO[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Each piece, and whether it is the last; of an empty file one empty piece."""
    piece = file.read(size)
    while following := file.read(size):
        yield piece, False
        piece = following
    yield piece, True


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"orion backup file").derive(key))
