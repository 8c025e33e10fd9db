"""The first lines of the page: what ran, and what came out, in words and a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.report.inputs import ReportInputs
from components.report.numbers import print_count
from components.report.pipeline import count_by_rule
from components.report.scores import ScoreRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """A headline and the sentence below it."""

    headline: str
    detail: str


def write_verdict(
    inputs: ReportInputs, scores: Sequence[ScoreRow], zero_shot: Sequence[ScoreRow]
) -> Verdict:
    """What the numbers allow to be said, and no more."""
    main = [row for row in scores if row.is_main]
    params = inputs.params
    ran = f"{_join(params.sizes)} on {_plural(len(params.datasets), 'data set')}"
    if not main:
        return Verdict("Nothing has been scored yet", f"Asked for: {ran}.")
    num_above = _count_above(main)
    seeing = [row for row in main if row.sees_images]
    num_falls = sum(row.of["falls_when_blank"] for row in seeing)
    headline = f"{num_above} of {_plural(len(main), 'fine-tuned score')} beat a baseline"
    headline += " that sees no image"
    if seeing:
        headline += f", and the image helps in {num_falls} of {len(seeing)}"
    made = "synthetic data" if inputs.synthetic else "real data"
    largest = params.sizes[-1]
    word = "Size" if len(params.sizes) == 1 else "Sizes"
    detail = f"{word} {ran}, {made}. Each score stands with its interval, its baseline and"
    detail += " what is left of it when the image is blank."
    gains = [gain for gain in inputs.scale_steps if gain.larger == largest]
    if gains:
        num_better = sum(gain.better for gain in gains)
        detail += f" The step to {largest} is a significant gain on {num_better} of {len(gains)}."
    if unseen := [row for row in zero_shot if row.is_main]:
        detail += f" Zero-shot: {_count_above(unseen)} of {len(unseen)} above the baseline."
    return Verdict(headline, detail)


def _count_above(rows: Sequence[ScoreRow]) -> int:
    return sum(row.of["beats_baseline"] for row in rows)


def list_facts(inputs: ReportInputs, scores: Sequence[ScoreRow]) -> list[tuple[str, str]]:
    """A few numbers with their labels."""
    corpus = inputs.corpus
    main = [row for row in scores if row.is_main]
    num_examples = sum(
        manifest["counts"]["out"]
        for manifest in inputs.manifests.values()
        if manifest["stage"] == "prepare"
    )
    num_aside = sum(
        m["counts"]["quarantined"] - count_by_rule(m) for m in inputs.manifests.values()
    )
    num_answers = sum(row.of["n"] for row in main)
    return [
        _fact(corpus.num_articles if corpus else 0, "article"),
        _fact(corpus.num_figures if corpus else 0, "figure"),
        _fact(num_examples, "task example"),
        _fact(len(inputs.params.datasets), "data set"),
        _fact(len(inputs.params.sizes), "model size"),
        _fact(num_answers, "scored answer"),
        _fact(num_aside, "unusable record"),
    ]


def _fact(num: int, noun: str, rest: str = "") -> tuple[str, str]:
    return print_count(num), noun + ("" if num == 1 else "s") + rest


def _plural(num: int, noun: str) -> str:
    return f"{num} {noun}" + ("" if num == 1 else "s")


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
