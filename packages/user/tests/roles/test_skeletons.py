"""Names that differ only by case, width, spaces or look-alike letters look the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orion_user.roles.rules import bare, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Admin", "ADMIN"),
        ("Admin", "Аdmіn"),  # Cyrillic А and і
        ("Admin", "Adrnin"),
        ("Admin", "Ａｄｍｉｎ"),
        ("Super Admin", " Super  Admin "),
        ("Super Admin", "Super\u00a0Ad\u200bmin"),
        ("Owner", "0wner"),
        ("Billing", "Bil1ing"),
        ("Billing", "Bi|ling"),
        ("Café", "Cafe\u0301"),
        ("Scope", "Ѕсоре"),
        ("Ops", "𝐎𝗉𝘀"),
        ("Office", "Oﬃce"),
        *(("Admin", f"Ad{unseen}min") for unseen in "\u00ad\u034f\u061c\u115f\u17b4\u180b\u3164\ufe0f\uffa0\U000e0061"),
        ("Super Admin", "Super\u2800Admin\u2800"),
    ],
)
def test_these_look_the_same(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Editor", "Auditor"), ("Café", "Cafe"), ("Reader", "Leader"), ("読者", "編集者")]
)
def test_these_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_neither_what_parts_words_nor_an_accent_makes_another_name() -> None:
    names = ("Super Admin", "Superadmin", "super_admin", "Super-Admin", "Super\u00b7Ádmin", "\u201cSuper Admin\u201d.")
    assert {bare(name) for name in names} == {"superadrnln"}
    assert bare("Super Admins") != bare("Super Admin")


@given(st.text(max_size=30))
def test_what_looks_like_something_looks_like_its_skeleton(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
    assert skeleton(f"  {text}  ") == skeleton(text)
