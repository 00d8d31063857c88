"""What an administrator does with the policy of risk: read, change, and try on the past."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from orion_auth.base import AnyRow
from orion_auth.risk import store
from orion_auth.risk.rules import Assessment, Policy, Signals, assess
from orion_auth.risk.shapes import Difference, PolicyChange, PolicyShape, PolicyVersions, Simulation
from orion_auth.security_events import actions as security_events
from orion_auth.security_events.actions import Circumstances
from orion_auth.security_events.rules import RISK_POLICY_CHANGED
from orion_core.database import Database
from orion_core.errors import Problem
from orion_core.stretches import Stretches

MOST_VERSIONS = 100
AT_ONCE = 500
"""Attempts in memory at the same time."""
MOST_BATCHES = 40
"""Read for one part of a simulation, which also ends after so many seconds."""
MOST_SECONDS = 0.5
MOST_DIFFERENCES = 100
FIRST = UUID(int=0)
"""Before every id."""


async def read(database: Database) -> PolicyShape:
    """The policy in force."""
    async with database.autocommit() as connection:
        return _shape(await store.active(connection))


async def versions(database: Database) -> PolicyVersions:
    """The latest versions."""
    async with database.autocommit() as connection:
        rows = await store.versions(connection, MOST_VERSIONS)
    return PolicyVersions(items=[_shape(row) for row in rows])


async def change(
    database: Database,
    wanted: PolicyChange,
    changed_by: str,
    require: Callable[[PolicyShape], None],
    circumstances: Circumstances,
    now: datetime,
) -> PolicyShape:
    """Put another policy in force; the one before stays as history. 412 when somebody else did so meanwhile."""
    async with database.transaction() as transaction:
        current = _shape(await store.active(transaction.connection))
        require(current)
        values = wanted.model_dump() | {"created_by": changed_by}
        if not await store.replace_active(transaction.connection, current.version, values):
            detail = "The policy was changed meanwhile; read it again and repeat the change."
            raise Problem(412, "precondition_failed", "Changed meanwhile", detail)
        changed = _shape(await store.active(transaction.connection))
        versions = {"before": current.version, "after": changed.version}
        await security_events.note_administration(
            transaction, RISK_POLICY_CHANGED, changed_by, replace(circumstances, details=versions), now
        )
    return changed


async def simulate(database: Database, policy: Policy, since: datetime, until: datetime, most: int) -> Simulation:
    """Decide again on every attempt that was assessed in this time, from what was known then.

    The first `most` that would be decided otherwise are told one by one. Each batch is read in a transaction of its
    own: it holds up nobody, and a year takes as much memory as a day.
    """
    tally, after = _Tally(policy, most), FIRST
    while after is not None:
        after = await _examine(database, tally, since, until, after)
    return tally.told


async def simulate_part(
    database: Database, policy: Policy, since: datetime, until: datetime, after: UUID | None
) -> tuple[Simulation, UUID | None]:
    """The same of as many attempts, after one, as may be looked at in one request; and after which to go on."""
    tally = _Tally(policy, MOST_DIFFERENCES)
    following = await _examine(database, tally, since, until, after or FIRST)
    return tally.told, following


@dataclass
class _Tally:
    """What a policy would have decided, as far as attempts were looked at."""

    policy: Policy
    most: int
    recorded: Counter[str] = field(default_factory=Counter[str])
    simulated: Counter[str] = field(default_factory=Counter[str])
    changed: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])

    def add(self, row: AnyRow) -> None:
        """Decide on one attempt again."""
        again = assess(Signals(**row.risk["signals"]), self.policy)
        self.recorded[row.risk["verdict"]] += 1
        self.simulated[again.verdict] += 1
        if again.verdict == row.risk["verdict"]:
            return
        self.changed += 1
        if len(self.differences) < self.most:
            self.differences.append(_difference(row, again))

    @property
    def told(self) -> Simulation:
        """In the words of the answer."""
        return Simulation(
            examined=self.recorded.total(),
            recorded=dict(self.recorded),
            simulated=dict(self.simulated),
            changed=self.changed,
            differences=self.differences,
        )


async def _examine(database: Database, tally: _Tally, since: datetime, until: datetime, after: UUID) -> UUID | None:
    """Look at attempts until there are no more (None), or enough for now: after which to go on."""
    stretches = Stretches()
    for _ in range(MOST_BATCHES):
        async with database.autocommit() as connection:
            rows = await store.history(connection, after, since, until, AT_ONCE)
        for row in rows:
            if row.risk is not None and since <= row.attempted_at < until:
                tally.add(row)
            await stretches.give_way()
        if len(rows) < AT_ONCE:
            return None
        after = rows[-1].id
        if stretches.spent > MOST_SECONDS:
            break
    return after


def _difference(row: AnyRow, again: Assessment) -> Difference:
    return Difference(
        attempt_id=row.id,
        user_id=row.user_id,
        attempted_at=row.attempted_at,
        outcome=row.status,
        recorded_score=row.risk_score,
        recorded_verdict=row.risk["verdict"],
        score=again.score,
        verdict=again.verdict,
        reasons=[reason.detail for reason in again.reasons],
    )


def _shape(row: AnyRow | None) -> PolicyShape:
    if row is None:
        default = Policy()
        return PolicyShape(
            version=0,
            is_active=True,
            step_up_at=default.step_up_at,
            block_at=default.block_at,
            weights=dict(default.weights),
            created_by="auth",
            created_at=None,
        )
    return PolicyShape(
        version=row.version,
        is_active=row.is_active,
        step_up_at=row.step_up_at,
        block_at=row.block_at,
        weights=row.weights,
        created_by=row.created_by,
        created_at=row.created_at,
    )
