"""`orion db top` on the whole terminal, until q or Ctrl-C."""

import asyncio
import sys
import termios
import tty
from collections.abc import Generator, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from orion_cli.db.run import Run
from orion_cli.terminal import stop_signals
from orion_db.observe.top import Top, watch
from orion_db.targets import Target


def show_live(run: Run, words: Sequence[str] | None, interval: float) -> NoReturn:
    """Draw the databases below each other, each as it has been seen last."""
    asyncio.run(_show(run.targets(words), interval))
    raise typer.Exit(0)


async def _show(targets: Sequence[Target], interval: float) -> None:
    stop, pictures = stop_signals(), dict[str, Top]()
    with (
        Live(Text("looking …"), console=Console(highlight=False), screen=True, auto_refresh=False) as live,
        _keys(stop),
    ):

        async def follow(target: Target) -> None:
            async with aclosing(watch(target, interval)) as seen:
                async for picture in seen:
                    pictures[target.service.name] = picture
                    live.update(_drawn([pictures[name] for name in sorted(pictures)]), refresh=True)

        tasks = [asyncio.create_task(follow(target)) for target in targets]
        tasks.append(asyncio.create_task(_until(stop)))
        done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for task in done:
        task.result()  # a watch ends only by failing


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


def _drawn(pictures: Sequence[Top]) -> Text:
    shown = Text(no_wrap=True, overflow="ellipsis")
    for picture in pictures:
        first, *rest = picture.in_words()
        shown.append(f"{picture.service}: {first}\n", style="bold")
        for line in rest:
            shown.append(f"  {line}\n", style="red" if "blocked by" in line else "")
    return shown


@contextmanager
def _keys(stop: asyncio.Event) -> Generator[None]:
    """Have `q` set the event: keys are read one by one, without waiting for Enter."""
    if sys.__stdin__ is None or not sys.stdin.isatty():
        yield
        return
    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)

    def pressed() -> None:
        if sys.stdin.read(1) in ("q", "Q", ""):
            stop.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        with suppress(termios.error):
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
