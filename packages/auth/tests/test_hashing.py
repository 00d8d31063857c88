"""The lane for passwords: right, even for nobody, and never longer than its queue."""

import asyncio

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orion_auth import hashing
from orion_auth.hashing import LIBARGON2, LIBSODIUM, HashingLane, Library, hash_secret, quickest_library
from orion_auth.password_text import normalise_password
from orion_core.errors import Problem


async def test_right_wrong_and_nobody() -> None:
    lane = HashingLane(1)
    kept = await lane.hash("correct horse")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await lane.verify(kept, "correct horse")
    assert not await lane.verify(kept, "correct horse ")
    assert not await lane.verify(None, "correct horse")
    lane.close()


async def test_same_letters_in_other_code_points_are_the_same_password() -> None:
    lane = HashingLane(1)
    assert await lane.verify(await lane.hash("caf\u00e9 cr\u00e8me"), "cafe\u0301 cre\u0300me")
    lane.close()


async def test_a_full_queue_refuses_at_once() -> None:
    lane = HashingLane(1, patience=0.1)
    results = await asyncio.gather(*(lane.verify(None, "x") for _ in range(50)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Problem)]
    assert len(refused) >= 44
    assert {(problem.status, problem.headers["Retry-After"]) for problem in refused} == {(503, "1")}
    assert await lane.verify(None, "x") is False, "places are given back"
    lane.close()


OTHERS = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, hash_len=32, salt_len=16)


@pytest.mark.parametrize("library", [LIBSODIUM, LIBARGON2], ids=lambda library: library.name)
def test_others_who_know_argon2_read_our_hashes_and_we_theirs(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "quickest_library", lambda: library)
    assert OTHERS.verify(hash_secret("correct horse"), "correct horse")
    assert not OTHERS.check_needs_rehash(hash_secret("correct horse"))
    assert hashing.matches(OTHERS.hash("correct horse"), "correct horse")
    assert not hashing.matches(OTHERS.hash("correct horse"), "correct hors")
    assert hashing.OURS.fullmatch(hash_secret("correct horse")), "or it would not be verified by the quicker one"


def test_the_quicker_library_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def hash_three_times(secret: bytes) -> str:
        return "".join(LIBARGON2.hash(secret) for _ in range(3))

    quickest_library.cache_clear()
    monkeypatch.setattr(hashing, "LIBARGON2", LIBARGON2._replace(hash=hash_three_times))
    assert quickest_library() is LIBSODIUM
    quickest_library.cache_clear()


@pytest.mark.parametrize(
    "stronger",
    [
        PasswordHasher(3, 19 * 1024, 4),
        PasswordHasher(2, 19 * 1024, 1, hash_len=64),
        PasswordHasher(2, 19 * 1024, 1, salt_len=48),
    ],
    ids=["lanes", "hash", "salt"],
)
def test_what_is_stronger_than_ours_is_read_too(stronger: PasswordHasher) -> None:
    kept = stronger.hash("correct horse")
    assert hashing.matches(kept, "correct horse")
    assert not hashing.matches(kept, "correct horse ")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=8, max_size=256), st.characters(exclude_categories=["Cs"]))
def test_every_password_is_kept_whole_and_one_character_more_or_less_is_another(password: str, more: str) -> None:
    kept = hash_secret(normalise_password(password))
    assert hashing.matches(kept, password)
    others = (password[:-1] + chr(ord(password[-1]) ^ 1), password[:-1], password[1:], password + more, more + password)
    for other in others:
        is_same = normalise_password(other) == normalise_password(password)
        assert hashing.matches(kept, other) == is_same
