"""Typer ends with 2 on wrong use, which is what `status` says of drift; in `orion db` it is 3."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from orion_db.errors import Exit


@contextmanager
def _wrong_use() -> Generator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "exit_code") and not isinstance(error, typer.Exit):
            vars(error)["exit_code"] = int(Exit.USAGE)
        raise


class Command(TyperCommand):
    """A command whose wrong use ends with 3: `@commands.command("plan", cls=Command)`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use():
            return super().parse_args(ctx, args)


class Commands(TyperGroup):
    """A group of such commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _wrong_use():
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _wrong_use():
            return super().resolve_command(ctx, args)
