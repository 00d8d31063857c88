"""`python -m orion_core.local.mailbox`: the mailbox as a process of its own."""

import argparse
import asyncio
import signal

import orjson

from orion_core.http.embedded import end_process
from orion_core.local.mailbox.server import Mailbox
from orion_core.local.parent import exit_with_parent


async def run(smtp_port: int, http_port: int, host: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Mailbox.running(smtp_port, http_port, host) as mailbox:
        listening = {"event": "mailbox.listening", "http": mailbox.url, "smtp": f"{host}:{mailbox.smtp_port}"}
        print(orjson.dumps(listening).decode(), flush=True)
        await stop.wait()


def main() -> None:
    """Run with the ports of the command line."""
    parser = argparse.ArgumentParser(prog="orion_core.local.mailbox", description="Keeps what would have been sent.")
    parser.add_argument("--smtp-port", type=int, default=7125)
    parser.add_argument("--http-port", type=int, default=7104)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    exit_with_parent()
    asyncio.run(run(options.smtp_port, options.http_port, options.host))
    end_process(0)


if __name__ == "__main__":
    main()
