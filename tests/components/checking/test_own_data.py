"""A data set of the user's own: begun by a command, checked, and never trained on unchecked."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.cards import PRETRAINING_TASKS, load_card
from components.checking.dataset import check_dataset
from components.checking.examples import PLACEHOLDER
from components.checking.template import ROWS, TEMPLATES, write_template
from components.checking.words import tell_check
from components.cli import run_command
from components.config import PARAMS_FILE, Params, load_params
from components.errors import UserError
from components.lineage import MANIFEST, QUARANTINE
from components.profiles.overlay import write_params
from components.raw_files import REFERENCE
from components.readers.registry import check_reader
from components.records import Example, ImageRecord, Reject, read_records
from components.sample.settings import SampleSettings
from components.sample.world import make_source
from components.stages import acquire, prepare
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import train_vocabulary
from flows.cli import build_parser
from tests.components.readers.test_dicom import write as write_dicom

each_task = pytest.mark.parametrize("task", sorted(TEMPLATES))
Configure = Callable[..., Params]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the demo's settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data/cards").mkdir(parents=True)
    write_params("demo")
    return tmp_path


def give(command: str) -> int:
    """Run a command as a person would."""
    return run_command(build_parser(), command.split())


def point_to(root: str) -> Params:
    """Set acquire.root."""
    text = PARAMS_FILE.read_text().replace("root: ''", f"root: {root}")
    PARAMS_FILE.write_text(text)
    return load_params()


def fill(folder: Path, task: str, num: int = 40) -> None:
    """Replace the template's rows by others, each of its own group."""
    rows = []
    for number in range(num):
        text = json.dumps(TEMPLATES[task][number % 2]).replace(PLACEHOLDER, f"row {number}")
        row = json.loads(text)
        rows.append({**row, "group": f"p{number}"} if "group" in row else row)
    (folder / ROWS).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@each_task
def test_a_template_is_a_data_set_whose_rows_are_to_be_replaced(task: str, project: Path) -> None:
    files = write_template("mine", task, project / "my_data/mine")
    assert all(path.is_file() for path in files)
    card = load_card("mine")
    check_reader(card)
    checked = check_dataset(card, load_params(), "my_data")
    assert checked.prepared.faults() == []
    errors = [f.words for f in checked.findings if f.level == "error"]
    assert any("2 rows of the template are still there" in words for words in errors)
    assert not checked.is_sound
    assert card.source.access == "private"


@each_task
def test_replaced_rows_run_through_acquire_and_prepare(task: str, project: Path) -> None:
    assert give(f"new-dataset mine --task {task}") == 0
    card = project / "data/cards/mine.yaml"
    card.write_text(card.read_text().replace(f"{PLACEHOLDER}: ", ""))
    fill(project / "my_data/mine", task)
    params = point_to("my_data")  # in mode sample: what is not made is copied
    assert give("check mine") == 0
    acquire.run(params, "mine")
    prepare.run(params, "mine")
    manifest = json.loads((project / "data/examples/mine/manifest.json").read_text())
    assert manifest["counts"]["in"] == manifest["counts"]["out"] == 40
    assert manifest["access"] == ["private"]
    examples = check_dataset(load_card("mine"), params, "").prepared.examples
    assert {example.split for example in examples} >= {"train", "test"}


def test_prepare_refuses_a_template(project: Path) -> None:
    give("new-dataset mine --task summarize")
    with (project / "my_data/mine" / ROWS).open("a") as file:
        for number in range(60):
            row = {"text": f"text {number}", "summary": "short", "group": str(number)}
            file.write(json.dumps(row) + "\n")
    params = point_to("my_data")
    acquire.run(params, "mine")
    with pytest.raises(UserError, match="cannot be trained on") as caught:
        prepare.run(params, "mine")
    assert f"{ROWS}#1" in caught.value.why
    assert caught.value.next_command.endswith("biomedgpt check mine")
    assert not (project / "data/examples/mine/manifest.json").exists()


