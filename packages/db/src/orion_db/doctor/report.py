"""What an examination came to, in words and over time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orion_db.doctor.finding import Finding, Severity
from orion_db.doctor.history import Checkup
from orion_db.errors import Exit
from orion_db.result import Result

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 60


@dataclass(frozen=True)
class NotSeen:
    """A check that could not be made, or not wholly."""

    check: str
    why: str


@dataclass(frozen=True)
class Treatment:
    """What was done about a finding, and whether it helped."""

    check: str
    object: str
    statements: tuple[str, ...]
    cured: bool
    reason: str = ""
    """Why not, when it was not cured."""


@dataclass(frozen=True)
class Examination(Result):
    """How healthy a database is."""

    database: str
    score: int
    """0 to 100; see `score`."""
    findings: tuple[Finding, ...]
    """What is ill still, after the treatments."""
    not_seen: tuple[NotSeen, ...]
    treatments: tuple[Treatment, ...] = ()
    would_treat: tuple[Finding, ...] = ()
    """What `--fix` would do something about, of a dry run."""
    recorded: bool = False

    @property
    def exit_code(self) -> Exit:
        ill = any(finding.severity is not Severity.INFO for finding in self.findings)
        return Exit.FOUND if ill else Exit.OK

    def in_words(self) -> list[str]:
        counts = Counter(finding.severity for finding in self.findings)
        found = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
        lines = [f"score {self.score} of 100; {found or 'nothing found'}"]
        for treatment in self.treatments:
            outcome = "cured" if treatment.cured else f"not cured: {treatment.reason}"
            lines.append(f"fixed  {treatment.check}  {treatment.object}: {outcome}")
        lines += [f"would fix  {found.check}  {found.object}: {'; '.join(found.fix)}" for found in self.would_treat]
        for finding in sorted(self.findings, key=lambda finding: list(Severity).index(finding.severity)):
            lines += _told(finding)
        return lines + [f"not seen  {unseen.check}: {unseen.why}" for unseen in self.not_seen]


def _told(finding: Finding) -> list[str]:
    if finding.severity is Severity.INFO:
        return [
            f"info  {finding.check}  {finding.object}: {finding.what}",
            *(f"    fix   {fix}" for fix in finding.fix),
        ]
    safe = "  (safe: doctor --fix does it)" if finding.safe else ""
    return [
        f"{finding.severity}  {finding.check}  {finding.object}: {finding.what}",
        f"    why   {finding.why}",
        *(f"    fix   {line}{safe}" for line in finding.fix),
        *(f"    undo  {line}" for line in finding.undo),
    ]


@dataclass(frozen=True)
class Past(Result):
    """The score over time."""

    checkups: tuple[Checkup, ...]

    def in_words(self) -> list[str]:
        if not self.checkups:
            return ["no checkup was recorded yet; `orion db doctor` records one"]
        scores = [checkup.score for checkup in self.checkups][-_SHOWN:]
        lines = [f"{sparkline(scores)}  {scores[0]} → {scores[-1]}, {len(self.checkups)} checkups"]
        previous: Checkup | None = None
        for checkup in self.checkups[-_SHOWN:]:
            lines.append(_moment(checkup, previous))
            previous = checkup
        return lines


def _moment(checkup: Checkup, previous: Checkup | None) -> str:
    """One checkup, and what is new or gone since the one before."""
    new, gone = _ills(checkup) - _ills(previous), _ills(previous) - _ills(checkup)
    changes = [*(f"+ {ill}" for ill in sorted(new)), *(f"- {ill}" for ill in sorted(gone))] if previous else []
    more = f" … {len(changes) - 4} more" if len(changes) > 4 else ""
    taken_at: datetime = checkup.taken_at
    told = "  ".join(changes[:4]) + more
    return f"{taken_at:%Y-%m-%d %H:%M}  {checkup.score:3d}  {checkup.taken_by}  {told}".rstrip()


def _ills(checkup: Checkup | None) -> set[str]:
    found = checkup.findings if checkup else ()
    return {f"{entry['check']} {entry['object']}" for entry in found if entry["severity"] != Severity.INFO}


def sparkline(scores: Sequence[int]) -> str:
    """Scores from 0 to 100 as bars, oldest first."""
    return "".join(_BARS[min(score * len(_BARS) // 101, len(_BARS) - 1)] for score in scores)
