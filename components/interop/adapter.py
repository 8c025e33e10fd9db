"""Scores this project's tasks inside another harness, by this project's definitions.

Written beside the tasks by ``biomedgpt export-tasks``; a harness calls these functions by name.
It needs the package ``components`` of this project to be importable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from components.evaluation.intervals import find_groups
from components.evaluation.metrics import METRICS, find_metric
from components.evaluation.pooling import Answers
from components.readers.images import decode_rgb

Row = dict[str, Any]  # a line of the data file, see export.py
Scored = tuple[str, list[str], dict[str, float]]  # answer, references, log-probabilities


def open_images(doc: Row) -> list[Image.Image]:
    """The item's image in RGB, in a list; the empty list where it has none."""
    if not doc.get("image"):
        return []
    return [decode_rgb((Path(__file__).parents[1] / doc["image"]).read_bytes())]


def ask(doc: Row, prompt: dict[str, str]) -> str:
    """An item's request between what lmms-eval says before and after it, of each model."""
    return prompt["pre_prompt"] + str(doc["source"]).strip() + prompt["post_prompt"]


def process_results(doc: Row, results: Sequence[Any]) -> dict[str, Scored]:
    """The answer to one item for each of its metrics: a text, or the most likely choice.

    A harness pools those that the task names.
    """
    options: dict[str, float] = {}
    if isinstance(results[0], str):
        answer = results[0].strip()
    else:
        choices = [choice.strip() for choice in doc["choices"]]
        values = [float(likelihood) for likelihood, _ in results]
        options = dict(zip(choices, values, strict=True))
        answer = choices[max(range(len(choices)), key=values.__getitem__)]
    return dict.fromkeys(doc["metrics"], (answer, doc["references"], options))


def aggregate(name: str) -> Callable[[Sequence[Scored]], float]:
    """A data set's value of one metric, from all of its answers."""

    def pool(scored: Sequence[Scored]) -> float:
        texts, references, options = (list(part) for part in zip(*scored, strict=True))
        metric = find_metric(name)
        groups = find_groups([str(number) for number in range(len(texts))])
        answers = Answers(texts, references, options)
        estimate = metric.pool(answers, metric.score(texts, references), groups)
        return float(estimate(groups.every)[0])

    return pool


def __getattr__(name: str) -> Callable[[Sequence[Scored]], float]:
    """``pool_NAME`` for each metric: the harness looks functions up by attribute."""
    metric = name.removeprefix("pool_")
    if metric == name or metric not in METRICS:
        raise AttributeError(name)
    return aggregate(metric)
