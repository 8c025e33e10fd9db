"""The benchmarks as tasks of the LM Evaluation Harness, with their data and a small adapter.

A task is a YAML file and a file of JSON lines, images beside them; metrics are this project's, by
the adapter. Where an answer is one of few classes or of the item's own options, the choices'
likelihoods are compared; anything else is written freely, also where this project chooses among
the answers of the training split: a list of hundreds is no question that other models are asked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.cards import RESTRICTED, Card
from components.config import EvaluateParams
from components.evaluation.examine import Exam, read_exam
from components.evaluation.metrics import find_metric
from components.evaluation.passport import hash_items
from components.records import Example, ImageRecord, read_records

PREFIX = "biomedgpt_"  # of the tasks' names: those of a harness are known by others, too
ADAPTER, IMAGES = "adapter.py", "images"
CHOSEN = ("fixed", "options")


@dataclass(frozen=True, slots=True)
class Exported:
    """A task that was written, or why it was not (``reason``)."""

    dataset: str
    num: int
    reason: str = ""


class _Function(str):
    """The name of a function, which the harness marks by a tag of its own."""


class _Dumper(yaml.SafeDumper):
    pass


def export_tasks(
    cards: Iterable[Card], examples: Path, settings: EvaluateParams, folder: Path
) -> list[Exported]:
    """Write every data set that is prepared, and may be handed on, as a task into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name(ADAPTER), folder / ADAPTER)
    return [_export(card, examples / card.name, settings, folder) for card in cards]


def _export(card: Card, source: Path, settings: EvaluateParams, folder: Path) -> Exported:
    if card.source.access in RESTRICTED:
        return Exported(card.name, 0, f"its records may not be passed on ({card.source.access})")
    if not (source / "examples.parquet").is_file():
        return Exported(card.name, 0, "it is not prepared: dvc repro prepare")
    exam = read_exam(card, source)
    lines = [
        json.dumps(_lay_out(card, example, candidates), ensure_ascii=False)
        for example, candidates in zip(exam.test, exam.candidates, strict=True)
    ]
    (folder / f"{card.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_images(exam, folder / IMAGES)
    (folder / f"{PREFIX}{card.name}.yaml").write_text(
        _dump(describe_task(exam, settings)), encoding="utf-8"
    )
    return Exported(card.name, len(lines))


def _lay_out(card: Card, example: Example, candidates: Sequence[str]) -> dict[str, Any]:
    """A test item as a row. ``gold`` is the choice that is right, -1 where none is."""
    chosen = card.candidates in CHOSEN
    row: dict[str, Any] = {
        "id": example.id,
        "source": example.source,
        "target": example.target.strip(),
        "references": example.references or [example.target.strip()],
        "category": example.category,
        "group": example.group,
        "metrics": card.metrics,
    }
    if chosen:
        row["choices"] = list(candidates)
        right = [i for i, text in enumerate(candidates) if text.strip() == example.target.strip()]
        row["gold"] = right[0] if right else -1
    if example.image_id:
        row["image"] = f"{IMAGES}/{example.image_id}"
    return row


def describe_task(exam: Exam, settings: EvaluateParams) -> dict[str, Any]:
    """The harness' configuration of a task; ``metadata`` says which items and versions it is of."""
    card = exam.card
    chosen = card.candidates in CHOSEN
    config: dict[str, Any] = {
        "task": f"{PREFIX}{card.name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{card.name}.jsonl"}},
        "test_split": "test",
        "output_type": "multiple_choice" if chosen else "generate_until",
        "doc_to_text": "source",
        "doc_to_target": "gold" if chosen else "target",
        "target_delimiter": "",  # an answer begins with its own space
        "process_results": _Function("adapter.process_results"),
        "metric_list": [_describe_metric(name) for name in card.metrics],
        "metadata": {
            "version": 1.0,
            "items_sha256": hash_items(exam.test),
            "metric_versions": {name: find_metric(name).version for name in card.metrics},
            "candidates": card.candidates,
            "licence": card.source.licence,
            "source": card.source.url,
            "citation": card.source.citation,
        },
    }
    if chosen:
        config["doc_to_choice"] = "choices"
    else:
        longest = settings.max_target_tokens
        config["generation_kwargs"] = {
            "until": ["\n"], "max_gen_toks": longest, "do_sample": False,
        }  # fmt: skip
    if any(example.image_id for example in exam.test):
        config["doc_to_image"] = _Function("adapter.open_images")
    return config


def _describe_metric(name: str) -> dict[str, Any]:
    pool = _Function(f"adapter.pool_{name}")
    return {"metric": name, "aggregation": pool, "higher_is_better": True}


def _dump(config: dict[str, Any]) -> str:
    _Dumper.add_representer(
        _Function, lambda dumper, name: dumper.represent_scalar("!function", str(name))
    )
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _write_images(exam: Exam, folder: Path) -> None:
    wanted = {example.image_id for example in exam.test if example.image_id}
    if not wanted:
        return
    folder.mkdir(exist_ok=True)
    for record in read_records(exam.images, ImageRecord):
        if record.id in wanted:
            (folder / record.id).write_bytes(record.bytes)
