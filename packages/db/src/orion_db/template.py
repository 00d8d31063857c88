"""The migrated, empty database that the testing kit clones; core, which is below us, finds it by entry point."""

from orion_core.service import Service
from orion_db.initialize import initialize
from orion_db.targets import Target


async def build_template(service: Service, url: str, owner_url: str) -> None:
    """Make the database of `owner_url` as `init` does, without seeds."""
    await initialize(Target(service, url=url, owner_url=owner_url), seeds=False)
