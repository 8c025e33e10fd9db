"""The command line: small, frozen, and kind when something is wrong."""

from __future__ import annotations

import argparse
import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.checkpoints.faults import TOLERANCES
from components.cli import run_command
from components.config import load_params
from components.errors import refusals_told
from components.stages.door import enter
from flows.cli import build_parser

FROZEN = {
    "use": {"profile": "positional", "--raw": "optional"},
    "doctor": {"--json": "optional"},
    "completion": {"shell": "positional"},
    "datasets": {"name": "positional"},
    "new-dataset": {"name": "positional", "--task": "optional"},
    "check": {"name": "positional"},
    "report": {},
    "import": {
        "file": "positional",
        "--to": "optional",
        "--ema": "optional",
        "--accept": "optional",
    },
    "export": {"folder": "positional", "--to": "optional", "--names": "optional"},
    "score": {"file": "positional", "--dataset": "optional", "--to": "optional"},
    "export-tasks": {"folder": "positional"},
    "balance": {"--size": "optional", "--seeds": "optional"},
    "rating": {"step": "positional"},
    "model-card": {"folder": "positional", "--to": "optional"},
    "remote": {"address": "positional", "--endpoint": "optional"},
    "push": {"targets": "positional"},
    "pull": {"targets": "positional"},
    "artifacts": {"step": "positional"},
    "get": {"address": "positional", "--to": "optional"},
    "predict": {
        "--model": "optional",
        "--image": "optional",
        "--folder": "optional",
        "--jsonl": "optional",
        "--question": "optional",
        "--text": "optional",
        "--option": "optional",
        "--task": "optional",
        "--frame": "optional",
        "--json": "optional",
        "--abstain-below": "optional",
        "--greedy": "optional",
        "--int8": "optional",
    },
    "web": {
        "model": "positional",
        "--port": "optional",
        "--host": "optional",
        "--name": "optional",
    },
    "trace": {"what": "positional"},
    "recall": {"--to": "optional"},
    "reproduce": {"metric": "positional"},
    "logs": {
        "id": "positional",
        "--stage": "optional",
        "--level": "optional",
        "--json": "optional",
    },
    "selftest": {"--chaos": "optional"},
    "run": {},
    "plan": {
        "stage": "positional",
        "--size": "optional",
        "--dataset": "optional",
        "--gpus": "optional",
    },
}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the project's root."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    return tmp_path


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


