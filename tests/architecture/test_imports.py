"""Fence 2: services are islands, slices are layered, rules are pure.

What import-linter can say is said in pyproject.toml. The rest compares a module with the slice it stands in.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["orion_auth", "orion_user", "orion_notifications"]

SLICE_FILES = {"routes", "actions", "rules", "store", "tables", "shapes"}
OPEN_TO_NEIGHBOURS = {"actions", "events", "guard", "rules", "shapes"}
"""What a slice may import of another slice: what it can do, tells and answers, whom it lets pass, its pure words."""
WIRING = {"app", "migrations", "seeds", "service", "worker"}
"""What a slice may not import of its service's own level, for it imports the slices."""

IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "uuid4", "uuid7", "read_text", "write_text"}


def modules_named(name: str) -> list[Path]:
    return sorted(ROOT.glob(f"packages/*/src/**/{name}.py"))


def slice_of(module: str) -> str | None:
    """The slice (`orion_auth.sessions`) that `module` is in, or None for the service's own level."""
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else None


def forbidden_between_slices(graph: grimp.ImportGraph, service: str) -> Iterator[str]:
    """Every import by which a slice opens more of its service than it may."""
    slices = {slice_of(module) for module in graph.modules if module.rpartition(".")[2] in SLICE_FILES} - {None}
    for importer in sorted(module for module in graph.modules if slice_of(module) in slices):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            part, within = imported.removeprefix(f"{service}.").split(".")[0], imported.rpartition(".")[2]
            is_neighbour = f"{service}.{part}" in slices and f"{service}.{part}" != slice_of(importer)
            if part in WIRING or (is_neighbour and within not in OPEN_TO_NEIGHBOURS):
                yield f"{importer} imports {imported}"


def test_import_contracts_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-logo"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_slice_opens_only_what_its_neighbours_offer(service: str) -> None:
    graph = grimp.build_graph(service, cache_dir=None)
    assert list(forbidden_between_slices(graph, service)) == []


def test_a_neighbours_store_would_be_noticed() -> None:
    graph = grimp.ImportGraph()
    for module in ["shop", "shop.app", "shop.carts.store", "shop.carts.actions", "shop.orders.actions"]:
        graph.add_module(module)
    graph.add_import(importer="shop.app", imported="shop.carts.store")
    graph.add_import(importer="shop.orders.actions", imported="shop.carts.actions")
    assert list(forbidden_between_slices(graph, "shop")) == []
    graph.add_import(importer="shop.orders.actions", imported="shop.carts.store")
    graph.add_import(importer="shop.orders.actions", imported="shop.app")
    assert list(forbidden_between_slices(graph, "shop")) == [
        "shop.orders.actions imports shop.app",
        "shop.orders.actions imports shop.carts.store",
    ]


@pytest.mark.parametrize("path", modules_named("rules"), ids=str)
def test_rules_are_told_the_time_and_wait_for_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(), filename=str(path))
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in IMPURE_CALLS)
    ]
    assert found == []


@pytest.mark.parametrize("folder", sorted(ROOT.glob("packages/*/src/*/migrations")), ids=lambda path: path.parent.name)
def test_migrations_import_nothing_of_ours(folder: Path) -> None:
    """A migration is history: it must do the same whatever becomes of the code around it."""
    imported = [
        f"{path.name} imports {name}"
        for path in sorted(folder.glob("*.py"))
        for name in imported_names(path)
        if name.startswith("orion_")
    ]
    assert imported == []


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
