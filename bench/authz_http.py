"""Questions about rights over HTTP: a check, one that is denied, an explanation and a hundred at once. Prints JSON.

`orion serve user` as it is deployed, with as many workers as there are processors, and on the same processors the
database and eight clients that do no more than check each answer. In the same run the floor: `authz_floor.py`.

    python bench/authz_http.py [seconds [clients]]
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import uvloop
from auth_refresh import Sent, Tabs, known_to_all, load, measured, served, sign_in
from running import Platform, platform

from orion_core.secrets import new_secret, new_selector

SECONDS, CLIENTS = 5.0, 8
ACCESS = "/user/v1/access"
FLOOR = (
    "--interface",
    "asgi",
    "--http",
    "1",
    "--loop",
    "uvloop",
    "--no-ws",
    "--backlog",
    "2048",
    "--log-level",
    "error",
)
"""As `orion serve` has it."""


def asking(path: str, body: dict[str, Any], token: str, seconds: float) -> Callable[[], Sent | None]:
    """The same question again and again."""
    until, sent = time.perf_counter() + seconds, json.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    )

    def answered(status: int, answer: bytes) -> None:
        assert status == 200, answer

    def ask() -> Sent | None:
        return None if time.perf_counter() >= until else ((head + sent).encode(), answered)

    return ask


@contextmanager
def floor(running: Platform) -> Generator[tuple[str, psutil.Process]]:
    """`authz_floor.py` on a port of its own, with as many workers as the service."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", *FLOOR, "--port", str(port), "--workers", str(os.cpu_count() or 1)]
    environment = psutil.Process(running.pids["user"]).environ() | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([*command, "authz_floor:application"], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not is_listening(port):
                assert process.poll() is None, "the floor has ended"
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)


def is_listening(port: int) -> bool:
    """Whether a connection is taken."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def run(running: Platform, seconds: float, clients: int) -> dict[str, Any]:
    """All questions, one kind after the other."""
    database = psutil.Process(running.pids["postgres"])
    someone = await known_to_all(running, "bench@bench.example.com")
    tokens = await sign_in(running, [(new_selector(), new_secret())], [someone])
    with served(running, "auth") as (url, _):
        tabs = Tabs(tokens, 5)
        once = iter((tabs.refresh(), None))
        await load(url, 1, lambda: next(once))
    token = tabs.access_tokens[0]

    def question(action: str) -> dict[str, Any]:
        return {
            "subject": {"type": "user", "id": someone},
            "action": {"name": action},
            "resource": {"type": "content", "id": "1"},
        }

    figures: dict[str, Any] = {"clients": clients}
    with floor(running) as (url, server):
        for name, path in (("floor: server and driver", "/bare"), ("floor: with FastAPI", "/framework")):
            await load(url, clients, asking(path, question("read"), token, 1))
            figures[name] = await measured(
                url, clients, asking(path, question("read"), token, seconds), server, database
            )
    with served(running, "user") as (url, server):
        questions: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("check, allowed", f"{ACCESS}/evaluation", question("read")),
            ("check, denied", f"{ACCESS}/evaluation", question("delete")),
            ("explanation, allowed", f"{ACCESS}/explanation", question("read")),
            ("explanation, denied", f"{ACCESS}/explanation", question("delete")),
            ("a hundred checks", f"{ACCESS}/evaluations", question("read") | {"evaluations": [{}] * 100}),
        )
        for name, path, body in questions:
            await load(url, clients, asking(path, body, token, 1))
            figures[name] = await measured(url, clients, asking(path, body, token, seconds), server, database)
    return figures


if __name__ == "__main__":
    given = sys.argv[1:]
    with platform() as started:
        found = run(started, float(given[0]) if given else SECONDS, int(given[1]) if given[1:] else CLIENTS)
        print(json.dumps(uvloop.run(found), indent=2))
