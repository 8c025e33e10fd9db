"""The desk: one model, one thread that asks it, and the requests that wait, answered together."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from components.errors import UserError
from components.serving.looking import Look, look_each
from components.serving.served import BATCH, Request, ServedModel

T = TypeVar("T")
RECENT = 0.2  # weight of the newest batch in the mean time of a request
BATCH_S = 5.0  # nobody waits much longer than this for those who are answered beside him


@dataclass(frozen=True, slots=True)
class _Job:
    """Work for the thread: a request to the model, or any call; and who waits for it."""

    future: Future[Any]
    request: Request | None = None
    explain: bool = False
    call: Callable[[], Any] | None = None


@dataclass
class Desk:
    """Answers requests in the order in which they came, those that wait together in one batch.

    ``seconds_each`` is the recent time of one request; the slower they are, the smaller a batch.
    """

    model: ServedModel
    seconds_each: float = 0.0
    waiting: queue.SimpleQueue[_Job | None] = field(default_factory=queue.SimpleQueue)
    thread: threading.Thread | None = None
    is_closed: bool = False

    def rehearse(self, request: Request) -> None:
        """Answer before anyone asks, so that what a request takes is known to the first of them."""
        for _ in range(2):  # the first is slower than those that follow
            begun = time.monotonic()
            look_each(self.model, [request])
            self.seconds_each = time.monotonic() - begun

    def open(self) -> None:
        """Start the thread."""
        self.thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Finish what is being answered, call off what waits, and stop the thread."""
        self.is_closed = True
        self.waiting.put(None)
        if self.thread is not None:
            self.thread.join()

    def ask(self, request: Request, *, explain: bool) -> Future[Look]:
        """What the model replies; cancel the future to call it off while it waits."""
        return self._wait(_Job(Future(), request, explain))

    def run(self, call: Callable[[], T]) -> Future[T]:
        """What a call returns that must not run beside the model's."""
        return self._wait(_Job(Future(), call=call))

    def _wait(self, job: _Job) -> Future[Any]:
        if self.is_closed:
            job.future.cancel()
        else:
            self.waiting.put(job)
        return job.future

    def _work(self) -> None:
        while not self.is_closed:
            batch = self._take()
            begun = time.monotonic()
            self._answer([job for job in batch if job.request is not None])
            for job in batch:
                if job.call is not None:
                    _settle(job.future, job.call)
            if batch:
                each = (time.monotonic() - begun) / len(batch)
                self.seconds_each += RECENT * (each - self.seconds_each)
        while not self.waiting.empty():
            left = self.waiting.get()
            if left is not None:
                left.future.cancel()

    def _take(self) -> list[_Job]:
        """The next jobs that nobody has called off; waits for the first."""
        taken = [self.waiting.get()]
        most = min(BATCH, BATCH_S / max(self.seconds_each, 1e-9))
        while len(taken) + 1 <= most and not self.waiting.empty():
            taken.append(self.waiting.get())
        return [
            job for job in taken
            if job is not None and job.future.set_running_or_notify_cancel()
        ]  # fmt: skip

    def _answer(self, jobs: Sequence[_Job]) -> None:
        for explain in (False, True):
            group = [job for job in jobs if job.explain is explain]
            try:
                looks = self._look(group, explain)
            except Exception as error:  # a fault of the model is told to all who wait for it
                looks = [error] * len(group)
            for job, look in zip(group, looks, strict=True):
                if isinstance(look, Look):
                    job.future.set_result(look)
                else:
                    job.future.set_exception(look)

    def _look(self, jobs: Sequence[_Job], explain: bool) -> Sequence[Look | Exception]:
        requests = [job.request for job in jobs if job.request is not None]
        if explain:
            return look_each(self.model, requests)
        replies = self.model.ask_each(requests)
        return [r if isinstance(r, UserError) else Look(r) for r in replies]


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except Exception as error:  # told to the one who waits for it
        future.set_exception(error)
