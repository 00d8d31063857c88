"""docs/asvs.md says which test holds which requirement. What it says has to be there."""

import ast
import json
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "asvs.md"
WAYS = ROOT / "docs" / "ways-in.md"

NAMED = re.compile(r"`([\w./-]+\.py)::([\w:]+)`")
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([123]) \| (.+?) \| (held|partly|not held|does not apply) \| (.+) \|$")

SECTIONS = {
    "6.1": 3,
    "6.2": 12,
    "6.3": 8,
    "6.4": 4,
    "6.5": 5,
    "6.6": 3,
    "6.8": 4,
    "7.1": 3,
    "7.2": 4,
    "7.3": 2,
    "7.4": 5,
    "7.5": 2,
    "7.6": 2,
    "8.1": 4,
    "8.2": 4,
    "8.3": 3,
    "8.4": 2,
    "9.1": 3,
    "9.2": 4,
    "10.1": 2,
    "10.2": 2,
    "10.3": 4,
    "10.4": 16,
    "10.5": 5,
    "10.6": 2,
    "10.7": 3,
}
"""How many requirements of each section the page is about: levels 1 and 2, which come first; 3 in 6.3, 8 and 10.4."""

LEVEL_3 = {
    *(f"6.3.{n}" for n in range(5, 9)),
    *("8.1.3", "8.1.4", "8.2.4", "8.3.2", "8.3.3", "8.4.2"),
    *(f"10.4.{n}" for n in range(12, 17)),
}


@cache
def named_in(path: str) -> frozenset[str]:
    """The names of the tests of a file; those of a class with its name."""
    names: set[str] = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            functions = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}::{each.name}" for each in functions}
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


def rows() -> list[tuple[str, str, str, str]]:
    """Number, level, verdict and what holds it, of each requirement."""
    found = [ROW.match(line) for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line)]
    assert all(found), [
        line for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line) and not ROW.match(line)
    ]
    return [(row[1], row[2], row[4], row[5]) for row in found if row is not None]


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 80
    missing = [f"{path}::{name}" for path, name in named if not (ROOT / path).is_file() or name not in named_in(path)]
    assert missing == []


def test_every_requirement_of_levels_1_and_2_has_its_row() -> None:
    numbers = [number for number, *_ in rows()]
    assert numbers == [f"{section}.{n}" for section, count in SECTIONS.items() for n in range(1, count + 1)]
    assert {number for number, level, *_ in rows() if level == "3"} == LEVEL_3


def test_what_is_held_is_held_by_something() -> None:
    for number, _, verdict, held_by in rows():
        if verdict in ("held", "partly"):
            assert NAMED.search(held_by) or "](" in held_by, f"{number} names neither a test nor a document"


def test_every_way_in_is_described() -> None:
    """A route that answers with a session is a way in, and stands in docs/ways-in.md."""
    document = json.loads((ROOT / "docs" / "api" / "auth.openapi.json").read_text())
    described = WAYS.read_text()
    ways = [
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "/SessionGranted" in json.dumps(operation["responses"])
    ]
    assert len(ways) >= 5
    assert [path for path in ways if f"`POST {path}`" not in described] == []
