"""The desk: what waits together is answered together, what is called off is not answered at all."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from components.errors import UserError
from components.serving.looking import grey_image
from components.serving.served import Reply, Request, load
from components.tasks.registry import TASKS
from components.web.desk import Desk
from components.web.serve import open_house
from components.web.takes import list_takes, make_rehearsal


@pytest.fixture
def desk(model_folder: Path) -> Desk:
    return Desk(load(model_folder, "cpu"))


def test_what_waits_together_gets_the_answers_that_it_gets_alone(desk: Desk) -> None:
    requests = [Request(grey_image(), f"Is number {n} clear?") for n in range(20)]
    futures = [desk.ask(request, explain=n % 2 == 0) for n, request in enumerate(requests)]
    bad = desk.ask(Request(b"no image", "Is it?"), explain=True)
    called_off = desk.ask(requests[0], explain=False)
    assert called_off.cancel()
    number = desk.run(lambda: 7)
    desk.open()
    looks = [future.result(60) for future in futures]
    assert number.result(60) == 7
    with pytest.raises(UserError, match="cannot be read"):
        bad.result(60)
    desk.close()
    for n, (request, look) in enumerate(zip(requests, looks, strict=True)):
        assert look.reply.text == desk.model.ask_all([request])[0].text
        assert (look.gaze is not None) == (n % 2 == 0)
    assert desk.seconds_each > 0


def test_a_fault_of_one_call_ends_neither_the_thread_nor_the_others(desk: Desk) -> None:
    desk.open()
    with pytest.raises(ZeroDivisionError):
        desk.run(lambda: 1 // 0).result(60)
    assert desk.ask(Request(grey_image(), "Is it?"), explain=False).result(60).reply.text
    desk.close()


def test_closing_finishes_what_runs_and_calls_off_what_waits(desk: Desk) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        go_on.wait(60)
        return "done"

    desk.open()
    running = desk.run(slowly)
    assert begun.wait(60)
    waiting = desk.ask(Request(grey_image(), "Is it?"), explain=False)
    closing = threading.Thread(target=desk.close)
    closing.start()
    while not desk.is_closed:
        pass
    late = desk.run(lambda: 1)
    go_on.set()
    closing.join(60)
    assert running.result(1) == "done"
    for future in (waiting, late):
        with pytest.raises(CancelledError):
            future.result(1)


def test_a_slow_model_answers_few_at_a_time(desk: Desk) -> None:
    for n in range(20):
        desk.ask(Request(grey_image(), f"Is number {n} clear?"), explain=False)
    sizes = []
    for seconds_each in (10.0, 2.0, 0.01):
        desk.seconds_each = seconds_each
        sizes.append(len(desk._take()))
    assert sizes == [1, 2, 16]


@pytest.mark.parametrize(
    "task", ["vqa", "caption", "classify", "understand", "summarize", "answer", "instruct"]
)
def test_every_kind_of_model_can_rehearse(desk: Desk, task: str, model_folder: Path) -> None:
    asking = desk.model.asking.model_copy(update={"task": task, "candidates": []})
    desk.model.asking, desk.model.task = asking, TASKS[task]
    (reply,) = desk.model.ask_each([make_rehearsal(list_takes(desk.model))])
    assert isinstance(reply, Reply), reply


def test_what_a_request_takes_is_known_before_the_first(model_folder: Path) -> None:
    assert open_house(model_folder, "cpu").desk.seconds_each > 0
