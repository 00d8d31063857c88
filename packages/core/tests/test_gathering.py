"""What is asked meanwhile is answered together: at once when idle, never by what began before, each for itself."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from orion_core import gathering
from orion_core.gathering import MOST, Gathering


class Desk:
    """Answers a number by its double once it is let; notes what it was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.gathering = Gathering(self.answer_all)

    async def answer_all(self, requests: Sequence[int]) -> list[int]:
        self.asked.append(list(requests))
        await self.may_answer.wait()
        if any(request < 0 for request in requests):
            raise ValueError(f"of {len(requests)}")
        return [2 * request for request in requests]

    def ask(self, *requests: int) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(self.gathering.ask(request)) for request in requests]


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it has not come to that")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is."""
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 60)


@pytest.fixture
async def desk(patient: None) -> Desk:
    return Desk()


async def test_nobody_waits_for_company(desk: Desk) -> None:
    desk.may_answer.set()
    assert [await desk.gathering.ask(number) for number in (1, 2)] == [2, 4]
    assert desk.asked == [[1], [2]]


async def test_who_comes_meanwhile_is_answered_together_by_what_begins_afterwards(desk: Desk) -> None:
    first = desk.ask(1)
    await until(lambda: desk.asked == [[1]])
    others = desk.ask(2, 3, 4)
    await asyncio.sleep(0)
    assert desk.asked == [[1]]
    desk.may_answer.set()
    assert await asyncio.gather(*first, *others) == [2, 4, 6, 8]
    assert desk.asked == [[1], [2, 3, 4]]


async def test_only_so_many_go_together(desk: Desk) -> None:
    first = desk.ask(0)
    await until(lambda: desk.asked == [[0]])
    others = desk.ask(*range(1, MOST + 2))
    await asyncio.sleep(0)
    desk.may_answer.set()
    assert await asyncio.gather(*first, *others) == [2 * number for number in range(MOST + 2)]
    assert [len(together) for together in desk.asked] == [1, MOST, 1]


async def test_the_error_of_one_is_no_others(desk: Desk) -> None:
    first = desk.ask(1)
    await until(lambda: desk.asked == [[1]])
    others = desk.ask(2, -3, 4)
    await asyncio.sleep(0)
    desk.may_answer.set()
    two, three, four = await asyncio.gather(*others, return_exceptions=True)
    assert (await first[0], two, four) == (2, 4, 8)
    assert repr(three) == "ValueError('of 1')"


async def test_too_few_answers_are_an_error_for_whoever_asked() -> None:
    async def answer_none(_: Sequence[int]) -> list[int]:
        return []

    with pytest.raises(ValueError, match="zip"):
        await Gathering(answer_none).ask(1)


async def test_who_leaves_takes_nothing_from_the_others(desk: Desk) -> None:
    first = desk.ask(1)
    await until(lambda: desk.asked == [[1]])
    leaving, staying = desk.ask(2, 3)
    await asyncio.sleep(0)
    first[0].cancel()
    leaving.cancel()
    desk.may_answer.set()
    assert await staying == 6
    assert await desk.gathering.ask(4) == 8


async def test_what_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 0.01)
    desk = Desk()
    slow = desk.ask(1)
    await until(lambda: desk.asked == [[1]])
    others = desk.ask(2, 3)
    await until(lambda: desk.asked == [[1], [2, 3]])
    desk.may_answer.set()
    assert await asyncio.gather(*slow, *others) == [2, 4, 6]
    assert await desk.gathering.ask(4) == 8
    assert desk.asked == [[1], [2, 3], [4]]


async def test_after_a_cancellation_from_inside_it_goes_on(patient: None) -> None:
    async def answer_all(requests: Sequence[int]) -> list[int]:
        if requests == [0]:
            raise asyncio.CancelledError
        return [2 * request for request in requests]

    gathered = Gathering(answer_all)
    with pytest.raises(asyncio.CancelledError):
        await gathered.ask(0)
    assert await gathered.ask(1) == 2
