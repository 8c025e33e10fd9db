"""A model of this project as it lies in data/models: how it is asked follows from what made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.cards import Card, load_card
from components.config import Params, load_params
from components.dataset.answer_sets import candidate_sets
from components.errors import UserError
from components.evaluation.calibration import CALIBRATION
from components.lineage import MANIFEST, hash_product, read_manifest
from components.records import Example, read_records
from components.serving.asking import Asking

DATA = Path("data")
OWN_VOCABULARY = DATA / "vocabulary"
TRAININGS = ("pretrain", "finetune", "instruct")
TASK_OF = {"pretrain": "vqa", "instruct": "instruct"}  # how models of no one data set are asked


def describe_own(folder: Path) -> Asking:
    """How a model of the project in the current folder is asked, as it would be evaluated.

    UserError where it is no finished training, of a project elsewhere, or of another vocabulary.
    """
    manifest = read_manifest(folder)
    if manifest["stage"] not in TRAININGS:
        raise UserError(
            f"{folder} is no model, but what {manifest['stage']} made",
            next_command="name a folder below data/models/pretrained, finetuned or instructed",
        )
    _check_root(folder)
    check_vocabulary(folder.as_posix(), manifest)
    dataset = manifest["identity"].get("dataset", "")
    return describe_asking(manifest, load_card(dataset) if dataset else None, load_params())


def describe_asking(manifest: Mapping[str, Any], card: Card | None, params: Params) -> Asking:
    """How a model is asked: at the resolution and length of its training, as evaluated."""
    trained, settings = manifest["settings"], params.evaluate
    return Asking(
        task=card.task if card else TASK_OF[manifest["stage"]],
        dataset=card.name if card else "",
        image_px=trained["image_px"],
        max_source_tokens=trained["max_source_tokens"],
        max_target_tokens=settings.max_target_tokens,
        long_text=trained["long_text"],
        beam=settings.beam,
        length_penalty=settings.length_penalty,
        no_repeat_ngram=settings.no_repeat_ngram,
        candidates=_list_candidates(card) if card else [],
    )


def check_vocabulary(path: str, manifest: Mapping[str, Any]) -> None:
    """UserError where the project's vocabulary is not the one that a model was trained with."""
    trained = manifest["inputs"].get(OWN_VOCABULARY.as_posix())
    if trained != hash_product(OWN_VOCABULARY):
        raise UserError(
            f"{path} was trained with another vocabulary than {OWN_VOCABULARY}",
            why="the same ids would stand for other texts",
            next_command="dvc repro, which brings both to one state",
        )


def find_calibration(model: Path, manifest: Mapping[str, Any]) -> Path | None:
    """The calibration that the evaluation of this very model fitted; None where there is none."""
    identity = manifest["identity"]
    if "dataset" not in identity:
        return None
    folder = DATA / "predictions" / identity["size"] / identity["dataset"]
    if not (folder / CALIBRATION).is_file() or not (folder / MANIFEST).is_file():
        return None
    is_its = hash_product(model) in read_manifest(folder)["inputs"].values()
    return folder / CALIBRATION if is_its else None


def _list_candidates(card: Card) -> list[str]:
    """The closed set of a data set's answers, without those of its test split."""
    if card.candidates in ("none", "options"):
        return []
    path = DATA / "examples" / card.name / "examples.parquet"
    known = [e for e in read_records(path, Example) if e.split != "test"]
    return candidate_sets(card, known, known[:1])[0]


def _check_root(folder: Path) -> None:
    root = next((up for up in folder.resolve().parents if up.name == DATA.name), None)
    if root is None or root.parent != Path.cwd().resolve():
        where = root.parent if root else "the project that it is of"
        raise UserError(
            f"{folder} is a model of another project than this folder",
            why="its vocabulary and its answers lie in that project's data",
            next_command=f"cd {where}; or share it: biomedgpt artifacts publish, then get",
        )
