"""A model card says what the run recorded: data, terms, scores with intervals, limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.config import Params
from components.errors import UserError
from components.lineage import hash_file, write_manifest
from components.report.inputs import ReportInputs
from components.report.model_card import write_model_card
from tests.components.report.conftest import make_card

SETTINGS = {"steps": 160, "learning_rate": 0.001, "seed": 7, "overrides": {}}


@pytest.fixture
def root(tmp_path: Path, inputs: ReportInputs, params: Params) -> Path:
    """One fine-tuned model with its scores, and one that was instructed."""
    size = params.sizes[0]
    for folder, stage, identity in (
        (f"finetuned/{size}/slake", "finetune", {"size": size, "dataset": "slake"}),
        (f"instructed/{size}", "instruct", {"size": size}),
    ):
        write_manifest(
            tmp_path / "models" / folder, stage=stage, identity=identity, settings=SETTINGS,
            inputs=[], counts={"in": 160, "out": 160}, notes={"parameters": 3_490_990},
        )  # fmt: skip
    for name in ("slake", "vqa_rad"):
        path = tmp_path / f"metrics/{size}/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(inputs.metrics[size][name]))
    (tmp_path / "metrics/zero_shot" / size).mkdir(parents=True)
    for name, summary in inputs.zero_shot[size].items():
        (tmp_path / f"metrics/zero_shot/{size}/{name}.json").write_text(json.dumps(summary))
    return tmp_path


def write(root: Path, name: str, params: Params, inputs: ReportInputs) -> str:
    return write_model_card(root / "models" / name, root, params, inputs.cards)


def test_a_tuned_model_has_its_own_scores_and_terms(
    root: Path, params: Params, inputs: ReportInputs
) -> None:
    size = params.sizes[0]
    card = write(root, f"finetuned/{size}/slake", params, inputs)
    manifest = root / f"models/finetuned/{size}/slake/manifest.json"
    assert card.startswith(f"# fine-tuned model, {size} SLAKE\n")
    assert hash_file(manifest) in card and "3.49 million parameters" in card
    main = inputs.metrics[size]["slake"]["scores"]["vqa_accuracy"]["all"]
    bounds = f"{main['low']:.1f} to {main['high']:.1f}"
    assert f"| SLAKE | Accuracy | all | {main['value']:.1f} | {bounds} |" in card
    assert "VQA-RAD | Accuracy" not in card
    assert "- learning_rate: 0.001" in card and "overrides" not in card
    # IU X-ray, which it was pretrained on, is CC BY-NC-ND: that holds for what is made of it.
    assert (
        "against the terms below: non-commercial" in card and "- no derivatives: IU X-ray" in card
    )
    assert "**Synthetic data.**" in card and "diagnosis" in card


def test_limits_are_of_this_model_alone(root: Path, params: Params, inputs: ReportInputs) -> None:
    size = params.sizes[0]
    limits = write(root, f"finetuned/{size}/slake", params, inputs).split("## Limits")[1]
    assert "No overlap audit was run" in limits
    assert "Asked for, but not scored" not in limits and "VQA-RAD" not in limits
    path = root / f"metrics/{size}/slake.json"
    worse = json.loads(path.read_text())
    worse["scores"]["vqa_accuracy"]["all"]["falls_when_blank"] = False
    path.write_text(json.dumps(worse))
    limits = write(root, f"finetuned/{size}/slake", params, inputs).split("## Limits")[1]
    assert "**The image does not help: the score stays when it is blank**: SLAKE" in limits


def test_raw_files_that_are_not_the_holder_s_are_named(
    root: Path, params: Params, inputs: ReportInputs
) -> None:
    size = params.sizes[0]
    for name in ("slake", "vqa_rad"):
        write_manifest(
            root / "raw" / name, stage="acquire", identity={"source": name}, settings={}, inputs=[],
            counts={"in": 1, "out": 1}, notes={"altered": [f"{name}.zip"]},
        )  # fmt: skip
    told = "Raw files that are not those whose checksum the holder publishes: slake: slake.zip\n"
    limits = write(root, f"finetuned/{size}/slake", params, inputs).split("## Limits")[1]
    assert told in limits
    limits = write(root, f"instructed/{size}", params, inputs).split("## Limits")[1]
    assert "vqa_rad: vqa_rad.zip" in limits  # it was scored on it


def test_a_card_tells_no_worry_about_another_models_answers(
    root: Path, params: Params, inputs: ReportInputs
) -> None:
    size = params.sizes[0]
    for name, num in (("slake", 2), ("vqa_rad", 7)):
        path = root / f"metrics/{size}/{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"empty_answers": num}))
    (root / "audit").mkdir()
    known = {"kind": "same_text", "test": "slake", "train": "biomed_vital", "num_test": 1,
             "of_test": 9}  # fmt: skip
    audit = {"overlaps": [known, known | {"test": "vqa_rad"}], "settings": {"drop": []}}
    (root / "audit/audit.json").write_text(json.dumps(audit))
    unseen = params.model_copy(update={"zero_shot_on": ["slake", "vqa_rad"]})
    limits = write(root, f"finetuned/{size}/slake", unseen, inputs).split("## Limits")[1]
    assert f"Empty answers, which count as wrong: SLAKE ({size}): 2\n" in limits
    assert "Not zero-shot" not in limits
    told = write(root, f"instructed/{size}", unseen, inputs).split("## Limits")[1]
    assert "Empty answers" not in told
    assert "**Not zero-shot: test items are in the instruction data**: VQA-RAD\n" in told


def test_an_instructed_model_is_scored_on_what_it_had_not_seen(
    root: Path, params: Params, inputs: ReportInputs
) -> None:
    size = params.sizes[0]
    card = write(root, f"instructed/{size}", params, inputs)
    assert "Zero-shot, on data sets that it was not tuned on" in card
    assert "| VQA-RAD | Accuracy | all |" in card and "| PneumoniaMNIST |" in card


def test_text_of_data_stays_text(root: Path, params: Params, inputs: ReportInputs) -> None:
    odd = make_card("slake").model_copy(update={"title": "A | <b>set</b>"})
    cards = inputs.cards | {"slake": odd}
    size = params.sizes[0]
    card = write_model_card(root / f"models/finetuned/{size}/slake", root, params, cards)
    assert "| A \\| &lt;b>set&lt;/b> |" in card and "<b>" not in card


def test_what_is_no_model_has_no_card(root: Path, params: Params, inputs: ReportInputs) -> None:
    with pytest.raises(UserError, match="not a finished product"):
        write(root, "none", params, inputs)
    write_manifest(root / "models/text", stage="prepare", identity={}, settings={}, inputs=[],
                   counts={"in": 1, "out": 1})  # fmt: skip
    with pytest.raises(UserError, match="is no model, but what prepare made"):
        write(root, "text", params, inputs)
