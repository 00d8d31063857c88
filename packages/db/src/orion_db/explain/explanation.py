"""What `explain` tells: plans in words, what would help, and what came of trying it."""

from dataclasses import dataclass
from typing import Any

from orion_db.explain.advice import Advice
from orion_db.explain.plan import Node, TriggerTime, read_plan
from orion_db.result import Result


@dataclass(frozen=True)
class PlanFound:
    """The plan of one statement, with what can be said of it."""

    sql: str
    was_run: bool
    is_generic: bool
    planning_ms: float
    execution_ms: float
    rolled_back: bool
    """Rows were changed, and the change was taken back."""
    tree: tuple[str, ...]
    costliest: str
    """Name of the node that most time went into by itself."""
    triggers: tuple[TriggerTime, ...]
    """Those that the statement set off, foreign keys among them, the dearest first."""
    blame: str
    advice: tuple[Advice, ...]
    settings: dict[str, str]
    """Settings of the planner that differ from PostgreSQL's own."""
    wal_bytes: int
    plan: dict[str, Any]
    """As PostgreSQL tells it (EXPLAIN, FORMAT JSON)."""

    @property
    def root(self) -> Node:
        return read_plan(self.plan["Plan"])

    def in_words(self) -> list[str]:
        lines = [*self.tree]
        if self.was_run:
            lines.append(f"planned in {self.planning_ms:,.2f} ms, run in {self.execution_ms:,.2f} ms")
        elif self.is_generic:
            lines.append("planned for any values, and not run: not all values were given (--set name=value)")
        else:
            lines.append("planned, and not run")
        lines += [
            f"trigger {trigger.name} on {trigger.table}: {trigger.total_ms:,.2f} ms, run {trigger.calls:,} times"
            for trigger in self.triggers
        ]
        lines.append(self.blame)
        if self.rolled_back:
            lines.append(
                f"what it changed is rolled back: {self.wal_bytes:,} bytes of WAL were written, dead rows stay until "
                "VACUUM, triggers have run, numbers it took from sequences are gone, and a NOTIFY was not sent"
            )
        if self.settings:
            lines.append("settings: " + ", ".join(f"{name} = {value}" for name, value in self.settings.items()))
        for advice in self.advice:
            lines.append(f"→ {advice.why}")
            if advice.index:
                lines.append(f"  {advice.index}")
        return lines


@dataclass(frozen=True)
class Explanation(Result):
    """The plans of what was asked for: one, or several when a named statement sends several."""

    query: str
    plans: tuple[PlanFound, ...]
    trial: "Trial | None" = None

    def in_words(self) -> list[str]:
        lines = [self.query if len(self.query) <= 100 else self.query[:99] + "…"]
        for number, plan in enumerate(self.plans, start=1):
            if len(self.plans) > 1:
                lines += ["", f"statement {number}: {' '.join(plan.sql.split())[:160]}"]
            lines += plan.in_words()
        return lines + (self.trial.in_words() if self.trial else [])


@dataclass(frozen=True)
class Trial:
    """A statement before and after an index was made, on a copy of the tables that it reads."""

    index: str
    size_bytes: int
    build_seconds: float
    before_ms: float
    after_ms: float
    is_used: bool
    tables: tuple[str, ...]
    tree: tuple[str, ...]

    def in_words(self) -> list[str]:
        factor = self.before_ms / self.after_ms if self.after_ms else 1.0
        verdict = f"{factor:,.1f} times as fast" if self.is_used else "the planner does not use it: do not make it"
        return [
            "",
            f"tried on a copy of {', '.join(self.tables)}: {self.index}",
            f"before {self.before_ms:,.2f} ms, after {self.after_ms:,.2f} ms: {verdict}",
            f"the index was built in {self.build_seconds:,.1f} s and has {self.size_bytes:,} bytes",
            *self.tree,
        ]
