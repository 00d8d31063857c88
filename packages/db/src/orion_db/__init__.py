"""The engine of `orion db`: what it can do to a service's database, as async functions.

    target = Target(service, url="postgresql://…/orion_auth", owner_url="postgresql://…/orion_auth")
    await initialize(target)                 # create, migrate, seed; a second time: nothing
    await initialize(target, seeds=False)    # an empty, migrated database: a template for tests
    await deploy(target)                     # apply what is pending
    (await status(target)).exit_code         # 0 clean, 1 pending, 2 drifted

What cannot be done is raised as a `Problem`, which says what, why and what to do.
"""

from orion_db.catalog import Difference, compare
from orion_db.deployment.deploy import Deployment, deploy
from orion_db.deployment.rollback import Rollback, rollback
from orion_db.drift.status import Status, status
from orion_db.errors import Exit, Problem
from orion_db.initialize import Initialization, initialize, prepare
from orion_db.progress import Progress, Step
from orion_db.reset import check_reset, reset
from orion_db.roles import Preparation, create_database, drop_database, fence_database
from orion_db.scratch import catalog_of, catalog_of_migrations, catalog_of_models
from orion_db.seeding import Seeding, seed
from orion_db.targets import Target, is_production, read_environment, read_targets, select_services

__all__ = [
    "Deployment",
    "Difference",
    "Exit",
    "Initialization",
    "Preparation",
    "Problem",
    "Progress",
    "Rollback",
    "Seeding",
    "Status",
    "Step",
    "Target",
    "catalog_of",
    "catalog_of_migrations",
    "catalog_of_models",
    "check_reset",
    "compare",
    "create_database",
    "deploy",
    "drop_database",
    "fence_database",
    "initialize",
    "is_production",
    "prepare",
    "read_environment",
    "read_targets",
    "reset",
    "rollback",
    "seed",
    "select_services",
    "status",
]
