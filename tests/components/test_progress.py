"""Progress: plain lines where there is no terminal."""

from __future__ import annotations

import pytest

from components import progress
from components.progress import say, show_progress


def test_plain_lines_count_and_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    with show_progress("finetune debug", 4) as advance:
        advance(2, "loss 1.5")
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("finetune debug: 2/4, ")
    assert first.endswith(" s left loss 1.5")
    assert last.startswith("finetune debug: done in ")


def test_few_lines_for_many_steps(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("fit", 1000) as advance:
        for step in range(1000):
            advance(step)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_line_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold] 3 of 4 " + "x" * 300
    say(line)
    assert capsys.readouterr().out == f"{line}\n"
