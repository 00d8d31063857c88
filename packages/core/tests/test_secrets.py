"""Secrets that cannot be guessed, and codes that are guessed no better than by chance."""

import re
from base64 import urlsafe_b64decode
from collections import Counter
from unittest.mock import patch

from orion_core import secrets as ours
from orion_core.secrets import CODE_DIGITS, hash_secret, new_code, new_secret, new_selector

MANY = 10_000


def test_a_secret_has_256_bits_and_never_comes_again() -> None:
    secrets = {new_secret() for _ in range(MANY)}
    assert len(secrets) == len({new_selector() for _ in range(MANY)}) == MANY
    assert {len(urlsafe_b64decode(f"{secret}=")) * 8 for secret in secrets} == {256}
    ones = sum(byte.bit_count() for secret in secrets for byte in urlsafe_b64decode(f"{secret}="))
    assert abs(ones / (MANY * 256) - 0.5) < 0.005, "each bit as likely"
    assert len(hash_secret(new_secret())) == 32


def test_of_a_million_codes_each_is_as_likely() -> None:
    asked: list[int] = []

    def below(bound: int) -> int:
        asked.append(bound)
        return 42

    with patch.object(ours.secrets, "randbelow", below):
        assert new_code() == "000042", "none is left out for beginning with zeros"
    assert asked == [10**CODE_DIGITS] == [1_000_000]
    codes = [new_code() for _ in range(MANY)]
    assert all(re.fullmatch(r"[0-9]{6}", code) for code in codes)
    first = Counter(code[0] for code in codes)
    assert len(first) == 10 and min(first.values()) > MANY / 10 * 0.8
