"""How a command speaks: to people in words, to programs in one JSON document, and to neither after they have left."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

from orion_db.errors import Exit, Problem
from orion_db.result import Result


def console(*, stderr: bool = False) -> Console:
    """Standard output or standard error; what their encoding has no sign for is written as its number."""
    stream: object = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def print_json(action: str, results: Sequence[Result], code: int, problem: Problem | None) -> None:
    """One document on standard output, in UTF-8 whatever the locale says."""
    document: dict[str, Any] = {
        "action": action,
        "exit_code": int(code),
        "services": [result.as_json() for result in results],
        "problem": problem.as_json() if problem else None,
    }
    _write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def print_bare(result: Result) -> None:
    """A result's lines as they are, so that they can be piped into another program."""
    _write(("\n".join(result.in_words()) + "\n").encode())


def print_result(result: Result, out: Console) -> None:
    """A result's lines, with the service's name before them."""
    first, *rest = result.in_words()
    out.print(f"[bold]{result.service}[/]: {escape(first)}")
    for line in rest:
        out.print(f"  {escape(line)}")


def print_problem(problem: Problem, error: Console) -> None:
    """What happened, why, and what to do."""
    error.print(f"[bold red]Error:[/] {escape(problem.what)}")
    for label, words in (("Why", problem.why), ("Do", problem.todo)):
        if words:
            error.print(f"  [bold]{label}:[/] {escape(words)}")


def _write(content: bytes) -> None:
    """To standard output, which may be closed, or whose reader may have gone (`| head`)."""
    if sys.__stdout__ is None:
        return
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        if not isinstance(error, BrokenPipeError):
            what = "The result could not be written to standard output."
            print_problem(Problem("not_written", Exit.FAILED, what, f"{error.strerror}."), console(stderr=True))
            raise SystemExit(Exit.FAILED) from None
