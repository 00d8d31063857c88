"""One run of `orion up`: everything is started in order, kept running, and stopped in the opposite order."""

import os
import time
from datetime import datetime
from typing import Any

from sqlalchemy.engine import make_url

from orion_cli import children, environment
from orion_cli.database_server import DatabaseServer
from orion_cli.databases import embedded_urls, prepare_databases
from orion_cli.log_stream import LogStream
from orion_cli.ports import DEFAULT_PORTS, PortReservations, choose_ports
from orion_cli.project import Project
from orion_cli.readiness import wait_until_ready
from orion_cli.summary import Summary
from orion_cli.supervisor import Child, Supervisor
from orion_core.local.ports import LOOPBACK
from orion_core.service import Service, installed_services
from orion_db.observe.statements import count_statements

POSTGRES = "postgres"


class Session:
    """What runs, from `start` to `stop`."""

    def __init__(self, project: Project, log: LogStream) -> None:
        self._project = project
        self._log = log
        self._began = time.monotonic()
        self._supervisor = Supervisor(log, self._write_state)
        self._server: DatabaseServer | None = None
        self._services: list[Service] = []
        self._reservations = PortReservations()
        self._ports: dict[str, int] = {}
        self._environment: dict[str, str] = {}
        self._is_ready = False

    async def start(self) -> Summary:
        """Start everything and return when all of it is ready."""
        self._project.remove_state()  # of a run that was killed
        self._services = list(installed_services().values())
        given = environment.read_environment(self._project.directory)
        self._ports = self._choose_ports(given)
        secrets = environment.ensure_secrets(self._project.secrets_file, self._services, given)
        databases = await self._start_postgres(given, secrets)
        addresses = environment.address_variables(self._services, self._ports)
        known = environment.defaults(self._ports) | secrets | given | databases | addresses
        self._environment = environment.service_key_hashes(self._services, known) | known
        await prepare_databases(self._services, self._environment, self._log)
        await self._start_children()
        self._is_ready = True
        self._write_state()
        return self._summary()

    async def stop(self) -> None:
        """Nobody is asked for anything any more by the time he is stopped: services, worker, mailbox, PostgreSQL."""
        running = self._supervisor.pids
        await self._supervisor.stop([service.name for service in self._services if service.name in running])
        for name in ("worker", "mailbox"):
            if name in running:
                await self._supervisor.stop([name])
        await self._supervisor.stop()  # what was between two lives at the moment we looked
        if self._server:
            await self._server.stop()
        self._reservations.release()
        self._project.remove_state()

    def kill(self) -> None:
        """End everything now. PostgreSQL recovers at the next start."""
        self._supervisor.kill()
        if self._server:
            self._server.kill()

    def _choose_ports(self, given: dict[str, str]) -> dict[str, int]:
        wishes = {service.name: service.port for service in self._services} | DEFAULT_PORTS
        if not environment.without_url(self._services, given):
            del wishes[POSTGRES]

        def moved(name: str, wished: int, holder: str, chosen: int) -> None:
            self._log.say("up", "port in use", "warning", for_=name, port=wished, by=holder, using_instead=chosen)

        return choose_ports(wishes, self._reservations.take, moved)

    async def _start_postgres(self, given: dict[str, str], secrets: dict[str, str]) -> dict[str, str]:
        """URL variables of the services that have no database of the user's."""
        homeless = environment.without_url(self._services, given)
        if not homeless:
            return {}
        self._server = DatabaseServer(self._project.postgres_data, self._ports[POSTGRES], self._log, self._write_state)
        server = await self._server.start()
        await count_statements(server.admin_url)
        self._log.say(POSTGRES, "accepts connections", port=server.port, data=str(server.data_directory))
        return embedded_urls(server, homeless, secrets)

    async def _start_children(self) -> None:
        directory = self._project.directory
        started = [
            children.mailbox_child(self._ports["mailbox"], self._ports["smtp"], self._environment, directory),
            *(
                children.service_child(service, self._ports[service.name], self._environment, directory)
                for service in self._services
            ),
        ]
        started += [
            children.worker_child(service, self._ports["worker"], self._environment, directory)
            for service in self._services
            if service.worker
        ]
        for child in started:
            self._supervisor.start(child)
        await wait_until_ready(_ready_urls(started), lambda: self._supervisor.restarts)

    def _write_state(self) -> None:
        """`up.json`: there from the moment on when all answer, and written anew whenever a process has a new id."""
        if not self._is_ready:
            return
        server = {POSTGRES: self._server.pid} if self._server and self._server.pid else {}
        self._project.write_state(
            {
                "pid": os.getpid(),
                "written_at": datetime.now().astimezone(),
                "urls": environment.addresses(self._services, self._ports),
                "smtp": {"host": LOOPBACK, "port": self._ports["smtp"]},
                "pids": self._supervisor.pids | server,
                "environment": self._url_variables(),
            }
        )

    def _url_variables(self) -> dict[str, Any]:
        names = [name for s in self._services for name in (s.url_variable, s.owner_url_variable)]
        return {name: self._environment[name] for name in names if name in self._environment}

    def _summary(self) -> Summary:
        urls = [make_url(self._environment[service.url_variable]) for service in self._services]
        places = sorted({f"{url.host or 'localhost'}:{url.port or 5432}" for url in urls})
        return Summary(
            urls=environment.addresses(self._services, self._ports),
            smtp=f"{LOOPBACK}:{self._ports['smtp']}",
            database=", ".join(places),
            is_embedded=self._server is not None,
            state_file=str(self._project.state_file),
            seconds=time.monotonic() - self._began,
        )


def _ready_urls(started: list[Child]) -> dict[str, str]:
    return {child.name: child.ready_url for child in started if child.ready_url}
