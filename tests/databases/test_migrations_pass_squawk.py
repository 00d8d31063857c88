"""The migrations of all services pass squawk itself and our own rules; what is left out is left out with a reason."""

from typing import TYPE_CHECKING

import pytest

from orion_core.service import installed_services
from orion_db.lint.file_rules import read_file
from orion_db.lint.lint import judge
from orion_db.lint.rules import RULES
from orion_db.lint.squawk import EXCLUDED, REPLACED, run_squawk, script
from orion_db.lint.squawk import RULES as SPEAKING
from orion_db.revisions import read_revisions
from orion_db.trace import trace

if TYPE_CHECKING:
    from tests.databases.conftest import Platform

SERVICES = sorted(installed_services())
DROPS = "require-concurrent-index-deletion"


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_is_said_of_any_revision(platform: "Platform", service: str) -> None:
    """Squawk looks at the SQL that a deploy sends, less the exclusions with a reason; REPLACED are none of them."""
    target = platform.targets[service]
    revisions = read_revisions(target.service.migrations)
    traces = await trace(target, revisions, [revision.name for revision in revisions])
    assert [trace.revision.name for trace in traces] == [revision.name for revision in revisions]
    for found in traces:
        answered = set(read_file(found.revision.name, found.revision.file).accepted())
        if found.revision.phase == "post":
            answered.add("wrong-phase")  # what is taken away is taken away in the right one
        left_out = [*EXCLUDED, *(rule for rule, ours in REPLACED.items() if ours in answered)]
        written = script(found)
        told = await run_squawk(written.sql, platform.server.version * 10000, exclude=tuple(left_out))
        # The index of a partitioned table cannot be dropped CONCURRENTLY; a deploy drops it in a step of its own.
        said = [(entry["rule_name"], written.statement_at(int(entry["line"]))) for entry in told]
        left = [each for each in said if each[0] != DROPS or each[1] is None or each[1].kind != "concurrent index"]
        assert left == [], found.revision.name
    linting = await judge(target, revisions, traces)
    assert [str(entry) for entry in linting.findings] == []
    assert linting.not_tried == ()


def test_every_exclusion_has_a_reason_and_every_replacement_a_rule() -> None:
    assert all(len(reason.split()) >= 2 for reason in EXCLUDED.values())
    assert set(REPLACED.values()) <= RULES.keys()
    assert not EXCLUDED.keys() & SPEAKING.keys()


async def test_squawk_is_really_asked() -> None:
    told = await run_squawk("ALTER TABLE a RENAME COLUMN b TO c;", 180000, exclude=tuple(EXCLUDED))
    assert "renaming-column" in [entry["rule_name"] for entry in told]
