"""Passwords known from breaches: looked up in files, or asked of a service that learns five digits."""

from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import httpx
import pytest

from orion_auth.passwords import breached
from orion_auth.passwords.breached import RangeFiles, RangeService, breached_passwords

KNOWN = "correct horse battery staple"


def digest(password: str) -> str:
    return sha1(password.encode()).hexdigest().upper()


async def test_a_folder_of_range_files(tmp_path: Path) -> None:
    listed = digest(KNOWN)
    (tmp_path / f"{listed[:5]}.txt").write_text(f"{'0' * 35}:3\r\n{listed[5:]}:7\r\n")
    files = RangeFiles(tmp_path)
    assert await files.contains(KNOWN)
    assert not await files.contains("another password"), "no file: nobody is refused"
    (tmp_path / f"{listed[:5]}.txt").write_text(f"\ufeff{listed[5:]}:7\n", "utf-16")
    assert not await files.contains(KNOWN), "nor by one that cannot be read"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
async def test_one_file_of_sorted_hashes_is_searched(tmp_path: Path, ending: str) -> None:
    listed = [f"password {number}" for number in range(500)]
    lines = [f"{line}:{number}" for number, line in enumerate(sorted(map(digest, listed)))]
    path = tmp_path / "hashes.txt"
    path.write_text(ending.join(lines) + ending, newline="")
    files = breached_passwords(str(path))
    assert files is not None
    assert all([await files.contains(password) for password in listed])
    assert not any([await files.contains(f"other {number}") for number in range(100)])


async def test_the_same_letters_in_other_code_points_are_found(tmp_path: Path) -> None:
    (tmp_path / "hashes.txt").write_text(digest("caf\u00e9 au lait") + ":1\n")
    assert await RangeFiles(tmp_path / "hashes.txt").contains("cafe\u0301 au lait")


async def test_the_service_learns_five_digits_and_padding_is_no_finding() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        assert request.headers["Add-Padding"] == "true"
        return httpx.Response(200, text=f"{digest(KNOWN)[5:]}:12\r\n{digest('padding')[5:]}:0\r\n")

    service = RangeService("https://ranges.test/range/", httpx.MockTransport(answer))
    assert await service.contains(KNOWN)
    assert asked == [f"https://ranges.test/range/{digest(KNOWN)[:5]}"]
    assert not await service.contains("padding")
    await service.close()


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def ill(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def elsewhere(_: httpx.Request) -> httpx.Response:
    return httpx.Response(302, headers={"Location": "https://elsewhere.test"})


@pytest.mark.parametrize("answer", [away, ill, elsewhere])
async def test_a_service_that_cannot_be_asked_refuses_nobody(
    answer: Callable[[httpx.Request], httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def warning(event: str, **_: object) -> None:
        said.append(event)

    monkeypatch.setattr(breached.log, "warning", warning, raising=False)
    service = RangeService("https://ranges.test", httpx.MockTransport(answer))
    assert not await service.contains(KNOWN)
    assert said == ["breached_passwords.unreachable"]
    await service.close()
