"""Requests that arrive while the model is busy are answered together, in one batch, when it is free again.

Nothing waits for a batch to fill: a request alone is answered at once. Imports no torch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """More texts are waiting than may wait."""


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Answer]):
    texts: Sequence[str]
    answers: asyncio.Future[Sequence[Answer]]


class Batcher(Generic[Answer]):
    """Answers texts in one thread, so that the model is never asked two things at once.

    answer: gives one answer for each text; at_a_time: texts that are enough for a batch; most_waiting: see Limits.
    """

    def __init__(
        self, answer: Callable[[Sequence[str]], Sequence[Answer]], at_a_time: int, most_waiting: int
    ) -> None:
        self.n_waiting = 0
        self._answer, self._at_a_time, self._most_waiting = answer, at_a_time, most_waiting
        self._queue: asyncio.Queue[_Waiting[Answer]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "model")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Requests are answered within the block; those still waiting at its end are not."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            self._thread.shutdown(cancel_futures=True)

    async def submit(self, texts: Sequence[str], patient: bool = False) -> Sequence[Answer]:
        """One answer for each text. Raises QueueFullError, unless patient, and what `answer` raises for these texts."""
        if not texts:
            return []
        with self._counted(len(texts), patient):
            waiting = _Waiting(texts, asyncio.get_running_loop().create_future())
            self._queue.put_nowait(waiting)
            return await waiting.answers

    async def alone(self, n_texts: int, call: Callable[[], Result]) -> Result:
        """What `call` gives, which costs as much as so many texts. Raises QueueFullError, and what `call` raises."""
        with self._counted(n_texts, patient=False):
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    @contextmanager
    def _counted(self, n_texts: int, patient: bool) -> Iterator[None]:
        if not patient and self.n_waiting + n_texts > self._most_waiting:
            raise QueueFullError
        self.n_waiting += n_texts
        try:
            yield
        finally:
            self.n_waiting -= n_texts

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty() and sum(len(each.texts) for each in batch) < self._at_a_time:
                batch.append(self._queue.get_nowait())
            await self._answer_batch(batch)

    async def _answer_batch(self, batch: Sequence[_Waiting[Answer]]) -> None:
        texts = [text for each in batch for text in each.texts]
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self._answer, texts)
        except Exception as error:
            if len(batch) > 1:  # only those whose texts are at fault shall fail
                for each in batch:
                    await self._answer_batch([each])
            elif not batch[0].answers.done():
                batch[0].answers.set_exception(error)
            return
        begin = 0
        for each in batch:
            if not each.answers.done():  # it is where the request was given up
                each.answers.set_result(answers[begin : begin + len(each.texts)])
            begin += len(each.texts)
