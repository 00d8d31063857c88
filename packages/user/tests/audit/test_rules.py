"""Values become JSON that comes back from jsonb as it went in, without secrets; leaves name every column."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orion_core.ids import uuid7
from orion_user.audit import rules
from orion_user.audit.rules import ActorType, canonical, differences, plain

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids()
    | st.ip_addresses()
    | st.decimals(allow_nan=False)
    | st.sampled_from(ActorType),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_becomes_json_that_is_read_back_the_same(value: Any) -> None:
    made = plain(value)
    assert json.loads(canonical(made)) == made
    assert b"\\u0000" not in canonical(made)
    assert plain(made) == made


@given(st.dictionaries(st.text(), VALUES), st.dictionaries(st.text(), VALUES))
def test_only_what_differs_is_told(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after, changed = differences(old, new)
    assert len(changed) == len({name for name in {*old, *new} if old.get(name, ...) != new.get(name, ...)})
    assert len(before) <= len(changed) >= len(after)


def test_secrets_are_not_told() -> None:
    old, new, changed = differences({"password": "a"}, {"password": "b", "note": "see https://a:b@host/?token=abc"})
    assert changed == ["note", "password"]
    assert old == {"password": "[redacted]"}
    assert new == {"password": "[redacted]", "note": "see https://[redacted]@host/?[redacted]"}


def test_values_are_bounded() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    made = plain({"text": "a" * 10_000, "many": list(range(10_000)), "deep": deep})
    assert made["text"] == "a" * 2_000 + "… (10000 characters)"
    assert len(made["many"]) == 200
    assert len(canonical(made)) < 5_000


def test_plain_values() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    user_id = uuid7()
    assert plain([ActorType.USER, at, user_id, ip_address("::1"), Decimal("1.50"), 1.0, 0.5, 2**70, b"abc"]) == [
        "USER",
        "2026-01-02T03:04:05.000006+00:00",
        str(user_id),
        "::1",
        "1.50",
        1,
        "0.5",
        str(2**70),
        "3 bytes",
    ]


def test_a_leaf_depends_on_every_column() -> None:
    row: dict[str, Any] = {name: f"{name} 1" for name in (*rules.HASHED, *rules.PERSONAL)}

    def leaf(values: dict[str, Any], transaction_id: int = 7) -> bytes:
        return rules.leaf_hash(transaction_id, rules.leaf_body(values, rules.commitment(b"salt", values)))

    leaves = {leaf(row), leaf(row, 8), *(leaf(row | {name: f"{name} 2"}) for name in row)}
    assert len(leaves) == 2 + len(row)
