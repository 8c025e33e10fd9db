"""What the report is made of: everything read and counted, nothing laid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from components.cards import Card
from components.config import Params
from components.evaluation.intervals import Interval

Manifest = dict[str, Any]
Scores = dict[str, dict[str, Any]]  # data set to its metrics JSON (evaluation.summary)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered test item. ``right`` is None where an answer is more or less right."""

    dataset: str
    size: str
    question: str
    truth: str
    answer: str
    blank_answer: str | None
    baseline: str
    metric: str
    score: float
    right: bool | None
    image_jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class Corpus:
    """Counts over articles and figures."""

    articles_by_year: dict[str, dict[int, int]]  # kind ("abstract", "fulltext") to year to count
    licences: dict[str, int]
    num_retracted: int
    num_concern: int
    num_figures: int
    figure_modalities: dict[str, int]
    figure_licences: dict[str, int]

    @property
    def num_articles(self) -> int:
        """Articles of every kind."""
        return sum(sum(years.values()) for years in self.articles_by_year.values())


@dataclass(frozen=True, slots=True)
class QuarantineGroup:
    """Records that one product refused for one reason, with a few of them."""

    product: str
    stage: str
    reason: str
    by_rule: bool  # a limit, a retraction: no fault of the record
    count: int
    examples: list[tuple[str, str]]  # origin, detail


@dataclass(frozen=True, slots=True)
class ScaleGain:
    """A larger size's headline score minus a smaller one's, paired over the test items."""

    dataset: str
    smaller: str
    larger: str
    gain: Interval


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """All that the page shows. What has not run is empty, and the page says so."""

    params: Params
    cards: dict[str, Card]
    manifests: dict[str, Manifest] = field(default_factory=dict)  # product folder to manifest
    hashes: dict[str, str] = field(default_factory=dict)  # product folder to its manifest's sha256
    metrics: dict[str, Scores] = field(default_factory=dict)  # size to data set to scores
    zero_shot: dict[str, Scores] = field(default_factory=dict)
    scale_gains: list[ScaleGain] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # model folder to log
    tokenizer: dict[str, Any] = field(default_factory=dict)
    reconstructions_png: bytes | None = None
    corpus: Corpus | None = None
    quarantine: list[QuarantineGroup] = field(default_factory=list)
    instruction_modalities: dict[str, dict[str, int]] = field(default_factory=dict)  # by split
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """True where the raw data was made by the sample world."""
        return self.params.acquire.mode == "sample"

    def title(self, dataset: str) -> str:
        """A data set's printed name."""
        return self.cards[dataset].title if dataset in self.cards else dataset
