"""How long work tells what it is doing, whoever listens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """One thing that is being done to one service's database."""

    service: str
    what: str
    state: Literal["doing", "done", "waiting"] = "doing"
    share: float | None = None
    """Of long work: how much of it is done, from 0 to 1."""


Progress = Callable[[Step], None]


def silent(_: Step) -> None:
    """Nobody listens."""
