"""One run of a command: over which databases it works, and how it speaks and ends."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import NoReturn

import typer
from rich.markup import escape

from orion_cli.db.output import console, print_bare, print_json, print_problem, print_result
from orion_cli.db.unforeseen import interrupted, unforeseen
from orion_core.service import Service
from orion_db.errors import Exit, Problem
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
        self._out = console()
        self._error = console(stderr=True)
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
        self._settle(self._over(self.targets(words), work, results), results)
        self.end(results)

    def look_at(self, words: Sequence[str] | None, work: Work) -> NoReturn:
        """The same for work that changes nothing: that one database cannot be read keeps no other from being told."""
        services = self.services(words)
        if len(services) == 1:
            self.over(words, work)
        results: list[Result] = []
        self._settle(self._look_at_all(services, work, results), results)
        self.end(results)

    def end(self, results: Sequence[Result]) -> NoReturn:
        """Tell the results, and end with the worst of their exit codes."""
        code = max((result.exit_code for result in results), default=Exit.OK)
        if self.json:
            print_json(self.action, results, code, None)
        else:
            self._print_results(results)
        raise typer.Exit(code)

    def fail(self, problem: Problem, results: Sequence[Result] = ()) -> NoReturn:
        if self.json:
            print_json(self.action, results, problem.exit_code, problem)
        else:
            self._print_results(results)
            print_problem(problem, self._error)
        raise typer.Exit(problem.exit_code)

    def ask_name(self, target: Target) -> str:
        """The name that somebody types; nothing when nobody can."""
        if not self.can_ask:
            return ""
        self._spinner.stop()
        self._error.print(f"This deletes everything in {escape(target.database)} on {target.address()}.")
        return typer.prompt("Type the name of the database to go on", default="", show_default=False, err=True)

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer."""
        return not self.json and sys.__stdin__ is not None and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Yes or no, no by default."""
        self._spinner.stop()
        return typer.confirm(question, default=False, err=True)

    def _settle(self, work: Coroutine[None, None, None], results: Sequence[Result]) -> None:
        """Do all of it; whatever ends it before its time is told, with what had been done."""
        try:
            asyncio.run(_until_told(work))
        except (typer.Exit, typer.Abort):
            raise
        except Problem as problem:
            self.fail(problem, results)
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.fail(interrupted(self.action), results)
        except Exception as error:  # whatever it is, it is told, in the document too
            self.fail(unforeseen(error), results)

    async def _look_at_all(self, services: Sequence[Service], work: Work, results: list[Result]) -> None:
        for service in services:
            results += [await self._look_at(service, work)]

    async def _look_at(self, service: Service, work: Work) -> Result:
        try:
            (target,) = read_targets([service], self.environment, read_up_state())
            return await work(target, self._tell)
        except Problem as problem:
            return Unanswered.of(service.name, problem)
        except Exception as error:  # the other databases are still to be told
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

    def _print_results(self, results: Sequence[Result]) -> None:
        for result in results:
            if self.bare:
                print_bare(result)
            else:
                print_result(result, self._out)


async def _until_told(work: Coroutine[None, None, None]) -> None:
    """As Ctrl-C does it, SIGTERM and a closed terminal end the work in order: what it holds is released."""
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGTERM, signal.SIGHUP):
        with suppress(
            NotImplementedError, AttributeError, RuntimeError, ValueError
        ):  # no signals, or not to this thread
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await work
