"""The databases of the services, before anything is started on them."""

from collections.abc import Mapping, Sequence

from orion_cli.environment import password_variable
from orion_cli.log_stream import LogStream
from orion_core.local.postgres import PostgresServer
from orion_core.service import Service
from orion_db.initialize import initialize
from orion_db.progress import Step
from orion_db.targets import read_targets


def embedded_urls(server: PostgresServer, services: Sequence[Service], secrets: Mapping[str, str]) -> dict[str, str]:
    """URL variables of the services on the embedded server: a login of its own for each, and the superuser as owner."""
    urls: dict[str, str] = {}
    for service in services:
        password = secrets[password_variable(service)]
        urls[service.url_variable] = server.url(service.database, service.database, password)
        urls[service.owner_url_variable] = server.superuser_url(service.database)
    return urls


async def prepare_databases(services: Sequence[Service], environment: Mapping[str, str], log: LogStream) -> None:
    """`orion db init` for all: create what is missing, migrate, seed. Raises orion_db's Problem."""

    def tell(step: Step) -> None:
        if step.state != "doing":
            log.say("database", f"{step.service}: {step.what}")

    for target in read_targets(services, environment):
        done = await initialize(target, progress=tell)
        log.say("database", f"{done.service}: ready", database=done.database)
