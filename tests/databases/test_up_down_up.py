"""Every migration of the three services: up, down and up again, with the sample rows carried through."""

from typing import TYPE_CHECKING

import pytest

import orion_db
from orion_core.service import installed_services
from orion_db.revisions import read_revisions
from orion_db.up_down_up import try_migrations

if TYPE_CHECKING:
    from tests.databases.conftest import Platform


@pytest.mark.slow
@pytest.mark.parametrize("service", sorted(installed_services()))
async def test_every_migration_goes_down_and_up_with_rows(platform: "Platform", service: str) -> None:
    target = platform.targets[service]
    result = await try_migrations(target)
    found = [f"{trial.revision}: {finding}" for trial in result.trials for finding in trial.findings]
    assert (result.exit_code, found) == (orion_db.Exit.OK, [])
    names = [revision.name for revision in read_revisions(target.service.migrations)]
    assert [trial.revision for trial in result.trials] == names[::-1]
    assert sum(run.rows for trial in result.trials for run in trial.runs) > 0, "there were rows to lose"
