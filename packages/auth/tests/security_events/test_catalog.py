"""The catalog: complete, each type once, and frozen by the page that tells of it."""

from pathlib import Path

import pytest

from orion_auth.security_events import rules
from orion_auth.security_events.rules import CATALOG, Kind

PAGE = Path(__file__).parents[4] / "docs" / "security-events.md"


def line(kind: Kind) -> str:
    words = kind.title if kind.description is None else f"{kind.title}. {kind.description}"
    told = "yes" if kind.is_notified else "no"
    return f"| `{kind.type}` | {kind.category.value} | {kind.severity.value} | {told} | {words} |"


def test_the_page_says_of_every_kind_what_the_catalog_says() -> None:
    documented = [text for text in PAGE.read_text().splitlines() if text.startswith("| `")]
    assert sorted(documented) == sorted(line(kind) for kind in CATALOG.values())


def test_no_two_kinds_have_the_same_type() -> None:
    assert len(CATALOG) == len([value for value in vars(rules).values() if isinstance(value, Kind)])


@pytest.mark.parametrize("kind", CATALOG.values(), ids=list(CATALOG))
def test_a_kind_fits_its_columns_and_reads_as_a_sentence(kind: Kind) -> None:
    assert len(kind.type) <= 80 and len(kind.title) <= 200 and len(kind.description or "") <= 2000
    assert not kind.title.endswith(".")
    assert kind.description is None or kind.description.endswith(".")
