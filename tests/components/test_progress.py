"""Progress: plain lines where there is no terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from components import progress
from components.progress import follow, say, show_progress


def test_plain_lines_count_and_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    with show_progress("finetune debug", 4) as advance:
        advance(1, "loss 2.5")
        advance(2, "loss 1.5")
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "finetune debug: 1/4, time left unknown loss 2.5"
    assert second.startswith("finetune debug: 2/4, ")
    assert second.endswith(" s left loss 1.5")
    assert last.startswith("finetune debug: done in ")


def test_steps_of_an_earlier_process_say_nothing_of_the_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 0.0, 3.0, 7.0, 7.0])  # begins, makes the lines, two steps, ends
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with show_progress("finetune debug", 300) as advance:
        advance(201)
        advance(203)
    assert "finetune debug: 203/300, 194 s left" in capsys.readouterr().out  # 2 s a step


def test_whoever_takes_items_shows_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    assert list(follow("files", "abc")) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == [f"files: {i}/3" for i in (1, 2, 3)]
    assert len(lines) == 4


def test_few_lines_for_many_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("fit", 1000) as advance:
        for step in range(1000):
            advance(step)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_line_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold] 3 of 4, 1:100:2 " + "x" * 300
    say(line)
    assert capsys.readouterr().out == f"{line}\n"


def test_details_end_a_plain_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    with show_progress("fit", 2) as advance:
        advance(1, "loss 2.5", {"lr": "0.001", "wait": "3%"})
    first, _ = capsys.readouterr().out.splitlines()
    assert first == "fit: 1/2, time left unknown loss 2.5, lr 0.001, wait 3%"


def test_details_are_a_table_under_the_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()

    def terminal(**_: object) -> Console:
        return Console(file=shown, force_terminal=True, width=60, color_system=None)

    monkeypatch.setattr(progress, "Console", terminal)
    details = {"tokens/s": "3,100", "wait": "3%", "memory": "512 MiB", "[truncated]": "0"}
    with show_progress("fit", 2) as advance:
        advance(1, "loss 2.5", {})
        advance(2, "loss 1.5", details)
    last = shown.getvalue().split("fit ")[-1]
    assert "loss 1.5" in last
    assert re.search(r"tokens/s 3,100 +wait 3% +memory 512 MiB *\n\[truncated\] 0", last)
