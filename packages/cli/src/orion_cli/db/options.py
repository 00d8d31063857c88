"""Words and options that several commands share."""

from typing import Annotated

import typer

Services = Annotated[
    list[str] | None,
    typer.Argument(metavar="SERVICE", help="auth, user, notifications or all; default: this directory's, or all."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another migration to end.")]
