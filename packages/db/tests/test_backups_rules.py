"""Which backups stay, for any history of them; and that encrypted files notice every way of changing them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orion_db.backups.encryption import PIECE, TamperedError, decrypt, encrypt
from orion_db.backups.rules import Retention, Taken, kept

BEGIN = datetime(2024, 2, 26, tzinfo=UTC)

histories = st.lists(
    st.tuples(st.integers(0, 24 * 900), st.sampled_from([True, False, None])),
    min_size=1,
    max_size=60,
    unique_by=lambda e: e[0],
).map(lambda found: [Taken(f"{hour:06}", BEGIN + timedelta(hours=hour), sound) for hour, sound in found])

retentions = st.builds(Retention, *[st.integers(0, 9)] * 4)


@given(histories, retentions)
def test_what_must_never_go_stays(backups: list[Taken], retention: Retention) -> None:
    staying = kept(backups, retention).keys()
    by_time = sorted(backups, key=lambda backup: backup.at)
    assert by_time[-1].name in staying
    assert {backup.name for backup in [backup for backup in by_time if backup.sound][-1:]} <= staying
    assert {backup.name for backup in [b for b in by_time if b.sound is not False][::-1][: retention.last]} <= staying


@given(histories, retentions)
def test_no_more_stay_than_are_asked_for(backups: list[Taken], retention: Retention) -> None:
    asked = retention.last + retention.daily + retention.weekly + retention.monthly
    assert len(kept(backups, retention)) <= asked + 2


@given(histories, retentions)
def test_pruning_again_deletes_nothing_more(backups: list[Taken], retention: Retention) -> None:
    first = kept(backups, retention)
    assert kept([backup for backup in backups if backup.name in first], retention).keys() == first.keys()


@given(histories, retentions, retentions)
def test_asking_for_more_keeps_more(backups: list[Taken], first: Retention, second: Retention) -> None:
    both = Retention(
        max(first.last, second.last),
        max(first.daily, second.daily),
        max(first.weekly, second.weekly),
        max(first.monthly, second.monthly),
    )
    assert kept(backups, first).keys() | kept(backups, second).keys() <= kept(backups, both).keys()


def test_grandfather_father_son() -> None:
    nightly = [Taken(f"{day}", BEGIN + timedelta(days=day, hours=2)) for day in range(800)]
    staying = kept(nightly, Retention(last=3, daily=7, weekly=4, monthly=12))
    assert len(staying) == 7 + 2 + 10  # two of the weeks and of the months end in the last seven days
    assert staying["799"] == ["the newest", "one of the last", "day 2026-05-05", "week 2026-W19", "month 2026-05"]


sizes = st.sampled_from([0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])


@given(sizes)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
def test_what_was_encrypted_comes_back(tmp_path: Path, size: int) -> None:
    plain, sealed, again = (tmp_path / name for name in ("plain", "sealed", "again"))
    for path in (sealed, again):
        path.unlink(missing_ok=True)
    plain.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    encrypt(plain, sealed, b"k" * 32, "backup/file")
    decrypt(sealed, again, b"k" * 32, "backup/file")
    assert again.read_bytes() == plain.read_bytes()
    assert sealed.stat().st_mode & 0o077 == 0


def test_every_way_of_changing_an_encrypted_file_is_noticed(tmp_path: Path) -> None:
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    plain.write_bytes(b"a" * (3 * PIECE))
    encrypt(plain, sealed, b"k" * 32, "backup/file")
    content, head, piece = sealed.read_bytes(), 40, PIECE + 16
    one, two, three = (content[head + piece * n : head + piece * (n + 1)] for n in range(3))
    start = content[:head]
    for number, changed in enumerate(
        (
            content[:-1],
            start + one + two,  # cut off at the end of a piece
            start,
            start[:20],
            b"",
            start + two + one + three,
            start + one + one + three,
            content + b"x",
            content + three,
            content[:100] + bytes([content[100] ^ 1]) + content[101:],
            start[:30] + b"saltsaltsa" + content[40:],
        )
    ):
        sealed.write_bytes(changed)
        with pytest.raises(TamperedError):
            decrypt(sealed, tmp_path / f"{number}", b"k" * 32, "backup/file")
    sealed.write_bytes(content)
    for number, (key, place) in enumerate(((b"l" * 32, "backup/file"), (b"k" * 32, "backup/other"))):
        with pytest.raises(TamperedError):
            decrypt(sealed, tmp_path / f"other-{number}", key, place)
