"""prepare: turn one data set's raw files into examples and their images."""

from __future__ import annotations

from pathlib import Path

from components.cards import RESTRICTED, load_card
from components.checking.examples import Finding, examine_examples, refuse_errors
from components.config import Params
from components.examples import RULES, build_examples
from components.lineage import inherit_access, write_manifest
from components.raw_files import find_raw_folder
from components.readers.registry import read_rows
from components.records import SPLITS
from components.redaction import visible
from components.stages.door import enter
from components.tasks.registry import TASKS
from components.texts import write_texts

FACTS = (
    "task",
    "files",
    "reader",
    "options",
    "official_splits",
    "answers",
    "candidates",
    "modality",
)


def run(params: Params, dataset: str) -> None:
    """Read, render, check and write; fail when too many records are faulty."""
    card = load_card(dataset)
    raw, folder = Path("data/raw") / dataset, Path("data/examples") / dataset
    rows = read_rows(card, find_raw_folder(card, raw))
    task, what = TASKS[card.task], f"prepare {dataset}"
    limit = params.prepare.max_quarantined
    hide = not RESTRICTED.isdisjoint(inherit_access([raw]))
    findings: list[Finding] = []
    if card.task == "infill_text":
        prepared, counts = write_texts(card, task, rows, folder)
        prepared.check(folder, limit, what, hide=hide)
    else:
        prepared = build_examples(card, task, rows, params.prepare, params.seed)
        prepared.check(folder, limit, what, hide=hide)
        prepared.check_splits(folder, ("train",) if card.trains_only else ("train", "test"), what)
        findings = examine_examples(card, prepared.examples)
        refuse_errors(findings, dataset)
        counts = prepared.write(folder)
    print(
        f"{card.title}: {prepared.num_in} records in; "
        + ", ".join(f"{counts[split]} {split}" for split in SPLITS)
        + f"; {prepared.tell_left_out()}"
    )
    if prepared.cut:
        num, words = prepared.cut["examples"], prepared.cut["words"]
        print(f"{num} examples are longer than the prompt's limit: {words} words were cut")
    for finding in findings:
        print(visible(f"{finding.level}: {finding.words}"))  # it may name a file
    write_manifest(
        folder,
        stage="prepare",
        identity={"dataset": dataset},
        settings={**params.prepare.model_dump(), "seed": params.seed, "card": card.facts(*FACTS)},
        inputs=[raw],
        counts=counts,
        rejects=prepared.rejects,
        rules=RULES,
        notes={
            "release": card.name_release(prepared.num_read),  # "": its numbers are of none known
            "derived_splits": prepared.name_derived(card.official_splits),
            "cut": dict(prepared.cut),
            "warnings": [finding.words for finding in findings],
        },
    )


if __name__ == "__main__":
    enter("prepare", run, "dataset")
