"""audit: find what test items share with training material, and list what is to be left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from components.audit.material import (
    Item,
    item_of_article,
    item_of_example,
    item_of_figure,
    name_retracted,
)
from components.audit.search import search
from components.audit.summary import draw_evidence, summarize
from components.config import Params
from components.dataset.left_out import FILE
from components.lineage import QUARANTINE, write_manifest
from components.progress import show_progress
from components.records import (
    Article,
    Example,
    Figure,
    ImageRecord,
    Overlap,
    Reject,
    count_records,
    read_records,
    write_records,
)
from components.stages.door import enter

ARTICLES, INSTRUCTIONS, OUT = Path("data/articles"), Path("data/instructions"), Path("data/audit")
TEXTS = "infill_text"  # the task of sources that are running text


def read_images(sets: list[Path]) -> Iterator[ImageRecord]:
    """The images of the data sets' products, then those of the articles."""
    shards = [*(folder / "images.parquet" for folder in sets), ARTICLES / "images"]
    with show_progress("audit", sum(map(count_records, shards))) as advance:
        images = chain.from_iterable(read_records(shard, ImageRecord) for shard in shards)
        for num_read, image in enumerate(images, 1):
            yield image
            advance(num_read, "images")


def read_material(sets: list[Path]) -> Iterator[Item]:
    """What is trained on: articles first, as they tell which PMID and PMCID are the same."""
    for article in read_records(ARTICLES / "articles", Article):
        yield item_of_article(article)
    for figure in read_records(ARTICLES / "figures", Figure):
        yield item_of_figure(figure)
    for folder in sets:
        for example in read_records(folder / "examples.parquet", Example):
            if example.split == "train":
                is_prose = folder == INSTRUCTIONS or example.task == TEXTS
                yield item_of_example(example, is_prose=is_prose)


def run(params: Params) -> None:
    """Compare every test split with every training text and image; write counts and evidence."""
    names = [*params.datasets, *params.pretraining_sources]
    sets = [*(Path("data/examples") / name for name in names), INSTRUCTIONS]
    tests = [
        example
        for folder in sets
        for example in read_records(folder / "examples.parquet", Example)
        if example.split == "test"
    ]
    retracted = set(name_retracted(read_records(ARTICLES / QUARANTINE, Reject)))
    audit = search(
        tests, lambda: read_material(sets), lambda: read_images(sets), params.audit, retracted
    )
    found = [finding.overlap for finding in audit.findings.list_all()]
    write_records(OUT / "overlaps.parquet", Overlap, found)
    write_records(FILE, Overlap, audit.findings.left_out.values())
    summary = summarize(audit, tests, params.audit)
    pictures = draw_evidence(summary, lambda: read_images(sets))
    write_records(OUT / "pictures.parquet", ImageRecord, pictures)
    (OUT / "audit.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    counts = summary["counts"]
    print(
        f"{counts['test_items']} test items, {len(found)} overlaps found; "
        f"{counts['left_out']} training items are to be left out"
    )
    write_manifest(
        OUT,
        stage="audit",
        identity={},
        settings=params.audit.model_dump(),
        inputs=[ARTICLES, *sets],
        counts={"in": len(found), "out": len(found), "left_out": counts["left_out"]},
    )


if __name__ == "__main__":
    enter("audit", run)
