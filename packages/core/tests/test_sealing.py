"""A sealed field opens in its own place under a key of the ring; nowhere else, and not when anything was changed."""

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_core.sealing import Keyring, SealError, place, sealing_key_id

OLD = Keyring.parse(f"old:{b64encode(b'o' * 32).decode()}")
NEW = Keyring.parse(f"new:{b64encode(b'n' * 32).decode()}")
ROTATED = Keyring({**NEW.keys, **OLD.keys})

HERE = place("signing_keys", "private_key", 1)


@given(st.binary(max_size=2000), st.text(max_size=100))
def test_what_was_sealed_opens_in_its_place(plaintext: bytes, associated_data: str) -> None:
    envelope = OLD.seal(plaintext, associated_data)
    assert OLD.open(envelope, associated_data) == plaintext
    assert plaintext not in envelope or len(plaintext) < 4


@given(st.text(max_size=500))
def test_text_opens_as_text(plaintext: str) -> None:
    sealed = OLD.seal_text(plaintext, HERE)
    assert sealed.isascii() and OLD.open_text(sealed, HERE) == plaintext


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert len({OLD.seal(b"same", HERE) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "elsewhere",
    [
        place("signing_keys", "private_key", 2),
        place("signing_keys", "other_column", 1),
        place("other_table", "private_key", 1),
        "",
    ],
    ids=["another row", "another column", "another table", "no place"],
)
def test_an_envelope_that_was_moved_does_not_open(elsewhere: str) -> None:
    with pytest.raises(SealError):
        OLD.open(OLD.seal(b"value", HERE), elsewhere)


@given(st.data())
def test_an_envelope_with_one_flipped_bit_does_not_open(data: st.DataObject) -> None:
    envelope = bytearray(OLD.seal(b"a value", HERE))
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealError):
        OLD.open(bytes(envelope), HERE)


@given(st.data())
def test_a_truncated_envelope_does_not_open(data: st.DataObject) -> None:
    envelope = OLD.seal(b"a value", HERE)
    with pytest.raises(SealError):
        OLD.open(envelope[: data.draw(st.integers(0, len(envelope) - 1))], HERE)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"\x01" + tail))
def test_garbage_does_not_open(garbage: bytes) -> None:
    with pytest.raises(SealError):
        OLD.open(garbage, HERE)


@given(st.text(max_size=100))
def test_garbage_text_does_not_open(garbage: str) -> None:
    with pytest.raises(SealError):
        OLD.open_text(garbage, HERE)


def test_sealed_bytes_that_are_no_text_do_not_open_as_text() -> None:
    with pytest.raises(SealError):
        OLD.open_text(urlsafe_b64encode(OLD.seal(b"\xff", HERE)).decode(), HERE)


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(SealError, match="'old'"):
        NEW.open(OLD.seal(b"value", HERE), HERE)


def test_after_a_rotation_old_envelopes_open_and_new_ones_are_under_the_new_key() -> None:
    before = OLD.seal(b"value", HERE)
    assert ROTATED.open(before, HERE) == b"value"
    after = ROTATED.seal(ROTATED.open(before, HERE), HERE)
    assert (sealing_key_id(before), sealing_key_id(after)) == ("old", "new")
    assert NEW.open(after, HERE) == b"value", "once all is sealed anew, the old key can go"


def test_a_mac_of_the_old_key_is_good_until_that_key_is_gone() -> None:
    mac = OLD.mac("purpose", b"message")
    assert ROTATED.verify_mac("purpose", b"message", mac)
    assert not NEW.verify_mac("purpose", b"message", mac)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_mac_holds_for_one_message_and_one_purpose(message: bytes, other: bytes) -> None:
    mac = OLD.mac("purpose", message)
    assert OLD.verify_mac("purpose", message, mac)
    assert OLD.verify_mac("purpose", other, mac) == (message == other)
    assert not OLD.verify_mac("other purpose", message, mac)
    assert not OLD.verify_mac("purpose", message, b"")
    assert not OLD.verify_mac("purpose", message, mac[:16])


def test_derived_keys_are_not_the_key_itself_nor_each_other() -> None:
    (one,), (two,) = OLD.derive("one"), OLD.derive("two")
    assert len({one, two, *OLD.keys.values()}) == 3


KEY = b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", f":{KEY}", f"a:{KEY[:-8]}", f"a:{KEY}x", f"a:{KEY},a:{KEY}", f"a:{KEY},", f"{'a' * 33}:{KEY}", KEY],
)
def test_a_bad_keyring_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="must be ID:BASE64") as refusal:
        Keyring.parse(text)
    assert KEY[:8] not in str(refusal.value)


def test_a_keyring_shows_only_the_names_of_its_keys() -> None:
    assert repr(ROTATED) == "Keyring(new, old)"


def test_a_new_key_can_be_read_and_is_new() -> None:
    keys = [Keyring.parse(Keyring.new_key("2026a")).keys["2026a"] for _ in range(10)]
    assert len(set(keys)) == 10 and {len(key) for key in keys} == {32}


def test_the_envelope_is_as_documented() -> None:
    envelope = OLD.seal(b"12345", HERE)
    assert envelope[:5] == b"\x01\x03old" and len(envelope) == 5 + 12 + 5 + 16
    assert urlsafe_b64decode(OLD.seal_text("12345", HERE))[:5] == b"\x01\x03old"
