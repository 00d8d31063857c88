"""What `orion up` says when everything runs."""

from dataclasses import dataclass
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from orion_core.seeds import SAMPLE_PASSWORD, SAMPLE_USERS


@dataclass(frozen=True)
class Summary:
    """Where everything is."""

    urls: dict[str, str]
    smtp: str
    database: str
    """Where the databases are, without logins."""
    is_embedded: bool
    state_file: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "urls": self.urls,
            "smtp": self.smtp,
            "database": self.database,
            "database_is_embedded": self.is_embedded,
            "state_file": self.state_file,
            "sample_users": [user.email for user in SAMPLE_USERS],
            "sample_password": SAMPLE_PASSWORD,
            "seconds": round(self.seconds, 1),
        }


def print_json(summary: Summary, out: TextIO) -> None:
    """One line."""
    out.write(orjson.dumps(summary.as_json()).decode() + "\n")
    out.flush()


def print_summary(summary: Summary, out: TextIO) -> None:
    """For a person; plain where `out` is no terminal."""
    console = Console(file=out, highlight=False, soft_wrap=True)
    console.print()
    console.print(Panel.fit(_places(summary), title=f"[bold green]Orion is up[/] after {summary.seconds:.1f} s"))
    for line in _next_steps(summary):
        console.print(line)
    console.print()


def _places(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 3))
    for name, url in summary.urls.items():
        table.add_row(f"[bold]{name}[/]", f"[cyan]{url}[/]", _PURPOSES.get(name, ""))
    table.add_row("[bold]SMTP[/]", summary.smtp, "caught by the mailbox")
    table.add_row("[bold]PostgreSQL[/]", summary.database, "embedded, kept" if summary.is_embedded else "yours")
    table.add_row("", "", "")
    for user in SAMPLE_USERS:
        table.add_row("[bold]sign in as[/]", user.email, SAMPLE_PASSWORD)
    return table


_PURPOSES = {
    "auth": "who you are",
    "user": "what you may do",
    "notifications": "how you are reached",
    "mailbox": "all that was sent",
}


def _next_steps(summary: Summary) -> list[str]:
    auth = summary.urls.get("auth", "")
    body = orjson.dumps({"email": SAMPLE_USERS[1].email, "password": SAMPLE_PASSWORD}).decode()
    return [
        "",
        "[bold]Try next[/]",
        "  .venv/bin/python examples/first_message.py   register, receive the mail, sign in, read the welcome message",
        f"  curl -s {auth}/auth/v1/sessions -H 'Content-Type: application/json' \\\n    -d '{body}'",
        f"  open {summary.urls['mailbox']}",
        "",
        f"[dim]{summary.state_file} has addresses and process ids. Ctrl-C stops everything.[/]",
    ]
