"""What a score rests on, so that another can tell whether it is comparable, and trace it.

Two scores of one name differ for reasons that no table shows: other test items, other answers to
choose among, another way of decoding. So each is written down beside the scores, and what is a
content is named by its hash: two runs with the same hash asked the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components import __version__
from components.config import EvaluateParams, Params
from components.evaluation.examine import Exam
from components.lineage import hash_code, hash_file, hash_product, read_manifest
from components.records import Example

# What of a test item is not its content: where it is from, and what no answer and no score sees.
BESIDE = frozenset({"origin", "split", "weight", "documents", "boxes", "modality", "attributes"})
Fact = dict[str, Any]  # name, value (a dict in JSON), and sha256 and path of what is a content


def issue_passport(
    exam: Exam,
    params: Params,
    *,
    examples: Path,
    models: Sequence[Path],
    predictions: Sequence[Path],
) -> list[Fact]:
    """Facts about the scores of one size on one data set, for its metrics JSON.

    ``models`` are the folders of the models that answered
    (of each seed), ``predictions`` the files of their answers, both finished. UserError where one
    of them is missing.
    """
    trained = [read_manifest(folder)["settings"] for folder in models]
    interval = {"resamples": params.evaluate.bootstrap, "seed": params.seed}
    data = hash_product(examples)
    return [
        describe_items(exam, examples),
        describe_fact("answer set", _describe_answers(exam), sha256=_hash_answers(exam)),
        describe_fact("decoding", describe_decoding(exam, params.evaluate, trained[0])),
        describe_fact("seeds", {"models": [own["seed"] for own in trained]}),
        describe_fact("interval", interval | {"confidence": params.evaluate.confidence}),
        *(describe_fact("model", sha256=hash_product(path), path=path) for path in models),
        *(describe_fact("predictions", sha256=hash_file(path), path=path) for path in predictions),
        describe_fact("data", _describe_data(exam, examples), sha256=data, path=examples),
        describe_fact("code", {"version": __version__}, sha256=hash_code()),
    ]


def describe_items(exam: Exam, examples: Path) -> Fact:
    """How many test items there are, and the hash of what they are."""
    value = {"n": len(exam.test)}
    return describe_fact("test items", value, sha256=hash_items(exam.test), path=examples)


def hash_items(items: Iterable[Example]) -> str:
    """sha256 over ids and content of test items, whatever their order.

    An image counts by its id, which is the sha256 of its bytes.
    """
    rows = [{k: v for k, v in asdict(item).items() if k not in BESIDE} for item in items]
    return _hash_lines(sorted(rows, key=lambda row: str(row["id"])))


def describe_decoding(
    exam: Exam, settings: EvaluateParams, trained: dict[str, Any]
) -> dict[str, Any]:
    """How answers were found, and at which resolution and length the model was asked."""
    asked = {key: trained[key] for key in ("image_px", "max_source_tokens", "long_text")}
    if exam.card.candidates != "none":
        return {"method": "every candidate scored", "length_penalty": 0} | asked
    keys = ("beam", "length_penalty", "no_repeat_ngram", "max_target_tokens")
    return {"method": "beam search"} | {key: getattr(settings, key) for key in keys} | asked


def _describe_answers(exam: Exam) -> dict[str, Any]:
    found = exam.describe_answers()
    return {"from": exam.card.candidates, "size": found["num_candidates"]}


def _hash_answers(exam: Exam) -> str:
    own = exam.card.candidates == "options"  # else all items share one set
    return _hash_lines(exam.candidates if own else exam.candidates[:1])


def _describe_data(exam: Exam, examples: Path) -> dict[str, Any]:
    release = read_manifest(examples)["notes"].get("release", "")
    return {"version": exam.card.source.version, "release": release}


def describe_fact(
    name: str, value: dict[str, Any] | None = None, *, sha256: str = "", path: Path | None = None
) -> Fact:
    """A fact; ``sha256`` and ``path`` only where it has them."""
    fact: Fact = {"name": name, "value": value or {}}
    if sha256:
        fact["sha256"] = sha256
    return fact | ({"path": path.as_posix()} if path else {})


def _hash_lines(rows: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
