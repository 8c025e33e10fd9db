"""A folder for transformers computes the same, says so by what was measured, and is asked here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.cli import run_command
from components.errors import UserError
from components.evaluation.calibration import write_calibration
from components.huggingface.parity import Ours, Parity
from components.serving import exporting, load
from components.serving.exporting import PIPELINE_TAGS, export_transformers
from components.serving.requests import ASKED_TASKS
from components.serving.served import Request
from flows.cli import build_parser
from tests.components.serving.small import draw, make_folder
from tests.components.serving.test_finding import FITTED


def test_what_is_exported_answers_the_same(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    write_calibration(FITTED, folder)
    (folder / "README.md").write_text("# A model\n\nIts card.\n")
    files, parity = export_transformers(folder, tmp_path / "out")
    assert parity.num_same_answers == parity.num_inputs == 8
    assert parity.largest_difference < 1e-4 < parity.largest_logit and parity.num_logits > 1000
    assert json.loads((tmp_path / "out/parity.json").read_text()) == parity.to_dict()
    card = (tmp_path / "out/README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers") and "# A model\n\nIts card." in card
    assert f"| largest difference of two logits | {parity.largest_difference:.3g} |" in card
    assert "8 of 8" in card and len(files) == 11
    ours, theirs = load(folder, "cpu"), load(tmp_path / "out", "cpu")
    asked = [Request(draw(n), question) for n, question in enumerate(("is it?", "what is seen?"))]
    for one, other in zip(ours.ask_all(asked), theirs.ask_all(asked), strict=True):
        assert one.text == other.text
        assert one.confidence.value == pytest.approx(other.confidence.value, abs=1e-5)
        assert other.confidence.is_calibrated


def test_the_command_writes_a_new_folder_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "model", candidates=[])
    words = ["export", str(folder), "--names", "transformers", "--to"]
    assert run_command(build_parser(), [*words, str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "8 of 8 answers are the same" in told.out
    assert "Loading weights" not in told.err and "Writing model" not in told.err
    assert run_command(build_parser(), [*words, str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_card_names_the_task_that_the_model_does(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", task="summarize", candidates=[])
    export_transformers(folder, tmp_path / "out")
    front = (tmp_path / "out/README.md").read_text().split("---")[1]
    assert "pipeline_tag: summarization" in front
    assert set(PIPELINE_TAGS) == set(ASKED_TASKS)


def test_a_folder_that_computes_something_else_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.huggingface import modeling

    whole = modeling.BiomedGptPreTrainedModel.save_pretrained

    def save_other(self: modeling.BiomedGptPreTrainedModel, to: Path) -> None:
        self.unified.encoder.embed_tokens.weight.data *= 1.01
        whole(self, to)

    monkeypatch.setattr(modeling.BiomedGptPreTrainedModel, "save_pretrained", save_other)
    with pytest.raises(UserError, match="does not compute what the model computes"):
        export_transformers(make_folder(tmp_path / "model"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_exported_folder_that_is_not_whole_is_told(tmp_path: Path) -> None:
    """As a download that broke off leaves it."""
    folder = tmp_path / "out"
    export_transformers(make_folder(tmp_path / "model"), folder)
    weights, config = (folder / n for n in ("model.safetensors", "config.json"))
    whole, settings = weights.read_bytes(), config.read_text()
    for path, content in (
        (weights, None), (weights, whole[:1000]), (weights, whole[:4]), (weights, b""),
        (config, settings[:-9].encode()), (config, b'["model_type"]'),
    ):  # fmt: skip
        weights.write_bytes(whole)
        config.write_text(settings)
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            load(folder, "cpu")
        assert str(folder) in caught.value.what and caught.value.next_command, (path, content)


def test_two_who_export_to_the_same_folder_leave_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, compare = make_folder(tmp_path / "model"), exporting.compare
    done = list[Parity]()

    def export_beside(ours: Ours, unfinished: Path) -> Parity:
        if not done:
            done.append(compare(ours, unfinished))
            export_transformers(folder, tmp_path / "out")
        return compare(ours, unfinished)

    monkeypatch.setattr(exporting, "compare", export_beside)
    with pytest.raises(UserError, match="is there already"):
        export_transformers(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "out"]
    assert load(tmp_path / "out", "cpu")
