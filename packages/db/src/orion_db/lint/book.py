"""The table of rules, as `orion db lint --rules` and docs/migrations.md have it."""

from dataclasses import dataclass

from orion_db.lint import squawk
from orion_db.lint.rules import RULES, Rule, Severity
from orion_db.result import Result


@dataclass(frozen=True)
class RuleBook(Result):
    """All rules: ours, squawk's that speak, and squawk's that do not, each with its reason."""

    rules: tuple[Rule, ...]
    squawk: dict[str, Severity]
    replaced: dict[str, str]
    """Rules of squawk, and the rule of ours that decides the same with more knowledge."""
    excluded: dict[str, str]
    """Rules of squawk that this house contradicts, and why."""

    def in_words(self) -> list[str]:
        lines = [f"{len(self.rules)} of our own and {len(self.squawk)} of squawk's"]
        for rule in self.rules:
            lines += [f"{rule.severity} {rule.id}: {rule.why}", f"  do instead: {rule.instead}"]
        lines += [f"{severity} {rule}: see https://squawkhq.com/docs/{rule}" for rule, severity in self.squawk.items()]
        lines += [f"left to {ours}: {rule} of squawk" for rule, ours in self.replaced.items()]
        return lines + [f"excluded: {rule} of squawk: {reason}" for rule, reason in self.excluded.items()]


def rule_book() -> RuleBook:
    """All rules of this version."""
    return RuleBook("rules", tuple(RULES.values()), squawk.RULES, squawk.REPLACED, squawk.EXCLUDED)
