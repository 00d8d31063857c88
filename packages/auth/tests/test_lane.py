"""The lane for slow work: nobody waits for long, nobody who left keeps a place, and the known go before strangers."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable

import pytest

from orion_auth.lane import NICENESS, Lane
from orion_core.errors import Problem


class Gate:
    """Work that ends when it is told to, and notes in what order it began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self._open = threading.Event()

    def work(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.began.append(name)
            self._open.wait(10)
            return name

        return run

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def lane() -> AsyncGenerator[Lane]:
    made = Lane(1, patience=5)
    yield made
    made.close()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_whoever_would_wait_too_long_is_refused_at_once(lane: Lane) -> None:
    gate = Gate()
    # A piece takes 20 ms, as far as the lane knows: in five seconds 250 of them are done, beside the one that runs.
    waiting = [asyncio.create_task(lane.run(gate.work(str(n)))) for n in range(251)]
    await settle()
    with pytest.raises(Problem) as refused:
        await lane.run(gate.work("one too many"))
    assert (refused.value.status, refused.value.code, refused.value.headers["Retry-After"]) == (
        503,
        "too_many_passwords",
        "6",
    )
    with pytest.raises(Problem):
        lane.require_room()
    gate.open()
    assert len(await asyncio.gather(*waiting)) == 251
    assert "one too many" not in gate.began
    lane.require_room()


async def test_whoever_has_waited_too_long_is_refused_when_work_is_slower_than_thought() -> None:
    lane, gate = Lane(1, patience=0.1), Gate()
    running = asyncio.create_task(lane.run(gate.work("slow")))
    await settle()
    with pytest.raises(Problem, match="too_many_passwords"):
        await lane.run(gate.work("late"))
    gate.open()
    assert await running == "slow"
    assert await lane.run(lambda: "next") == "next", "the place was given back"
    assert gate.began == ["slow"]
    lane.close()


async def test_who_hangs_up_leaves_the_queue(lane: Lane) -> None:
    gate = Gate()
    running = asyncio.create_task(lane.run(gate.work("running")))
    waiting = [asyncio.create_task(lane.run(gate.work(str(n)))) for n in range(250)]
    await settle()
    with pytest.raises(Problem):
        lane.require_room()
    for task in (running, *waiting[:200]):
        task.cancel()
    await settle()
    lane.require_room()
    gate.open()
    assert await asyncio.gather(*waiting[200:]) == [str(n) for n in range(200, 250)]
    assert gate.began == ["running", *(str(n) for n in range(200, 250))], "what had begun kept its thread to its end"


async def test_leaving_at_the_moment_of_the_turn_loses_no_thread(lane: Lane) -> None:
    for _ in range(50):
        gate = Gate()
        running = asyncio.create_task(lane.run(gate.work("running")))
        next_one = asyncio.create_task(lane.run(gate.work("next")))
        await settle()
        running.add_done_callback(lambda _, task=next_one: task.cancel())
        gate.open()
        await asyncio.gather(running, next_one, return_exceptions=True)
        assert await asyncio.wait_for(lane.run(lambda: "free"), 5) == "free"


async def test_the_known_go_first_and_strangers_get_every_fourth_turn(lane: Lane) -> None:
    gate = Gate()
    running = asyncio.create_task(lane.run(gate.work("running")))
    await settle()
    strangers = [asyncio.create_task(lane.run(gate.work("stranger"))) for _ in range(4)]
    await settle()
    known = [asyncio.create_task(lane.run(gate.work("known"), known_from="192.0.2.1")) for _ in range(6)]
    await settle()
    gate.open()
    await asyncio.gather(running, *strangers, *known)
    turns = [name == "known" for name in gate.began[1:]]
    assert turns == [True, True, True, False, True, True, True, False, False, False]


async def test_one_of_several_threads_is_kept_for_the_known() -> None:
    lane, gate, own = Lane(3, patience=5), Gate(), Gate()
    crowd = [asyncio.create_task(lane.run(gate.work("stranger"))) for _ in range(4)]
    await settle()
    owners = [asyncio.create_task(lane.run(own.work("owner"), known_from="192.0.2.1")) for _ in range(2)]
    own.open()
    assert await asyncio.wait_for(asyncio.gather(*owners), 5) == ["owner"] * 2, "one after the other, beside the crowd"
    assert gate.began == ["stranger"] * 2
    gate.open()
    assert await asyncio.gather(*crowd) == ["stranger"] * 4
    assert await asyncio.gather(*(lane.run(lambda: "known", known_from="192.0.2.1") for _ in range(3))) == ["known"] * 3
    lane.close()


async def test_a_crowd_of_strangers_takes_no_room_from_the_known(lane: Lane) -> None:
    gate = Gate()
    crowd = [asyncio.create_task(lane.run(gate.work("stranger"))) for _ in range(251)]
    await settle()
    with pytest.raises(Problem):
        lane.require_room()
    lane.require_room(known_from="192.0.2.1")
    owner = asyncio.create_task(lane.run(gate.work("owner"), known_from="192.0.2.1"))
    await settle()
    gate.open()
    assert await owner == "owner"
    assert gate.began.index("owner") <= 2
    await asyncio.gather(*crowd)


async def test_one_network_or_a_few_never_take_all_places_of_the_known(lane: Lane) -> None:
    gate = Gate()
    running = asyncio.create_task(lane.run(gate.work("running")))
    await settle()

    async def come(name: str, size: int = 1) -> list[asyncio.Task[str]]:
        came = [asyncio.create_task(lane.run(gate.work(name), known_from=name)) for _ in range(size)]
        await settle()
        return came

    crowd = await come("192.0.2.0", 400)
    owner = await come("198.51.100.1")
    crowd += [task for n in range(1, 10) for task in await come(f"192.0.2.{n}", 100)]
    late = await come("198.51.100.2")
    gate.open()
    assert await asyncio.gather(*owner, *late) == ["198.51.100.1", "198.51.100.2"]
    await asyncio.gather(running, *crowd, return_exceptions=True)
    assert gate.began.index("198.51.100.1") <= 250 / 5 * 4 / 3 + 2, "behind a fifth of the places, and strangers' turns"


async def test_a_network_that_has_left_the_queue_has_its_part_again(lane: Lane) -> None:
    gate = Gate()
    running = asyncio.create_task(lane.run(gate.work("running")))
    await settle()
    for _ in range(3):
        crowd = [asyncio.create_task(lane.run(gate.work("gone"), known_from="192.0.2.0")) for _ in range(40)]
        await settle()
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    stranger = asyncio.create_task(lane.run(gate.work("stranger")))
    await settle()
    crowd = [asyncio.create_task(lane.run(gate.work("known"), known_from="192.0.2.0")) for _ in range(40)]
    await settle()
    gate.open()
    await asyncio.gather(running, stranger, *crowd)
    assert gate.began.index("stranger") == 4, "after three turns of the known: none of them waited before it"


async def test_a_failure_of_the_work_is_its_callers_and_frees_the_thread(lane: Lane) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await lane.run(fail)
    assert await lane.run(lambda: 1) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
async def test_hashing_goes_behind_the_event_loop(lane: Lane) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await lane.run(niceness) == min(niceness() + NICENESS, 19)
