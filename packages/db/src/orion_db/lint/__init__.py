"""What is wrong with revisions, said before they are applied."""

from orion_db.lint.finding import Finding
from orion_db.lint.lint import Linting, lint
from orion_db.lint.rules import Rule, Severity

__all__ = ["Finding", "Linting", "Rule", "Severity", "lint"]
