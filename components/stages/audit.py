"""audit: find what test items share with training material; list licences and retractions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.evaluation.contamination import audit
from components.lineage import write_manifest
from components.records import (
    Article,
    Example,
    Figure,
    ImageRecord,
    Overlap,
    read_records,
    write_records,
)
from components.stages.door import enter

ARTICLES, INSTRUCTIONS, OUT = Path("data/articles"), Path("data/instructions"), Path("data/audit")
INSTRUCTION_SET = "biomed_vital"


def read_images(sets: list[Path]) -> Iterator[ImageRecord]:
    """The images of the data sets' products, then those of the articles."""
    for images in [*(folder / "images.parquet" for folder in sets), ARTICLES / "images"]:
        yield from read_records(images, ImageRecord)


def run(params: Params) -> None:
    """Compare every test split with every training text and image; write counts and evidence."""
    sources = [n for n in params.pretraining_sources if load_card(n).task != "infill_text"]
    folders = {name: Path("data/examples") / name for name in [*params.datasets, *sources]}
    folders[INSTRUCTION_SET] = INSTRUCTIONS
    examples = {
        name: list(read_records(folder / "examples.parquet", Example))
        for name, folder in folders.items()
    }
    summary, rows = audit(
        examples,
        read_images([*folders.values()]),
        read_records(ARTICLES / "articles", Article),
        {name: load_card(name) for name in [*params.datasets, *params.sources]},
        params.audit,
        figures=read_records(ARTICLES / "figures", Figure),
    )
    write_records(OUT / "overlaps.parquet", Overlap, (Overlap(**row) for row in rows))
    (OUT / "audit.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    print(f"{summary['counts']['test_items']} test items, {len(rows)} overlaps found")
    write_manifest(
        OUT,
        stage="audit",
        identity={},
        settings=params.audit.model_dump(),
        inputs=[ARTICLES, *folders.values()],
        counts={"in": len(rows), "out": len(rows)},
    )


if __name__ == "__main__":
    enter("audit", run)
