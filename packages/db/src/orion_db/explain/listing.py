"""The named statements of a service as a command tells them."""

from dataclasses import dataclass

from orion_core.service import Service
from orion_db.explain.named import NamedStatement, named_statements
from orion_db.result import Result


@dataclass(frozen=True)
class StatementList(Result):
    """What `explain --list` tells."""

    statements: tuple[NamedStatement, ...]

    def in_words(self) -> list[str]:
        lines = [f"{len(self.statements)} named statements"]
        for statement in self.statements:
            arguments = ", ".join(f"{argument.name}: {argument.type}" for argument in statement.arguments)
            lines.append(f"{statement.name}({arguments})")
            lines.append(f"    {statement.meaning.splitlines()[0] if statement.meaning else ''}")
            if statement.not_explainable:
                lines.append(f"    not from the command line: {statement.not_explainable}")
        return lines


def list_statements(service: Service) -> StatementList:
    """All of the service's."""
    return StatementList(service.name, tuple(named_statements(service)))
