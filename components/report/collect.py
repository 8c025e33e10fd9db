"""Reads what the report shows from the data folder. What is not there stays empty."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.cards import Card
from components.config import Params
from components.lineage import MANIFEST, QUARANTINE, hash_file
from components.records import ImageRecord, Reject, read_records
from components.report.corpus import count_by_split, count_corpus
from components.report.inputs import (
    Manifest,
    QuarantineGroup,
    ReportInputs,
    Scores,
)
from components.report.samples import draw_samples
from components.report.scaling import compare_all
from components.report.zero_shot import compare_models

EXAMPLES_PER_REASON = 3


def collect_inputs(root: Path, params: Params, cards: dict[str, Card]) -> ReportInputs:
    """Everything under ``root`` (the folder data/) that belongs to the sizes and sets of params.

    ``cards``: those of the data sets and sources. Memory holds one data set's predictions at a
    time, and counts.
    """
    manifests = read_manifests(root, params)
    metrics = {size: read_scores(root / "metrics", size, params.datasets) for size in params.sizes}
    zero_shot = read_zero_shot(root, params)
    reconstructions = root / "models/image_tokenizer/reconstructions.png"
    return ReportInputs(
        params=params,
        cards=cards,
        manifests=manifests,
        hashes={name: hash_file(_inside(root, name) / MANIFEST) for name in manifests},
        metrics={size: scores for size, scores in metrics.items() if scores},
        zero_shot=zero_shot,
        model_gains=compare_models(root / "predictions", params, zero_shot),
        probes=_read_probes(root, params),
        scale_gains=compare_all(root, params, metrics),
        samples=draw_samples(root, params, cards, metrics),
        logs=_read_logs(root, params),
        tokenizer=read_json(root / "models/image_tokenizer/summary.json"),
        reconstructions_png=reconstructions.read_bytes() if reconstructions.is_file() else None,
        corpus=count_corpus(root / "articles", root / "vocabulary", params),
        quarantine=[
            group
            for name, manifest in manifests.items()
            for group in _read_quarantine(_inside(root, name), name, manifest)
        ],
        instruction_modalities=_count_modalities(root / "instructions/examples.parquet"),
        instructions=read_json(root / "instructions/summary.json"),
        audit=read_json(root / "audit/audit.json"),
        overlap_pictures=_read_pictures(root / "audit/pictures.parquet"),
        rating=read_json(root / "rating/results.json"),
        balances={
            size: found
            for size in params.sizes
            if (found := read_json(root / f"balance/{size}.json"))
        },
    )


def _inside(root: Path, name: str) -> Path:
    return root / name.removeprefix("data/")


def read_manifests(root: Path, params: Params) -> dict[str, Manifest]:
    """Manifests of this run's products, by folder (``data/...``), in the order of the pipeline."""
    sizes, datasets, unseen = params.sizes, params.datasets, params.zero_shot_on
    names = [
        *(f"raw/{name}" for name in [*params.sources, *datasets]),
        "articles",
        *(f"examples/{name}" for name in [*datasets, *params.pretraining_sources]),
        "instructions",
        "vocabulary",
        "pretraining",
        "models/image_tokenizer",
        "codes",
        "audit",
        *(f"models/pretrained/{size}" for size in sizes),
        *(f"models/finetuned/{size}/{name}" for size in sizes for name in datasets),
        *(f"models/instructed/{size}" for size in sizes),
        *(f"predictions/{size}/{name}" for size in sizes for name in datasets),
        *(f"predictions/zero_shot/{size}/{name}" for size in sizes for name in unseen),
        *(f"predictions/probes/{size}" for size in sizes),
    ]
    found = {f"data/{name}": root / name / MANIFEST for name in names}
    return {name: read_json(path) for name, path in found.items() if path.is_file()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where the file is not there."""
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def read_scores(folder: Path, size: str, datasets: Iterable[str]) -> Scores:
    """The metrics JSON of each data set that a size was scored on."""
    found = {name: read_json(folder / size / f"{name}.json") for name in datasets}
    return {name: summary for name, summary in found.items() if summary}


def read_zero_shot(root: Path, params: Params) -> dict[str, Scores]:
    """The metrics JSON of each instructed size that was scored, by size and data set."""
    folder, names = root / "metrics/zero_shot", params.zero_shot_on
    found = {size: read_scores(folder, size, names) for size in params.sizes}
    return {size: scores for size, scores in found.items() if scores}


def _read_probes(root: Path, params: Params) -> dict[str, dict[str, Any]]:
    found = {size: read_json(root / f"metrics/probes/{size}.json") for size in params.sizes}
    return {size: answers for size, answers in found.items() if answers}


def _read_logs(root: Path, params: Params) -> dict[str, list[dict[str, Any]]]:
    names = [
        *(f"pretrained/{size}" for size in params.sizes),
        *(f"finetuned/{size}/{name}" for size in params.sizes for name in params.datasets),
        *(f"instructed/{size}" for size in params.sizes),
    ]
    paths = {name: root / "models" / name / "log.jsonl" for name in names}
    return {
        name: [json.loads(line) for line in path.read_text().splitlines() if line]
        for name, path in paths.items()
        if path.is_file()
    }


def _read_quarantine(folder: Path, name: str, manifest: Manifest) -> list[QuarantineGroup]:
    """The reasons of one product, faults first, then the most frequent, with first records."""
    counts: dict[str, int] = manifest["quarantine"]
    shown: dict[str, list[tuple[str, str]]] = {reason: [] for reason in counts}
    if counts:
        for reject in read_records(folder / QUARANTINE, Reject):
            if len(shown[reject.reason]) < EXAMPLES_PER_REASON:
                shown[reject.reason].append((reject.origin, reject.detail))
    rules = manifest["rules"]
    ordered = sorted(counts.items(), key=lambda item: (item[0] in rules, -item[1], item[0]))
    return [
        QuarantineGroup(name, manifest["stage"], reason, reason in rules, count, shown[reason])
        for reason, count in ordered
    ]


def _read_pictures(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        return {}
    return {record.id: record.bytes for record in read_records(path, ImageRecord)}


def _count_modalities(path: Path) -> dict[str, dict[str, int]]:
    if not path.is_file():
        return {}
    return count_by_split(path, "modality")
