"""``biomedgpt predict`` on a folder, rows, the standard input: what it prints, how it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.cli import run_command
from flows.cli import build_parser
from tests.components.serving.small import draw, make_folder

REPOSITORY = Path(__file__).parents[3]
QUESTION = ["--question", "Is it normal?"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for number in range(3):
        (tmp_path / f"films/{number}.png").write_bytes(draw(number))
    (tmp_path / "films/words.png").write_bytes(b"no picture")
    return tmp_path


def predict(*words: str) -> int:
    return run_command(build_parser(), ["predict", *words])


def read_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_image_gets_an_answer_with_all_that_is_known(
    model: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--model", model, "--image", "films/0.png", *QUESTION]
    assert predict(*asked) == 0
    answer, sure, others, own, data, note = capsys.readouterr().out.splitlines()
    assert predict(*asked, "--json") == 0
    (told,) = read_lines(capsys.readouterr().out)
    assert (
        told["answer"] == answer and note == told["note"] == "research only: not for clinical use"
    )
    assert f"{told['confidence']:.2f}, uncalibrated" in sure and not told["calibrated"]
    assert told["candidates"][0]["text"] == answer and len(told["candidates"]) == 5
    assert told["candidates"][1]["text"] in others and told["model"]["sha256"][:12] in own
    assert "not known" in data  # these weights have no manifest
    assert predict(*asked, "--abstain-below", "1") == 0
    assert "no answer: confidence" in capsys.readouterr().out


def test_a_folder_is_answered_and_what_cannot_be_is_named(
    model: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("--model", model, "--folder", "films", *QUESTION) == 1
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines()[:3]] == ["0.png", "1.png", "2.png"]
    assert "words.png: films/words.png cannot be read" in told.err
    assert told.err.splitlines()[-1] == "3 of 4 were answered; not words.png"


def test_an_answer_that_is_held_back_is_not_counted_as_given(
    model: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--model", model, "--folder", "films", *QUESTION, "--abstain-below"]
    assert predict(*asked, "1") == 1
    told = capsys.readouterr()
    assert told.out.count("no answer: confidence") == 3
    words = "0 of 4 were answered, 3 held back as not sure enough; not words.png"
    assert told.err.splitlines()[-1] == words


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_rows_of_which_there_are_none_are_told(
    model: str, here: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (here / "rows.jsonl").write_text(content)
    assert predict("--model", model, "--jsonl", "rows.jsonl") == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: rows.jsonl holds no row") and "next:" in told.err
    assert not told.out


def test_no_name_of_a_file_forges_a_line_commands_a_terminal_or_ends_the_run(
    model: str, here: Path
) -> None:
    names = [
        b"a\n9.png  no  (1.00)\n.png",
        b"b\x1b[2J.png",
        "c\u202egnp.png".encode(),
        b"d\xf6.png",
    ]
    (here / "odd").mkdir()
    for name in names:
        (Path("odd") / os.fsdecode(name)).write_bytes(draw(0))
    (here / "odd" / os.fsdecode(b"e\x1b[2J\xf6.png")).write_bytes(b"no picture")
    asked = ["predict", "--model", model, "--folder", "odd", *QUESTION]
    run = [sys.executable, "-m", "flows.cli", *asked]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(run, env=strict, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[:4]] == [
        r"a\n9.png", r"b\x1b[2J.png", r"c\u202egnp.png", r"d\udcf6.png",
    ]  # fmt: skip
    assert r"e\x1b[2J\udcf6.png: odd/e\x1b[2J\udcf6.png cannot be read" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    done = subprocess.run([*run, "--json"], env=strict, capture_output=True, text=True, check=False)
    told = read_lines(done.stdout)
    assert [os.fsencode(row["image"]) for row in told[:4]] == names and "error" in told[4]


def test_a_folder_given_as_an_image_is_told_as_such(
    model: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("--model", model, "--image", "films", *QUESTION) == 2
    told = capsys.readouterr().err
    assert "it is a folder" in told and "--folder" in told


def test_rows_are_answered_in_their_order_whatever_is_wrong_with_some(
    model: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"image": "0.png", "question": "is it normal?"}
    lines = [
        json.dumps({"id": "a", **good}), '{"image": "0.png", "quest', "", "[1]",
        json.dumps({**good, "questoin": "x"}), json.dumps({**good, "image": "absent.png"}),
        json.dumps({**good, "question": ""}), json.dumps({**good, "id": "b"}), '"\xff"',
    ]  # fmt: skip
    (here / "films/rows.jsonl").write_bytes("\n".join(lines).encode("latin-1"))
    assert predict("--model", model, "--jsonl", "films/rows.jsonl", "--json") == 1
    told = capsys.readouterr()
    found = read_lines(told.out)
    assert [row["line"] for row in found] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert found[0]["answer"] == found[6]["answer"] and found[0]["id"] == "a"
    errors = [row["error"] for row in found if "error" in row]
    wanted = [
        "line 2 is no JSON", "line 4 is no object", "line 5: 1 bad setting",
        "there is no image films/absent.png", "needs its question", "line 9 is no JSON",
    ]  # fmt: skip
    assert len(errors) == 6 and all(word in own for word, own in zip(wanted, errors, strict=True))
    assert "2 of 8 were answered; not line 2, line 4" in told.err


def test_the_standard_input_holds_an_image_or_rows(
    model: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [draw(0), json.dumps({"image": "films/0.png", "question": "Is it normal?"}).encode()]
    for content, words in zip(given, (["--image", "-", *QUESTION], ["--jsonl", "-"]), strict=True):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert predict("--model", model, *words, "--json") == 0
    image, row = read_lines(capsys.readouterr().out)
    assert image["answer"] == row["answer"]
    assert image["confidence"] == pytest.approx(row["confidence"], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--image", "films/words.png", *QUESTION], "cannot be read"),
        (["--image", "films/0.png"], "needs its question"),
        (["--folder", ".", *QUESTION], ". holds no image"),
        (["--folder", "films", "--image", "x.png"], "--image and --folder exclude each other"),
        (["--jsonl", "absent.jsonl"], "there is no file absent.jsonl"),
        (["--jsonl", "-", *QUESTION], "--jsonl goes without --question"),
        (["--abstain-below", "7"], "--abstain-below is 7"),
        (["--image", "films/0.png", *QUESTION, "--task", "caption"], "not caption"),
    ],
)
def test_what_cannot_be_asked_at_all_is_one_sentence(
    model: str, here: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert predict("--model", model, *words) == 2
    shown = capsys.readouterr()
    assert told in shown.err and not shown.out and "Traceback" not in shown.err


def test_without_a_model_those_of_the_project_are_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("--image", "films/0.png", *QUESTION) == 2
    assert "data/models has none" in capsys.readouterr().err
    place = here / "data/models/finetuned/debug/chest"
    place.mkdir(parents=True)
    (place / "config.json").touch()
    assert predict("--image", "films/0.png", *QUESTION) == 2
    told = capsys.readouterr().err
    assert "it could be data/models/finetuned/debug/chest" in told and "next: --model" in told
