"""A finding of `lint`, and the statement that it is about."""

from dataclasses import dataclass

from orion_db.lint.rules import RULES, Severity


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a revision."""

    revision: str
    rule: str
    severity: Severity
    what: str
    """What was found here."""
    instead: str
    """How to do it instead."""
    table: str = ""
    statement: str = ""
    line: int | None = None
    """In the revision's file; None when no line is to blame."""
    accepted: str = ""
    """The reason for which it is accepted."""

    def __str__(self) -> str:
        place = f"{self.revision}:{self.line}" if self.line else self.revision
        return f"{place} {self.severity} {self.rule}: {self.what}"


def finding(revision: str, rule_id: str, what: str, *, table: str = "", statement: str = "") -> Finding:
    """A finding of one of our own rules."""
    rule = RULES[rule_id]
    return Finding(revision, rule.id, rule.severity, what, rule.instead, table, statement)
