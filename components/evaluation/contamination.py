"""Audit: what test items and training material have in common, with evidence for each claim.

Automatic hits are often false (stock phrases, plain images), so each carries what was found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.cards import ACCESS_NOTES, Card
from components.config import AuditParams
from components.evaluation.lookalikes import Looks, find_nearest, hash_images
from components.evaluation.wordruns import RunIndex
from components.records import Article, Example, Figure, ImageRecord

ABSTRACTS, FULL_TEXTS = "pubmed", "pmc_oa"
NUM_EVIDENCE = 10  # rows of each kind that the summary repeats
Row = dict[str, Any]
Examples = Mapping[str, Sequence[Example]]


@dataclass
class _Findings:
    """Rows found so far, and how much was looked at."""

    rows: list[Row] = field(default_factory=list)
    num_texts: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, test: Example, train: tuple[str, str], evidence: str) -> None:
        self.rows.append(
            {
                "kind": kind,
                "test": test.dataset,
                "test_id": test.id,
                "train": train[0],
                "train_id": train[1],
                "evidence": evidence,
            }
        )


def audit(
    examples: Examples,
    images: Iterable[ImageRecord],
    articles: Iterable[Article],
    cards: Mapping[str, Card],
    params: AuditParams,
    *,
    figures: Iterable[Figure] = (),
) -> tuple[dict[str, Any], list[Row]]:
    """Overlaps of every test split with every training split and with the pretraining material.

    ``examples``: by data set, instructions among them; ``images``: of all sets and figures, in any
    order, repeats allowed. Kinds: ``same_image`` (sha256), ``similar_image`` (difference hash
    within ``image_hash_bits``), ``same_text`` (a test item without image equals a training item),
    ``shared_text`` (a run of ``ngram_words`` words in an article, a caption or an instruction).
    Returns the summary for JSON and one row per test item, kind and training material. Memory
    follows examples and figures; images and articles are streamed.
    """
    found = _Findings()
    tests = [e for rows in examples.values() for e in rows if e.split == "test"]
    figures = list(figures)
    looks = hash_images(images)
    materials = _training_images(examples, figures)
    _find_images(tests, materials, looks, params.image_hash_bits, found)
    _find_same_texts(tests, examples, found)
    texts = _pretraining_texts(examples, articles, cards, figures, found)
    _find_shared_runs(tests, texts, params.ngram_words, found)
    return _summarize(tests, looks, cards, params, found), found.rows


def _training_images(examples: Examples, figures: Sequence[Figure]) -> dict[str, dict[str, str]]:
    """Training material to image id to the id of the first item that shows it."""
    materials: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, rows in examples.items():
        for example in rows:
            if example.split == "train" and example.image_id:
                materials[name].setdefault(example.image_id, example.id)
    for figure in figures:
        if figure.image_id:
            materials[FULL_TEXTS].setdefault(figure.image_id, figure.id)
    return dict(materials)


def _find_images(
    tests: Sequence[Example],
    materials: Mapping[str, Mapping[str, str]],
    looks: Looks,
    max_bits: int,
    found: _Findings,
) -> None:
    seen = sorted({test.image_id for test in tests} & looks.hashes.keys())
    wanted = np.array([looks.hashes[image] for image in seen], np.uint64)
    for name, shown in materials.items():
        ids = [image for image in shown if image in looks.hashes]
        known = np.array([looks.hashes[image] for image in ids], np.uint64)
        nearest, distance = find_nearest(wanted, known)
        alike = {
            image: (ids[place], int(bits))
            for image, place, bits in zip(seen, nearest.tolist(), distance, strict=True)
            if bits <= max_bits
        }
        for test in tests:
            if test.image_id in shown:
                train = (name, shown[test.image_id])
                found.add("same_image", test, train, f"sha256 {test.image_id[:16]}")
            elif test.image_id in alike:
                image, bits = alike[test.image_id]
                evidence = f"{bits} of 64 bits differ: {test.image_id[:16]}, {image[:16]}"
                found.add("similar_image", test, (name, shown[image]), evidence)


def _normalise(example: Example) -> str:
    return " ".join(f"{example.source} {example.target}".lower().split())


def _find_same_texts(tests: Sequence[Example], examples: Examples, found: _Findings) -> None:
    wanted: defaultdict[str, list[Example]] = defaultdict(list)
    for test in tests:
        if not test.image_id:
            wanted[_normalise(test)].append(test)
    reported: set[tuple[str, str]] = set()
    for name, rows in examples.items():
        for example in rows:
            if example.split != "train" or example.image_id:
                continue
            for test in wanted.get(_normalise(example), ()):
                if (test.id, name) not in reported:
                    reported.add((test.id, name))
                    text = _normalise(test)
                    found.add("same_text", test, (name, example.id), text[:200])


def _pretraining_texts(
    examples: Examples,
    articles: Iterable[Article],
    cards: Mapping[str, Card],
    figures: Sequence[Figure],
    found: _Findings,
) -> Iterator[tuple[str, str, str]]:
    """(material, id, text) of articles, captions and instructions; counts the retracted."""
    for article in articles:
        found.states["retracted"] += article.retracted
        found.states["concern"] += article.concern
        found.states["articles"] += 1
        material = ABSTRACTS if article.kind == "abstract" else FULL_TEXTS
        name = article.pmcid or f"PMID {article.pmid}"
        yield material, name, f"{article.title} {article.text}"
    for figure in figures:
        yield FULL_TEXTS, figure.id, " ".join([figure.caption, *figure.mentions])
    for name, rows in examples.items():
        if name in cards and cards[name].task == "instruct":
            for example in rows:
                if example.split == "train":
                    yield name, example.id, f"{example.source} {example.target}"


def _find_shared_runs(
    tests: Sequence[Example],
    texts: Iterator[tuple[str, str, str]],
    num_words: int,
    found: _Findings,
) -> None:
    index = RunIndex([f"{test.source} {test.target}" for test in tests], num_words)
    best: dict[tuple[int, str], tuple[float, str, str]] = {}
    for material, name, text in texts:
        found.num_texts += 1
        for shared in index.find(text):
            known = best.get((shared.item, material))
            if known is None or shared.share > known[0]:
                best[shared.item, material] = (shared.share, name, shared.run)
    for (item, material), (share, name, run) in sorted(best.items()):
        evidence = f"{share:.0%} of its runs, the first: {run}"
        found.add("shared_text", tests[item], (material, name), evidence)


def _summarize(
    tests: Sequence[Example],
    looks: Looks,
    cards: Mapping[str, Card],
    params: AuditParams,
    found: _Findings,
) -> dict[str, Any]:
    per_set = Counter(test.dataset for test in tests)
    pairs = Counter((row["kind"], row["test"], row["train"]) for row in found.rows)
    shown: Counter[str] = Counter()
    evidence = []
    for row in found.rows:
        shown[row["kind"]] += 1
        if shown[row["kind"]] <= NUM_EVIDENCE:
            evidence.append(row)
    return {
        "settings": params.model_dump(),
        "counts": {
            "images": len(looks.hashes) + len(looks.flat) + len(looks.unreadable),
            "flat_images": len(looks.flat),
            "unreadable_images": len(looks.unreadable),
            "texts": found.num_texts,
            "test_items": len(tests),
        },
        "overlaps": [
            {"kind": kind, "test": test, "train": train, "num_test": num, "of_test": per_set[test]}
            for (kind, test, train), num in sorted(pairs.items())
        ],
        "evidence": evidence,
        "retractions": {key: found.states[key] for key in ("articles", "retracted", "concern")},
        "licences": [
            {
                "name": card.name,
                "title": card.title,
                "licence": card.source.licence,
                "access": card.source.access,
                "note": ACCESS_NOTES[card.source.access],
            }
            for card in cards.values()
        ],
    }
