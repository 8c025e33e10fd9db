"""The command line: small, frozen, and kind when something is wrong."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from components.cli import run_command
from components.config import load_params
from flows.cli import build_parser

FROZEN = {
    "use": {"profile": "positional", "--raw": "optional"},
    "doctor": {},
    "report": {},
    "import": {
        "file": "positional",
        "--to": "optional",
        "--ema": "optional",
        "--accept": "optional",
    },
    "export": {"folder": "positional", "--to": "optional", "--names": "optional"},
    "run": {},
    "plan": {},
}


def read_commands(parser: argparse.ArgumentParser) -> dict[str, dict[str, str]]:
    """Every command with its own arguments, but ``--help``."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: {
            (action.option_strings or [action.dest])[0]: "optional"
            if action.option_strings
            else "positional"
            for action in command._actions
            if action.dest != "help"
        }
        for name, command in commands.choices.items()
    }


def test_commands_and_options_are_these_and_no_others() -> None:
    assert read_commands(build_parser()) == FROZEN


def test_every_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(build_parser(), ["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for line in ("show what would run, and why", "bring every product up to date"):
        assert line in shown


@pytest.mark.parametrize("words", [[], ["rn"], ["use"], ["run", "--size", "debug"]])
def test_a_wrong_word_shows_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(build_parser(), words)
    assert caught.value.code == 2
    assert "usage: biomedgpt" in capsys.readouterr().err


def test_use_writes_the_parameters_and_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(build_parser(), ["use", "real", "--raw", "."]) == 0
    assert load_params().acquire.root == str(tmp_path.resolve())
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "params.yaml now holds the profile real"
    assert shown[-1] == "next: biomedgpt run"


def test_use_leaves_the_old_file_on_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("mine: 1\n")
    assert run_command(build_parser(), ["use", "dem"]) == 2
    assert Path("params.yaml").read_text() == "mine: 1\n"
    told = capsys.readouterr().err
    assert told.startswith("error: no profile named 'dem'\n  why:  known: base, demo, large")
    assert "Traceback" not in told


def test_report_is_found_or_the_next_command_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(build_parser(), ["report"]) == 2
    assert "next: biomedgpt run" in capsys.readouterr().err
    page = Path("data/report/index.html")
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    assert run_command(build_parser(), ["report"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / page}\n"


def test_doctor_fails_when_the_parameters_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(build_parser(), ["doctor"]) == 1
    assert "params.yaml is missing" in capsys.readouterr().out
    run_command(build_parser(), ["use", "demo"])
    capsys.readouterr()
    assert run_command(build_parser(), ["doctor"]) == 0
    assert "profile demo" in capsys.readouterr().out


def test_plan_outside_a_project_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(build_parser(), ["plan"]) == 2
    assert "params.yaml is missing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("params.yaml", "  steps:", "  stepz:", ["stepz", "did you mean steps?"]),
        ("params.yaml", "profile: demo", "profile: demo\npretrian: {}", ["pretrian", "pretrain"]),
        ("params.yaml", "- debug\n", "- debgu\n", ["debgu", "known sizes: debug"]),
        ("params.yaml", "- debug\n", "- debug\n- debug\n", ["sizes", "more than once"]),
        ("params.yaml", "- slake\n", "- pubmed\n", ["datasets and sources", "pubmed"]),
        ("params.yaml", "- pubmed\n- pmc_oa\n", "- pmc_oa\n", ["sources must name", "pubmed"]),
        ("params.yaml", "pretrain:\n", "pretrain:\n  overrides:\n    tny: {}\n", ["tny", "known"]),
        ("data/cards/meqsum.yaml", "task: summarize", "task: corpus", ["meqsum", "under sources"]),
        ("data/cards/meqsum.yaml", "  all:", "  al:", ["'al'", "or all", "table"]),
        (
            "data/cards/mednli.yaml",
            "candidates: fixed",
            "candidates: fixed\nanswers: {}",
            ["fixed"],
        ),
        ("data/cards/meqsum.yaml", "metrics:", "metricz:", ["metricz", "Allowed here"]),
        ("data/cards/meqsum.yaml", "  text:", "  txet:", ["txet", "allowed", "text"]),
        ("data/cards/meqsum.yaml", "- rouge_1", "- rouge_11", ["rouge_11", "known"]),
        ("data/cards/meqsum.yaml", "metrics:", "recipe:\n  stepz: 3\nmetrics:", ["stepz"]),
    ],
)
def test_a_mistake_stops_every_command_before_anything_runs(
    command: str, file: str, old: str, new: str, words: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    repository: Path,
) -> None:  # fmt: skip
    shutil.copytree(repository / "data/cards", tmp_path / "data/cards")
    monkeypatch.chdir(tmp_path)
    run_command(build_parser(), ["use", "demo"])
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new, 1))
    assert run_command(build_parser(), [command]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
