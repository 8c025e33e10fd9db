"""Hallucination: findings that a generated report states and its reference does not support.

Of a caption or report the reference is the evidence; of a summary the text that was summarized is,
too. A reference that leaves something out makes a true finding of the image count as unsupported,
as of every such measure (CHAIR: Rohrbach et al., EMNLP 2018; CheXbert F1: Smit et al., EMNLP 2020):
the rates are those of disagreement with the text, an upper bound for what was made up. What is
known of findings, and how well they are read: components/probes/findings.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.evaluation.conditions import FULL
from components.evaluation.intervals import Groups
from components.evaluation.scoring import accepted_answers
from components.probes.findings import denies, find_stated, supports
from components.probes.material import Answered
from components.probes.measure import Sampling, estimate_share
from components.records import Prediction

TASKS = ("caption", "summarize")
MAX_FINDINGS, MAX_EXAMPLES, MAX_CHARS = 12, 3, 300


@dataclass(frozen=True, slots=True)
class Comparison:
    """The findings of a report and of its reference: what is said, and what of it is not there."""

    said: frozenset[str]
    unsupported: frozenset[str]
    contradicted: frozenset[str]  # of the unsupported: what the reference denies
    expected: frozenset[str]
    missed: frozenset[str]


def compare_reports(report: str, reference: str, evidence: str = "") -> Comparison:
    """Compare findings; ``evidence`` is a text beside the reference that may support them."""
    said, expected, known = find_stated(report), find_stated(reference), f"{reference}. {evidence}"
    unsupported = frozenset(name for name in said if not supports(known, name))
    return Comparison(
        said,
        unsupported,
        frozenset(name for name in unsupported if denies(known, name)),
        expected,
        frozenset(name for name in expected if not supports(report, name)),
    )


def probe_hallucination(answered: Answered, sampling: Sampling) -> dict[str, Any] | None:
    """Rates of unsupported and missed findings, in percent; None for tasks that write no report.

    ``ways``: of the model with all shown, under each other condition, and of the baseline.
    ``by_finding`` counts the most frequent ones, ``examples`` are reports with the most unsupported
    findings.
    """
    if answered.card.task not in TASKS:
        return None
    evidence = [_find_evidence(prediction, answered.card.task) for prediction in answered.full]
    texts = {name: own.texts for name, own in answered.scored.answers.items()}
    compared = {
        way: [compare_reports(text, *told) for text, told in zip(said, evidence, strict=True)]
        for way, said in texts.items()
    }
    full = compared[FULL]
    if not any(one.said or one.expected for one in full):
        return None
    return {
        **answered.head(),
        "reports": len(full),
        "ways": {
            way: _rate(found, answered.scored.groups, sampling) for way, found in compared.items()
        },
        "by_finding": _count_findings(full),
        "examples": _pick_examples(answered.full, full),
    }


def _find_evidence(prediction: Prediction, task: str) -> tuple[str, str]:
    reference = ". ".join(accepted_answers(prediction))
    return reference, prediction.source if task == "summarize" else ""


def _rate(found: Sequence[Comparison], groups: Groups, sampling: Sampling) -> dict[str, Any]:
    """Of each rate what it counts, over what it is counted; ``of`` is the sum of the latter."""
    said = [len(one.said) for one in found]
    counts: dict[str, tuple[list[int], list[int]]] = {
        "reports": ([int(bool(one.unsupported)) for one in found], [1] * len(found)),
        "unsupported": ([len(one.unsupported) for one in found], said),
        "contradicted": ([len(one.contradicted) for one in found], said),
        "missed": ([len(one.missed) for one in found], [len(one.expected) for one in found]),
    }
    return {
        name: {**sampling.measure(estimate_share(parts, of, groups), groups), "of": sum(of)}
        for name, (parts, of) in counts.items()
    }


def _count_findings(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    kinds = ("said", "unsupported", "expected", "missed")
    counts: Mapping[str, Counter[str]] = {
        kind: Counter(name for one in found for name in getattr(one, kind)) for kind in kinds
    }
    total = counts["said"] + counts["expected"]
    names = sorted(total, key=lambda name: (-total[name], name))[:MAX_FINDINGS]
    return [{"finding": name, **{kind: counts[kind][name] for kind in kinds}} for name in names]


def _pick_examples(
    predictions: Sequence[Prediction], found: Sequence[Comparison]
) -> list[dict[str, Any]]:
    pairs = [pair for pair in zip(predictions, found, strict=True) if pair[1].unsupported]
    pairs.sort(key=lambda pair: (-len(pair[1].unsupported), pair[0].id))
    return [
        {
            "id": prediction.id,
            "said": prediction.prediction[:MAX_CHARS],
            "reference": accepted_answers(prediction)[0][:MAX_CHARS],
            "unsupported": sorted(one.unsupported),
        }
        for prediction, one in pairs[:MAX_EXAMPLES]
    ]
