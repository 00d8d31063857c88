"""What a revision's file says of itself, and on which line: downgrade, phase, acceptances."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orion_db.lint.finding import Finding, finding
from orion_db.revisions import Phase, Revision, unusable


@dataclass(frozen=True)
class RevisionFile:
    """A revision's file, read as Python but not run."""

    revision: str
    tree: ast.Module

    def function(self, name: str) -> ast.FunctionDef | None:
        return next((node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)

    def constant(self, name: str) -> ast.expr | None:
        """The value that the module gives the name."""
        found: ast.expr | None = None
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                is_it = any(isinstance(target, ast.Name) and target.id == name for target in targets)
                found = node.value if is_it else found
        return found

    @property
    def phase(self) -> Phase:
        """As it says; "pre" when it says nothing that can be understood, which is a finding of its own."""
        return "post" if _literal(self.constant("phase")) == "post" else "pre"

    def accepted(self) -> dict[str, str]:
        """Rule and reason, as `accepted` says them; what is no text is an empty one."""
        value = self.constant("accepted")
        if not isinstance(value, ast.Dict):
            return {}
        return {
            str(_literal(key)): str(_literal(reason) or "").strip()
            for key, reason in zip(value.keys, value.values, strict=True)
            if key is not None
        }

    def line_of(self, statement: str) -> int | None:
        """The line of `upgrade` (or of a function that it calls) that most likely executes the statement."""
        squeezed = _squeezed(statement)
        best, found = 0, None
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and _is_operation(node):
                score = sum(len(part) for part in self._texts(node) if part and part in squeezed)
                if score > best:
                    best, found = score, node.lineno
        backfill = self.constant("backfill")
        return found if found or backfill is None else backfill.lineno

    def _texts(self, call: ast.Call) -> Iterator[str]:
        for node in ast.walk(call):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                value = _literal(self.constant(node.id))
                yield _squeezed(value) if isinstance(value, str) else ""
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield _squeezed(node.value)


def read_file(revision: str, file: Path) -> RevisionFile:
    """The file as Python. Raises Problem `revision_unusable` when it is none."""
    try:
        return RevisionFile(revision, ast.parse(file.read_text(encoding="utf-8"), str(file)))
    except (SyntaxError, ValueError) as error:
        raise unusable(file, f"{type(error).__name__}: {error}") from error


def file_findings(revision: Revision, file: RevisionFile) -> Iterator[Finding]:
    """What is missing in the file itself."""
    downgrade = file.function("downgrade")
    if downgrade is None or _does_nothing(downgrade):
        words = "downgrade() does nothing" if downgrade else "it has no downgrade()"
        yield _at(finding(revision.name, "missing-downgrade", f"{words}."), downgrade)
    phase = file.constant("phase")
    if _literal(phase) not in ("pre", "post"):
        words = "it has no phase" if phase is None else f"phase is {ast.unparse(phase)}"
        yield _at(finding(revision.name, "missing-phase", f"{words}."), phase)


def _at(found: Finding, node: ast.stmt | ast.expr | None) -> Finding:
    return replace(found, line=node.lineno) if node else found


def _does_nothing(function: ast.FunctionDef) -> bool:
    """Whether the body is only a docstring, `pass`, `…`, `return` or `raise`."""
    idle = (ast.Pass, ast.Raise)
    return all(
        isinstance(node, idle)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant)))
        for node in function.body
    )


def _is_operation(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "op"


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _squeezed(text: str) -> str:
    return " ".join(text.replace("\\:", ":").split()).removesuffix(";")
