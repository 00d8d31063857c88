"""What all commands of `orion db` have in common: how their help reads, and how they end when something goes wrong.

Typer ends with 2 on wrong use, which is what `status` says of drift; here it is 3, and with `--json` a document too.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from orion_cli.db.output import console, print_json, print_problem
from orion_cli.db.unforeseen import interrupted, unforeseen
from orion_db.errors import Exit, Problem

_EPILOG = (
    "Exit codes: 0 done, 1 something was found, 2 drifted, 3 wrong use, 4 no connection, 5 refused, 6 locked, "
    "7 permission missing, 8 failed, 130 interrupted; docs/database.md explains them."
)


class Command(TyperCommand):
    """A command whose wrong use ends with 3, and that never shows a traceback: `@commands.command(…, cls=Command)`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        paragraphs = (self.help or "").split("\n\n")  # lines of the source are no lines of the terminal
        self.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
        self.epilog = self.epilog or _EPILOG

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use(ctx, args):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """What `Run` has not caught ends here: work that is none on a database, such as reading the surroundings."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, SystemExit):
            raise
        except Problem as problem:
            _end(ctx, problem, as_json=bool(ctx.params.get("json")))
        except KeyboardInterrupt:
            _end(ctx, interrupted(_action(ctx)), as_json=bool(ctx.params.get("json")))
        except Exception as error:  # whatever it is, nobody is to read a traceback at night
            if _is_of_usage(error):
                raise
            _end(ctx, unforeseen(error), as_json=bool(ctx.params.get("json")))


class Commands(TyperGroup):
    """A group of such commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use(ctx, args):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _wrong_use(ctx, args):
            return super().resolve_command(ctx, args)


@contextmanager
def _wrong_use(ctx: Any, args: Sequence[str]) -> Generator[None]:
    words = tuple(args)  # the parser takes them away one by one
    try:
        yield
    except Exception as error:
        if not _is_of_usage(error):
            raise
        if "--json" in words:
            _end(
                ctx,
                Problem("wrong_usage", Exit.USAGE, _words(error), "", f"See `{ctx.command_path} --help`."),
                as_json=True,
            )
        vars(error)["exit_code"] = int(Exit.USAGE)
        raise


def _is_of_usage(error: Exception) -> bool:
    """Whether it is Typer's own, about the words of the command line; its class is private."""
    return hasattr(error, "format_message") and not isinstance(error, typer.Exit)


def _words(error: Any) -> str:
    return str(error.format_message())


def _end(ctx: Any, problem: Problem, *, as_json: bool) -> None:
    if as_json:
        print_json(_action(ctx), (), problem.exit_code, problem)
    else:
        print_problem(problem, console(stderr=True))
    raise typer.Exit(problem.exit_code) from None


def _action(ctx: Any) -> str:
    """The verb, such as `status` or `backup verify`."""
    parent: Any = ctx.parent
    words = [parent.info_name] if parent and parent.info_name == "backup" else []
    return " ".join([*words, ctx.info_name or "db"]).removesuffix(" create")
