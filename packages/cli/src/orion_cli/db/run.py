"""One run of a command: over which databases it works, and how it speaks and ends."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from orion_core.service import Service
from orion_db.errors import Exit, Problem, reason
from orion_db.progress import Progress, Step
from orion_db.result import Result, Unanswered
from orion_db.targets import (
    Target,
    is_production,
    read_environment,
    read_targets,
    read_up_state,
    select_services,
)

_HEARTBEAT_SECONDS = 10.0

Work = Callable[[Target, Progress], Awaitable[Result]]
"""What a command does to one database."""


class Run:
    """One command: its words, its environment, and how it speaks."""

    def __init__(self, action: str, json: bool, *, bare: bool = False) -> None:
        """`bare` prints a result's lines as they are, so that they can be piped into another program."""
        self.action = action
        self.json = json
        self.bare = bare
        self.environment = read_environment()
        self.production = is_production(self.environment)
        self._out = Console(highlight=False, soft_wrap=True)
        self._error = Console(stderr=True, highlight=False, soft_wrap=True)
        self._spinner = self._error.status("")
        self._told_at = time.monotonic()

    def services(self, words: Sequence[str] | None) -> list[Service]:
        try:
            return select_services(words or [])
        except Problem as problem:
            self.fail(problem)

    def targets(self, words: Sequence[str] | None) -> list[Target]:
        try:
            return read_targets(select_services(words or []), self.environment, read_up_state())
        except Problem as problem:
            self.fail(problem)

    def over(self, words: Sequence[str] | None, work: Work) -> NoReturn:
        """Do the work on one database after the other, and end. The first Problem ends it; what is done stays done."""
        results: list[Result] = []
        targets = self.targets(words)
        try:
            asyncio.run(self._over(targets, work, results))
        except Problem as problem:
            self.fail(problem, results)
        except (SQLAlchemyError, OSError) as error:
            self.fail(unforeseen(error), results)
        self.end(results)

    def look_at(self, words: Sequence[str] | None, work: Work) -> NoReturn:
        """The same for work that changes nothing: that one database cannot be read keeps no other from being told."""
        results = [asyncio.run(self._look_at(service, work)) for service in self.services(words)]
        self.end(results)

    def end(self, results: Sequence[Result]) -> NoReturn:
        """Tell the results, and end with the worst of their exit codes."""
        code = max((result.exit_code for result in results), default=Exit.OK)
        if self.json:
            self._print_json(results, code, None)
        else:
            for result in results:
                self._print_result(result)
        raise typer.Exit(code)

    def fail(self, problem: Problem, results: Sequence[Result] = ()) -> NoReturn:
        if self.json:
            self._print_json(results, problem.exit_code, problem)
            raise typer.Exit(problem.exit_code)
        for result in results:
            self._print_result(result)
        self._error.print(f"[bold red]Error:[/] {escape(problem.what)}")
        for label, words in (("Why", problem.why), ("Do", problem.todo)):
            if words:
                self._error.print(f"  [bold]{label}:[/] {escape(words)}")
        raise typer.Exit(problem.exit_code)

    def ask_name(self, target: Target) -> str:
        """The name that somebody types; nothing when nobody can."""
        if self.json or not sys.stdin.isatty():
            return ""
        self._spinner.stop()
        self._error.print(f"This deletes everything in {escape(target.database)} on {target.address()}.")
        return typer.prompt("Type the name of the database to go on", default="", show_default=False, err=True)

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return not self.json and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Yes or no, no by default."""
        self._spinner.stop()
        return typer.confirm(question, default=False, err=True)

    async def _look_at(self, service: Service, work: Work) -> Result:
        try:
            (target,) = read_targets([service], self.environment, read_up_state())
            return await work(target, self._tell)
        except Problem as problem:
            return Unanswered.of(service.name, problem)
        except (SQLAlchemyError, OSError) as error:
            return Unanswered.of(service.name, unforeseen(error))
        finally:
            self._spinner.stop()

    async def _over(self, targets: Sequence[Target], work: Work, results: list[Result]) -> None:
        try:
            for target in targets:  # what is done stands in `results` even when the next one fails
                result = await work(target, self._tell)
                results.append(result)
        finally:
            self._spinner.stop()

    def _tell(self, step: Step) -> None:
        """Progress goes to standard error, so that results can be piped; in a terminal, what is being done spins.

        Where there is no terminal (a log of CI), long work says every ten seconds that it goes on.
        """
        if self.json:
            return
        share = "" if step.share is None else f" ({step.share:.0%})"
        words = f"{step.service}: {escape(step.what)}{share}"
        if step.state == "doing" and not self._error.is_terminal:
            if time.monotonic() - self._told_at >= _HEARTBEAT_SECONDS:
                self._told_at = time.monotonic()
                self._error.print(f"… {words}")
        elif step.state == "doing":
            self._spinner.update(words)
            self._spinner.start()
        else:
            sign = "[green]✓[/]" if step.state == "done" else "[yellow]⧗[/]"
            self._error.print(f"{sign} {words}")

    def _print_result(self, result: Result) -> None:
        first, *rest = result.in_words()
        if self.bare:
            sys.stdout.write("\n".join([first, *rest]) + "\n")
            return
        self._out.print(f"[bold]{result.service}[/]: {escape(first)}")
        for line in rest:
            self._out.print(f"  {escape(line)}")

    def _print_json(self, results: Sequence[Result], code: Exit, problem: Problem | None) -> None:
        document: dict[str, Any] = {
            "action": self.action,
            "exit_code": int(code),
            "services": [result.as_json() for result in results],
            "problem": problem.as_json() if problem else None,
        }
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def unforeseen(error: Exception) -> Problem:
    """What is said of an error of the database that nothing better is known of."""
    return Problem(
        "database_error",
        Exit.FAILED,
        "The database ended the work with an error that has no advice of its own.",
        reason(error),
        "Look into the server's log; what was not committed has been rolled back, and the command can be repeated.",
    )
