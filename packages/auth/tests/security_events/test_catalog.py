"""The catalog: complete, each type once, raised somewhere, and frozen by the page that tells of it."""

import ast
from pathlib import Path

import pytest

from orion_auth.security_events import rules
from orion_auth.security_events.rules import CATALOG, Kind, tags_of

PAGE = Path(__file__).parents[4] / "docs" / "security-events.md"
SOURCE = Path(rules.__file__).parents[1]


def line(kind: Kind) -> str:
    words = kind.title if kind.description is None else f"{kind.title}. {kind.description}"
    told = "yes" if kind.is_notified else "no"
    tags = ", ".join(f"`{tag}`" for tag in tags_of(kind))
    return f"| `{kind.type}` | {kind.category.value} | {kind.severity.value} | {tags} | {told} | {words} |"


def test_the_page_says_of_every_kind_what_the_catalog_says() -> None:
    documented = [text for text in PAGE.read_text().splitlines() if text.startswith("| `")]
    assert sorted(documented) == sorted(line(kind) for kind in CATALOG.values())


def test_no_two_kinds_have_the_same_type() -> None:
    assert len(CATALOG) == len([value for value in vars(rules).values() if isinstance(value, Kind)])


def used(path: Path) -> set[str]:
    """The names that a module uses, beside importing them."""
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def test_every_kind_is_raised_somewhere() -> None:
    names = {name for name, value in vars(rules).items() if isinstance(value, Kind)}
    modules = [path for path in SOURCE.rglob("*.py") if path != Path(rules.__file__)]
    raised = set[str]().union(*(used(path) for path in modules))
    assert sorted(names - raised) == []


@pytest.mark.parametrize("kind", CATALOG.values(), ids=list(CATALOG))
def test_a_kind_fits_its_columns_and_reads_as_a_sentence(kind: Kind) -> None:
    assert len(kind.type) <= 80 and len(kind.title) <= 200 and len(kind.description or "") <= 2000
    assert not kind.title.endswith(".")
    assert kind.description is None or kind.description.endswith(".")
