"""prepare_biomed_vital: turn clinician-aligned conversations into instruction examples."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.config import Params, PrepareParams
from components.examples import OVER_LIMIT, build_examples
from components.instructions.conversations import NO_IMAGE, read_conversations
from components.lineage import check_share, write_manifest
from components.records import Example, ImageRecord, write_records
from components.stages.door import enter
from components.tasks.registry import TASKS

SOURCE, OUT = "biomed_vital", Path("data/instructions")


def run(params: Params) -> None:
    """Read, pair requests with replies, check images, write; ``prepare``'s limits hold here too."""
    card, raw, settings = load_card(SOURCE), Path("data/raw") / SOURCE, params.prepare_biomed_vital
    shares = {**params.prepare.model_dump(), "derived_validation": settings.validation_share}
    limits = PrepareParams(**shares)
    rows = read_conversations(card, raw, settings.history_turns)
    prepared = build_examples(card, TASKS[card.task], rows, limits, params.seed)
    faults = prepared.faults()
    num_considered = prepared.num_in - (len(prepared.rejects) - len(faults))
    check_share(num_considered, faults, settings.max_quarantined, "prepare_biomed_vital")
    write_records(OUT / "examples.parquet", Example, prepared.examples)
    write_records(OUT / "images.parquet", ImageRecord, prepared.images.values())
    num_blind = sum(example.category == NO_IMAGE for example in prepared.examples)
    print(
        f"{card.title}: {prepared.num_in} requests in; {len(prepared.examples)} out, "
        f"{num_blind} of them without their image; {len(faults)} quarantined, "
        f"{len(prepared.rejects) - len(faults)} {OVER_LIMIT}"
    )
    write_manifest(
        OUT,
        stage="prepare_biomed_vital",
        identity={},
        settings={**settings.model_dump(), "limits": limits.model_dump(), "seed": params.seed},
        inputs=[raw, Path("data/cards") / f"{SOURCE}.yaml"],
        counts={
            "in": prepared.num_in,
            "out": len(prepared.examples),
            "by_rule": len(prepared.rejects) - len(faults),
            "images": len(prepared.images),
            "without_image": num_blind,
        },
        rejects=prepared.rejects,
        notes={
            "derived_splits": prepared.derived_splits,
            "licence": card.source.licence,
            "access": card.source.access,
        },
    )


if __name__ == "__main__":
    enter("prepare_biomed_vital", run)