def make_failing(path: Path) -> argparse.ArgumentParser:
    """A parser whose one command makes a folder."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    commands.add_parser("touch").set_defaults(call=lambda _: path.mkdir())
    return parser


def test_commands_and_options_are_these_and_no_others() -> None:
    assert read_commands(build_parser()) == FROZEN


def test_every_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(build_parser(), ["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for line in ("show what would run, and why", "bring every product up to date"):
        assert line in shown


def test_the_help_tells_a_newcomer_where_to_begin() -> None:
    parser = build_parser()
    told = f"{parser.description} {parser.epilog}"
    for word in ("doctor", "run", "report", "predict"):  # what to begin with is a command
        assert word in FROZEN and f"{word} " in told
    assert "docs/tutorial.md" in told and "Status 0" in told and "`" not in told


def test_no_word_at_all_shows_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["biomedgpt"])
    for words in ([], None):
        with pytest.raises(SystemExit) as caught:
            run_command(build_parser(), words)
        assert caught.value.code == 2
        shown = capsys.readouterr().err
        assert all(re.search(rf"\n    {command}\s", shown) for command in FROZEN)


def test_import_says_what_it_reads_and_what_it_may_accept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run_command(build_parser(), ["import", "--help"])
    shown = capsys.readouterr().out
    assert all(f"\n  {group} " in shown for group in TOLERANCES)
    assert all(kind in shown for kind in (".pt", ".bin", ".safetensors", ".ckpt"))


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


def test_a_machine_s_refusal_is_told_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("a file where the folder must be")
    assert run_command(make_failing(Path("data/raw")), ["touch"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: data/raw cannot be read or written\n  why:  Not a directory")


def test_a_stage_tells_what_the_machine_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_command(build_parser(), ["use", "demo"])
    (tmp_path / "data").write_text("a file where the folder must be")
    monkeypatch.setattr("sys.argv", ["acquire", "--source", "vqa_rad"])
    with pytest.raises(SystemExit) as caught:
        enter("acquire", lambda _params, source: Path("data", source).mkdir(), "source")
    assert caught.value.code == 2
    assert "data/vqa_rad cannot be read or written" in capsys.readouterr().err


def test_who_has_read_enough_ends_a_command_without_a_traceback() -> None:
    asked = [sys.executable, "-m", "flows.cli", "completion", "bash"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout and command.stderr
        command.stdout.close()  # as `| head` does once it has its lines
        assert command.stderr.read() == b""
        assert command.wait() == 1


def test_a_line_to_elsewhere_that_breaks_is_no_end_of_reading() -> None:
    def send(_: argparse.Namespace) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    parser = argparse.ArgumentParser()
    parser.add_subparsers().add_parser("send").set_defaults(call=send)
    with pytest.raises(BrokenPipeError):
        run_command(parser, ["send"])


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(FileNotFoundError), refusals_told():
        Path("not/there").read_text()


def test_use_refuses_an_empty_folder_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(build_parser(), ["use", "demo", "--raw", ""]) == 2
    assert "--raw '' is not a folder" in capsys.readouterr().err


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


@pytest.mark.parametrize("words", [["use", "demo"], ["doctor"], ["report"], ["plan"], ["run"]])
def test_outside_the_project_every_command_says_so(
    words: list[str],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inside = root / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert run_command(build_parser(), words) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: this folder is not the project's root\n")
    assert told.endswith(f"  next: cd {root}\n")
    (root / "dvc.yaml").unlink()
    assert run_command(build_parser(), words) == 2
    assert "change to the folder that you cloned" in capsys.readouterr().err
    assert not list(inside.iterdir())


def test_a_plan_of_the_pipeline_takes_nothing_of_a_training_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(build_parser(), ["plan", "--dataset", "slake", "--gpus", "0"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: plan goes without --dataset, --gpus where no stage is named\n")


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
        ("params.yaml", "  overrides: {}", "  overrides:\n    bse: {}", ["bse", "known sizes"]),
        ("data/cards/meqsum.yaml", "task: summarize", "task: corpus", ["meqsum", "under sources"]),
        ("data/cards/meqsum.yaml", "  all:", "  al:", ["'al'", "or all", "table"]),
        ("data/cards/meqsum.yaml", "candidates: none", "candidates: fixed", ["fixed", "answers"]),
        ("data/cards/meqsum.yaml", "metrics:", "metricz:", ["metricz", "Allowed here"]),
        ("data/cards/meqsum.yaml", "  text:", "  txet:", ["txet", "allowed", "text"]),
        ("data/cards/meqsum.yaml", "- rouge_1", "- rouge_11", ["rouge_11", "known"]),
        ("data/cards/meqsum.yaml", "recipe: {}", "recipe:\n  stepz: 3", ["stepz"]),
        ("data/cards/meqsum.yaml", "recipe: {}\n", "", ["recipe: missing"]),
        (
            "data/cards/meqsum.yaml",
            "task:",
            "name: other\ntask:",
            ["'name' stands twice", "first in line 7"],
        ),
        ("data/cards/medmcqa.yaml", "metrics:\n- accuracy", "metrics: []", ["metrics is empty"]),
        ("params.yaml", "pretrained_on:\n", "pretrained_on:\n- medmcqa\n", ["which has no images"]),
        ("params.yaml", "sources:\n- deep", "sources:\n- pubmed\n- deep", ["not for that alone"]),
        (
            "data/cards/slake.yaml",
            "- validation\n- test\nanswers",
            "answers",
            ["no records to test"],
        ),
        ("params.yaml", "max_source_tokens: 128", "max_source_tokens: 1000", ["finetune", "1048"]),
        ("params.yaml", "start_from: ''", "start_from: lost", ["start_from", "lost", "import"]),
        ("params.yaml", "seed: 7", "seed: 7\nseed: 8", ["'seed' stands twice", "line 5"]),
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
