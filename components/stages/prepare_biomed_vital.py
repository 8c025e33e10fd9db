"""prepare_biomed_vital: turn clinician-aligned conversations into instruction examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.cards import Card, load_card
from components.config import Params, PrepareBiomedVitalParams, PrepareParams
from components.examples import RULES, build_examples
from components.instructions.conversations import read_conversations
from components.instructions.conversion import convert
from components.instructions.parts import compare_parts
from components.instructions.survey import Survey, start_survey
from components.lineage import write_manifest
from components.records import RawRow, Reject
from components.stages.door import enter
from components.tasks.registry import TASKS

SOURCE, OUT, RAW = "biomed_vital", Path("data/instructions"), Path("data/raw/biomed_vital")
FACTS = ("task", "files", "modality")


def read_rows(
    card: Card, settings: PrepareBiomedVitalParams, survey: Survey
) -> Iterator[RawRow | Reject]:
    """The rows of every conversation, each counted as it passes."""
    for talk in read_conversations(card, RAW):
        if isinstance(talk, Reject):
            yield talk
            continue
        unsupported = survey.add(talk)
        left_out = unsupported if settings.leave_out_unsupported else ()
        yield from convert(talk, settings.conversion, settings.history_turns, left_out)


def run(params: Params) -> None:
    """Read, pair requests with replies, check images, write; ``prepare``'s limits hold here too."""
    card, settings = load_card(SOURCE), params.prepare_biomed_vital
    shares = {**params.prepare.model_dump(), "derived_validation": settings.validation_share}
    limits, survey = PrepareParams(**shares), start_survey(RAW)
    rows = read_rows(card, settings, survey)
    prepared = build_examples(card, TASKS[card.task], rows, limits, params.seed)
    prepared.check(OUT, settings.max_quarantined, "prepare_biomed_vital")
    prepared.check_splits(OUT, ("train",), "prepare_biomed_vital")
    counts = prepared.write(OUT)
    stated = {of.by: of.licence for of in card.source.stated}
    parts = compare_parts(card.find(RAW, "parts") or card.find(RAW, "conversations"))
    summary = survey.write(OUT, parts, stated)
    print(
        f"{card.title}: {prepared.num_in} requests in; {len(prepared.examples)} out; "
        f"{prepared.tell_left_out()}\n"
        f"{summary['images']['without_image']} of {summary['conversations']} conversations lack "
        f"their image: {OUT}/missing_images.jsonl names each"
    )
    write_manifest(
        OUT,
        stage="prepare_biomed_vital",
        identity={},
        settings={**settings.model_dump(), "limits": limits.model_dump(), "seed": params.seed}
        | {"card": card.facts(*FACTS)},
        inputs=[RAW],
        counts={**counts, "without_image": summary["images"]["without_image"]},
        rejects=prepared.rejects,
        rules=RULES,
        notes={
            "stated_licences": stated,
            "derived_splits": prepared.derived_splits,
            "cut": dict(prepared.cut),
        },
    )


if __name__ == "__main__":
    enter("prepare_biomed_vital", run)
