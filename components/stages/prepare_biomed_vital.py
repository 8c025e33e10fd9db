"""prepare_biomed_vital: turn clinician-aligned conversations into instruction examples."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.config import Params, PrepareParams
from components.examples import RULES, build_examples
from components.instructions.conversations import NO_IMAGE, read_conversations
from components.lineage import write_manifest
from components.stages.door import enter
from components.tasks.registry import TASKS

SOURCE, OUT = "biomed_vital", Path("data/instructions")
FACTS = ("task", "files", "modality")


def run(params: Params) -> None:
    """Read, pair requests with replies, check images, write; ``prepare``'s limits hold here too."""
    card, raw, settings = load_card(SOURCE), Path("data/raw") / SOURCE, params.prepare_biomed_vital
    shares = {**params.prepare.model_dump(), "derived_validation": settings.validation_share}
    limits = PrepareParams(**shares)
    rows = read_conversations(card, raw, settings.history_turns)
    prepared = build_examples(card, TASKS[card.task], rows, limits, params.seed)
    prepared.check(OUT, settings.max_quarantined, "prepare_biomed_vital")
    prepared.check_splits(OUT, ("train",), "prepare_biomed_vital")
    counts = prepared.write(OUT)
    num_blind = sum(example.category == NO_IMAGE for example in prepared.examples)
    print(
        f"{card.title}: {prepared.num_in} requests in; {len(prepared.examples)} out, "
        f"{num_blind} of them without their image; {prepared.tell_left_out()}"
    )
    write_manifest(
        OUT,
        stage="prepare_biomed_vital",
        identity={},
        settings={**settings.model_dump(), "limits": limits.model_dump(), "seed": params.seed}
        | {"card": card.facts(*FACTS)},
        inputs=[raw],
        counts={**counts, "without_image": num_blind},
        rejects=prepared.rejects,
        rules=RULES,
        notes={
            "derived_splits": prepared.derived_splits,
            "cut": dict(prepared.cut),
        },
    )


if __name__ == "__main__":
    enter("prepare_biomed_vital", run)
