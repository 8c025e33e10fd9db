"""One data set looked at as ``prepare`` and training would take it; nothing is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from components.acquire.bucket_root import is_bucket
from components.acquire.place import find_altered, find_origin
from components.cards import Card
from components.checking.examples import Finding, count_answers, examine_examples
from components.checking.tokens import (
    Lengths,
    Limits,
    examine_lengths,
    measure_lengths,
    show_tokens,
)
from components.config import Params
from components.errors import UserError
from components.evaluation.metrics import find_metric
from components.examples import Prepared, build_examples
from components.lineage import MANIFEST, is_above
from components.raw_files import find_raw_folder
from components.readers.files import ALL
from components.readers.registry import READERS, read_rows
from components.records import SPLITS, Example, Reject
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

RAW, VOCABULARY = Path("data/raw"), Path("data/vocabulary")
NUM_SAMPLES = 5


@dataclass(frozen=True)
class Checked:
    """What was found. ``lengths`` and the samples' tokens need a vocabulary: else None, empty."""

    card: Card
    raw: Path
    prepared: Prepared
    findings: list[Finding]
    limits: Limits
    lengths: Lengths | None
    samples: list[tuple[Example, dict[str, list[str]]]]

    @property
    def is_sound(self) -> bool:
        """Whether training on it may start."""
        return not any(finding.level == "error" for finding in self.findings)

    def count_splits(self) -> Counter[str]:
        """Examples by split."""
        return Counter(example.split for example in self.prepared.examples)

    def answers(self) -> Counter[str]:
        """How often each answer is learnt."""
        return count_answers(e for e in self.prepared.examples if e.split == "train")

    def rejects(self) -> dict[str, list[Reject]]:
        """Records that were not used, by reason, the most frequent first."""
        by_reason: dict[str, list[Reject]] = {}
        for reject in self.prepared.rejects:
            by_reason.setdefault(reject.reason, []).append(reject)
        return dict(sorted(by_reason.items(), key=lambda item: -len(item[1])))


def check_dataset(card: Card, params: Params, own: str) -> Checked:
    """Read, phrase and examine a data set where its raw files lie.

    The limits of ``prepare`` hold, and those of ``finetune`` with the card's recipe for the first
    size. ``own`` is where the user's files are while acquire.root is empty. Raises UserError where
    no raw file is there, or one cannot be read, and for a source that is no data set of a task.
    """
    if card.task not in TASKS or card.reader not in READERS:
        raise UserError(
            f"{card.name} is no data set of a task",
            why=f"data/cards/{card.name}.yaml is a source ({card.task}), which its own stage reads",
            next_command="biomedgpt datasets, which lists what can be checked and what is a source",
        )
    for metric in card.metrics:
        find_metric(metric)
    raw = find_raw(card, params.acquire.root, own)
    prepared = build_examples(
        card, TASKS[card.task], read_rows(card, raw), params.prepare, params.seed
    )
    settings = params.finetune.for_run(params.sizes[0], card.recipe)
    limits = Limits(settings.max_source_tokens, settings.max_target_tokens)
    findings = [
        *_examine_files(card, raw),
        *_examine_reading(card, prepared, params),
        *examine_examples(card, prepared.examples),
    ]
    chosen = _choose(prepared.examples)
    if not (VOCABULARY / MANIFEST).is_file():
        samples: list[tuple[Example, dict[str, list[str]]]] = [(e, {}) for e in chosen]
        return Checked(card, raw, prepared, findings, limits, None, samples)
    vocabulary = Vocabulary.load(VOCABULARY)
    lengths = measure_lengths(prepared.examples, vocabulary, limits)
    findings += examine_lengths(lengths, settings.max_lost_labels)
    samples = [(e, show_tokens(e, vocabulary, limits)) for e in chosen]
    findings.sort(key=lambda finding: finding.level)
    return Checked(card, raw, prepared, findings, limits, lengths, samples)


def find_raw(card: Card, root: str, own: str) -> Path:
    """The folder of the user's files, or else of those that ``acquire`` brought.

    Raises UserError, with how to get them, where there are none on this machine.
    """
    try:
        return find_origin(card, Path(own if is_bucket(root) else root or own))[0]
    except UserError:
        acquired = RAW / card.name
        if (acquired / MANIFEST).is_file():
            return find_raw_folder(card, acquired)
        if is_bucket(root):
            raise _tell_bring(card, root) from None
        raise


def _tell_bring(card: Card, root: str) -> UserError:
    return UserError(
        f"no files of {card.name} are on this machine to be looked at",
        why=f"acquire.root is {root}, and they are not brought from there yet",
        next_command=f"name {card.name} under datasets in params.yaml, dvc repro "
        f"acquire@{card.name}, then biomedgpt check {card.name}",
    )


def _examine_files(card: Card, raw: Path) -> list[Finding]:
    files = {role: card.find(raw, role) for role in card.files}
    found = []
    altered = find_altered(card, {path for paths in files.values() for path in paths})
    if altered:
        words = f"not the files whose checksum the holder publishes: {', '.join(altered)}"
        found.append(Finding("warning", words))
    unread, splits = files.get(ALL), [split for split in SPLITS if files.get(split)]
    if unread and splits:
        names = ", ".join(path.name for path in unread)
        words = f"not read, as files of splits lie beside it ({', '.join(splits)}): {names}"
        found.append(Finding("warning", words))
    return found


def _examine_reading(card: Card, prepared: Prepared, params: Params) -> list[Finding]:
    found = []
    num_faults, limit = len(prepared.faults()), params.prepare.max_quarantined
    if is_above(num_faults, prepared.num_judged, limit):
        words = f"{num_faults} of {prepared.num_judged} records are unusable"
        found.append(Finding("error", f"{words} (prepare.max_quarantined is {limit:.0%})"))
    counts = Counter(example.split for example in prepared.examples)
    needed = ("train",) if card.trains_only else ("train", "test")
    found += [
        Finding("error", f"there is no {split} example") for split in needed if not counts[split]
    ]
    if prepared.cut:
        num, words_cut = prepared.cut["examples"], prepared.cut["words"]
        words = f"{num} examples are longer than the prompt takes: {words_cut} words are cut"
        found.append(Finding("warning", words))
    return found


def _choose(examples: list[Example]) -> list[Example]:
    """Samples in the order of splits: one of each for judging, the others spread over train."""
    rows = {split: [e for e in examples if e.split == split] for split in SPLITS}
    judged = [*rows["validation"][:1], *rows["test"][:1]]
    num = NUM_SAMPLES - len(judged)
    step = max(len(rows["train"]) // num, 1)
    return [*rows["train"][::step][:num], *judged]