@pytest.mark.parametrize("name", ["Mine", "1st", "my-data", "../mine", ""])
def test_a_bad_name_is_refused(name: str, project: Path) -> None:
    with pytest.raises(UserError, match="cannot name a data set"):
        write_template(name, "vqa", project / "my_data/x")


def test_nothing_is_overwritten(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert give("new-dataset mine --task vqa") == 0
    before = (project / "data/cards/mine.yaml").read_bytes()
    assert give("new-dataset mine --task caption") == 2
    assert "mine.yaml is already there" in capsys.readouterr().err
    assert (project / "data/cards/mine.yaml").read_bytes() == before


def test_an_unknown_task_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert give("new-dataset mine --task segment") == 2
    assert all(task in capsys.readouterr().err for task in ("segment", *TEMPLATES)[:1])
    assert set(TEMPLATES) == set(TASKS) - {"instruct", *PRETRAINING_TASKS}


def test_check_names_row_and_field(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give("new-dataset mine --task vqa")
    fill(project / "my_data/mine", "vqa")
    path = project / "my_data/mine" / ROWS
    lines = path.read_text().splitlines()
    broken = {"image": "gone.png", "question": "is it?", "answer": "no", "group": "a"}
    outside = {**broken, "image": "../../secret.png"}
    no_answer = {"image": "1.png", "question": "is it?", "group": "a"}
    bad = [json.dumps(row) for row in (broken, outside, no_answer)]
    path.write_text("\n".join([*lines, *bad, "{not json"]) + "\n")
    (project / "my_data/mine/images/2.png").write_bytes(b"no image")
    capsys.readouterr()
    assert give("check mine") == 1
    told = capsys.readouterr().out
    for words in (
        "1 left out: missing-image\n    rows.jsonl#41: gone.png",
        "1 left out: path-outside\n    rows.jsonl#42",
        "1 left out: missing-answer\n    rows.jsonl#43",
        "1 left out: broken-json\n    rows.jsonl#44",
        "20 left out: ",
        "error: 24 of 44 records are unusable",
        "mine cannot be trained on",
    ):
        assert words in told, told


def test_check_shows_tokens_and_what_is_not_learnt(project: Path) -> None:
    give("new-dataset mine --task vqa")
    fill(project / "my_data/mine", "vqa")
    train_vocabulary(["is the lung clear? yes", "which organ?"], 50, 16, 16).save(
        project / "data/vocabulary"
    )
    checked = check_dataset(load_card("mine"), load_params(), "my_data")
    assert checked.lengths is None  # a vocabulary without its manifest is not finished
    (project / "data/vocabulary/manifest.json").write_text("{}")
    checked = check_dataset(load_card("mine"), load_params(), "my_data")
    assert checked.lengths is not None
    assert len(checked.samples) == 5
    for example, cells in checked.samples:
        assert cells["encoder"][0] == "<s>=0" and cells["encoder"][-1] == "</s>=2"
        assert cells["reads"][0] == "<s>=0" and cells["says"][-1] == "</s>=2"
        learnt = [cell for cell in cells["says"] if cell != "_"]
        text = "".join(cell.rsplit("=", 1)[0] for cell in learnt[:-1])
        assert text.replace("\u00b7", " ") == example.target
        assert len(cells["says"]) - len(learnt) == len(cells["encoder"]) - 2  # the question again
    told = "\n".join(tell_check(checked))
    assert "must say" in told and "_ marks what the decoder is given" in told


def test_lost_labels_are_an_error(project: Path) -> None:
    give("new-dataset mine --task caption")
    fill(project / "my_data/mine", "caption")
    path = project / "my_data/mine" / ROWS
    path.write_text(path.read_text().replace("what the image shows", "word " * 400))
    train_vocabulary(["word"], 5, 16, 16).save(project / "data/vocabulary")
    (project / "data/vocabulary/manifest.json").write_text("{}")
    checked = check_dataset(load_card("mine"), load_params(), "my_data")
    (error,) = [f.words for f in checked.findings if f.level == "error"]
    assert "beyond max_target_tokens" in error and "would hold all" in error


def test_a_folder_that_is_there_already_does_not_lead_in_circles(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "my_data/mine").mkdir(parents=True)
    assert give("new-dataset mine --task vqa") == 2
    told = capsys.readouterr().err
    assert "my_data/mine is already there" in told and "move my_data/mine away" in told
    assert not (project / "data/cards/mine.yaml").exists()


def test_check_knows_the_metrics(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    give("new-dataset mine --task summarize")
    fill(project / "my_data/mine", "summarize")
    card = project / "data/cards/mine.yaml"
    card.write_text(card.read_text().replace("rouge_2", "rouge_x"))
    assert give("check mine") == 2
    assert "rouge_x" in capsys.readouterr().err


def test_rows_beside_files_of_splits_are_told_to_be_unread(project: Path) -> None:
    give("new-dataset mine --task summarize")
    folder = project / "my_data/mine"
    fill(folder, "summarize")
    shutil.copy(folder / ROWS, folder / "train.jsonl")
    checked = check_dataset(load_card("mine"), load_params(), "my_data")
    assert f"not read, as files of splits lie beside it (train): {ROWS}" in [
        finding.words for finding in checked.findings
    ]


def test_your_own_records_are_not_copied(project: Path) -> None:
    give("new-dataset mine --task summarize")
    fill(project / "my_data/mine", "summarize")
    acquire.run(point_to("my_data"), "mine")
    raw = project / "data/raw/mine"
    assert {path.name for path in raw.iterdir()} == {REFERENCE, MANIFEST, QUARANTINE}
    assert all(b"row 1" not in path.read_bytes() for path in raw.iterdir())
    (project / "my_data/mine" / ROWS).write_text("")
    with pytest.raises(UserError, match="are not those that acquire found"):
        prepare.run(load_params(), "mine")


SAID = "mrs quill of room nine"


def enter(stage: str, *words: str, repository: Path) -> subprocess.CompletedProcess[str]:
    """A stage by its door, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", f"components.stages.{stage}", *words], check=False, text=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(repository)},
    )  # fmt: skip


def test_no_word_of_a_private_record_stands_in_a_log_an_error_or_a_manifest(
    project: Path, repository: Path
) -> None:
    """Neither of those that are used nor of those that are not, of which the quarantine tells."""
    give("new-dataset mine --task understand")
    card = project / "data/cards/mine.yaml"
    card.write_text(card.read_text().replace(f"{PLACEHOLDER}: ", ""))
    fill(project / "my_data/mine", "understand")
    rows = project / "my_data/mine" / ROWS
    used = rows.read_text().replace("the patient has a cough", SAID)
    slipped = json.dumps({"premise": SAID, "hypothesis": SAID, "label": SAID, "group": "z"})
    # as where a quote is missing: text stands under ``label``
    rows.write_text(used + f"{slipped}\n" * 3)
    point_to("my_data")
    made = [enter("acquire", "--source", "mine", repository=repository)]
    made.append(enter("prepare", "--dataset", "mine", repository=repository))
    assert [done.returncode for done in made] == [0, 2], made[-1].stderr
    assert f"unknown-label (3). First: {ROWS}#41. All: " in made[-1].stderr
    text = PARAMS_FILE.read_text().replace("max_quarantined: 0.05", "max_quarantined: 0.5")
    PARAMS_FILE.write_text(text)
    made.append(enter("prepare", "--dataset", "mine", repository=repository))
    assert made[-1].returncode == 0, made[-1].stderr
    assert not [done for done in made if SAID in done.stdout + done.stderr]
    kept = [path for path in project.rglob("*") if path.is_file() and path != rows]
    assert {path.parent.parent.name for path in kept} >= {"logs", "examples", "raw"}
    holders = {path.name for path in kept if SAID.encode() in path.read_bytes()}
    assert holders <= {QUARANTINE, "examples.parquet"}
    examples = list(read_records(project / "data/examples/mine/examples.parquet", Example))
    assert SAID in examples[0].source  # it was there to be told


PEOPLE = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress",
    "InstitutionName", "ReferringPhysicianName", "OperatorsName", "AccessionNumber", "StudyID",
    "StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments", "DeviceSerialNumber",
)  # fmt: skip
CANARY = "QUILL7Q"


def test_of_a_dicom_file_its_picture_is_taken_and_no_tag(project: Path) -> None:
    """Nor do the reasons tell one for which files are refused, nor what is made of the pictures."""
    give("new-dataset mine --task classify")
    card = project / "data/cards/mine.yaml"
    card.write_text(card.read_text().replace(f"{PLACEHOLDER}: ", ""))
    films = project / "my_data/mine/images"
    tags: dict[str, Any] = dict.fromkeys(PEOPLE, CANARY)
    pixels = np.arange(64, dtype=np.int16).reshape(8, 8)
    odd: dict[str, dict[str, Any]] = {
        "burned": {"BurnedInAnnotation": "YES"}, "many": {"NumberOfFrames": 2},
        "huge": {"Rows": 65535, "Columns": 65535}, "odd": {"BitsAllocated": 12},
        "colour": {"PhotometricInterpretation": "PALETTE COLOR"},
    }  # fmt: skip
    for number, (name, changes) in enumerate({"1": {}, "2": {}, "cut": {}, **odd}.items()):
        write_dicom(films / f"{name}.dcm", np.roll(pixels, number), **tags, **changes)
    (films / "cut.dcm").write_bytes((films / "cut.dcm").read_bytes()[:-40])
    names = [*(str(1 + number % 2) for number in range(40)), *odd, "cut"]
    rows = [{"image": f"{name}.dcm", "label": str(number % 2), "group": f"p{number}"}
            for number, name in enumerate(names)]  # fmt: skip
    (project / "my_data/mine" / ROWS).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = PARAMS_FILE.read_text().replace("max_quarantined: 0.05", "max_quarantined: 0.5")
    PARAMS_FILE.write_text(text)
    params = point_to("my_data")
    acquire.run(params, "mine")
    prepare.run(params, "mine")
    made = project / "data/examples/mine"
    rejects = list(read_records(made / QUARANTINE, Reject))
    assert {reject.reason for reject in rejects} == {
        "burned-in-text", "multi-frame", "too-many-pixels", "broken-image",
    }  # fmt: skip
    assert len(rejects) == len(odd) + 1
    images = list(read_records(made / "images.parquet", ImageRecord))
    assert [image.format for image in images] == ["PNG", "PNG"]
    assert all(Image.open(io.BytesIO(image.bytes)).info == {} for image in images)
    for row in (*images, *rejects, *read_records(made / "examples.parquet", Example)):
        assert CANARY not in repr(row)
    assert CANARY not in (made / MANIFEST).read_text()


@pytest.mark.parametrize("name", ["pubmed", "biomed_vital", "bpe"])
def test_a_source_is_no_data_set_to_check(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(repository / f"data/cards/{name}.yaml", "data/cards")
    assert give(f"check {name}") == 2
    assert f"{name} is no data set of a task" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["deeplesion", "chexpert", "blue_pubmed"])
def test_a_source_of_pretraining_can_be_checked(name: str, repository: Path) -> None:
    shutil.copy(repository / f"data/cards/{name}.yaml", "data/cards")
    small = SampleSettings(num_images=12, num_texts=12, image_px=28, seed=7)
    make_source(name, Path("my_data") / name, small)
    assert give(f"check {name}") == 0


def test_a_check_without_files_says_where_it_looked(capsys: pytest.CaptureFixture[str]) -> None:
    give("new-dataset mine --task vqa")
    Path("my_data/mine").rename("elsewhere")
    assert give("check mine") == 2
    told = capsys.readouterr().err
    assert "my_data/mine" in told and "put it under acquire.root in a folder mine" in told
