"""Requests that arrive while others are being answered wait for those, and are then answered together.

For what many ask at once and a database answers for many in one statement almost as fast as for one. Nobody waits for
company: where nothing is under way, a request is answered at once and alone. Nobody is told what is old: what answers a
request begins after it was made. Nobody waits long for what others have asked: see PATIENCE_SECONDS.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")

MOST = 100
"""Requests answered together. Those on top are next."""
PATIENCE_SECONDS = 0.05
"""What takes longer, because of a lock or of one request that is dear, is no longer waited for by the next."""


class Gathering(Generic[Request, Answer]):
    """What answers many requests, as something that can be asked one.

    `answer_all` is given one request or more, and gives as many answers in their order. Where it fails it must have
    done nothing: it is called anew for each request by itself, so that each gets its own error or none.
    """

    def __init__(self, answer_all: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]]) -> None:
        self._answer_all = answer_all
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._working: asyncio.Task[None] | None = None
        """Who will take those that wait."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, request: Request) -> Answer:
        """The answer to one request. Who stops waiting for it takes nothing from the others."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answered))
        if self._working is None:
            self._begin()
        return await answered

    def _begin(self) -> None:
        self._working = None
        if self._waiting:
            # In nobody's context: what is done for many belongs to none of their requests and traces.
            self._working = asyncio.create_task(self._work(), context=Context())
            self._tasks.add(self._working)
            self._working.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        own = asyncio.current_task()
        try:
            while self._working is own and self._waiting:
                together, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._answer_in_time(together)
        finally:
            if self._working is own:
                self._begin()

    async def _answer_in_time(self, together: Sequence[tuple[Request, "asyncio.Future[Answer]"]]) -> None:
        late = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._begin)
        try:
            await self._answer(together)
        finally:
            late.cancel()
            for _, answered in together:
                answered.cancel()  # those that have no answer, since this task was cancelled

    async def _answer(self, together: Sequence[tuple[Request, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._answer_all([request for request, _ in together])
            told = list(zip(together, answers, strict=True))
        except Exception as error:
            if len(together) > 1:
                await asyncio.gather(*(self._answer([each]) for each in together))
            elif not together[0][1].done():
                together[0][1].set_exception(error)
            return
        for (_, answered), answer in told:
            if not answered.done():
                answered.set_result(answer)
