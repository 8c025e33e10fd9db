"""prepare: turn one data set's raw files into examples and their images."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.examples import OVER_LIMIT, build_examples
from components.lineage import check_share, write_manifest
from components.readers.registry import read_rows
from components.records import SPLITS, Example, ImageRecord, write_records
from components.stages.door import enter
from components.tasks.registry import TASKS


def run(params: Params, dataset: str) -> None:
    """Read, render, check and write; fail when too many records are faulty."""
    card = load_card(dataset)
    raw, folder = Path("data/raw") / dataset, Path("data/examples") / dataset
    rows = read_rows(card, raw)
    prepared = build_examples(card, TASKS[card.task], rows, params.prepare, params.seed)
    faults = prepared.faults()
    num_considered = prepared.num_in - (len(prepared.rejects) - len(faults))
    check_share(num_considered, faults, params.prepare.max_quarantined, f"prepare {dataset}")
    write_records(folder / "examples.parquet", Example, prepared.examples)
    write_records(folder / "images.parquet", ImageRecord, prepared.images.values())
    per_split = {s: sum(e.split == s for e in prepared.examples) for s in SPLITS}
    print(
        f"{card.title}: {prepared.num_in} records in; "
        + ", ".join(f"{n} {split}" for split, n in per_split.items())
        + f"; {len(faults)} quarantined, {len(prepared.rejects) - len(faults)} {OVER_LIMIT}"
    )
    write_manifest(
        folder,
        stage="prepare",
        identity={"dataset": dataset},
        settings={**params.prepare.model_dump(), "seed": params.seed},
        inputs=[raw, Path("data/cards") / f"{dataset}.yaml"],
        counts={
            "in": prepared.num_in,
            "out": len(prepared.examples),
            "by_rule": len(prepared.rejects) - len(faults),
            "images": len(prepared.images),
            **per_split,
        },
        rejects=prepared.rejects,
        notes={
            "derived_splits": prepared.derived_splits,
            "licence": card.source.licence,
            "access": card.source.access,
        },
    )


if __name__ == "__main__":
    enter("prepare", run, "dataset")
