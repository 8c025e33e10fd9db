"""What the report is made of: everything read and counted, nothing laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from components.cards import PRIVATE, RESTRICTED, Card
from components.config import Params, ReportParams
from components.evaluation.intervals import Interval

Manifest = dict[str, Any]
Scores = dict[str, dict[str, Any]]  # data set to its metrics JSON (evaluation.summary)


@dataclass(frozen=True, slots=True)
class Reply:
    """A size's answer to a test item. ``right`` is None where an answer is more or less right."""

    size: str
    answer: str
    blank_answer: str | None
    score: float
    right: bool | None
    confidence: float  # 0 to 1: its probability in the closed set; of free text, per token
    unsure: bool  # among the least confident quarter of the size's answers to the test


@dataclass(frozen=True, slots=True)
class Sample:
    """One test item, and what each size answered."""

    dataset: str
    modality: str
    question: str
    truth: str
    baseline: str
    metric: str
    replies: list[Reply]
    image_jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of the texts of a kind, counted of all or of a sample (``num_counted``)."""

    total: int
    half_width: float  # of the total's confidence interval; 0 where all were counted
    num_counted: int
    low: int  # a tenth of the texts is as short
    median: int
    high: int  # a tenth is longer
    longest: int
    num_over: int  # of those counted, longer than the limit
    bins: dict[int, int]  # of those counted, by report.lengths.place_in_bin


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the texts of one kind are; ``tokens`` is None before there is a vocabulary."""

    kind: str  # "abstract", "fulltext" or "caption"
    num_texts: int
    num_chars: int
    longest_chars: int
    limit: int  # tokens that pretraining reads at once
    tokens: TokenCounts | None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A raw file and what of it is in the corpus; years are 0 where none is stated."""

    file: str
    sha256: str
    abstracts: int
    fulltexts: int
    first_year: int
    last_year: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Counts over articles and figures."""

    articles_by_year: dict[str, dict[int, int]]  # kind ("abstract", "fulltext") to year to count
    publication_types: dict[str, int]  # an article counts for each of its types
    languages: dict[str, int]  # and for each of its languages
    licences: dict[str, dict[str, int]]  # kind ("abstract", "fulltext", "figure") to licence
    states: dict[str, int]  # "sound", "concern", "retracted"
    num_journals: int
    num_figures: int
    figure_modalities: dict[str, int]
    sources: list[SourceFile]  # the largest
    num_sources: int
    lengths: list[Lengths]

    @property
    def num_articles(self) -> int:
        """Articles of every kind."""
        return sum(self.states.values())

    @property
    def num_by_kind(self) -> dict[str, int]:
        """Articles by kind."""
        return {kind: sum(years.values()) for kind, years in self.articles_by_year.items()}


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
    """A larger size's headline score minus a smaller one's, paired over the test items.

    ``adjusted`` is the p-value by Holm's correction over the data sets that both sizes answered.
    """

    dataset: str
    smaller: str
    larger: str
    gain: Interval
    p_value: float
    adjusted: float
    level: float  # significant is what is adjusted under it

    @property
    def better(self) -> bool:
        """True where the larger size is significantly better."""
        return self.adjusted < self.level and self.gain.value > 0

    @property
    def worse(self) -> bool:
        """True where the larger size is significantly worse."""
        return self.adjusted < self.level and self.gain.value < 0


@dataclass(frozen=True, slots=True)
class ModelGain:
    """The instructed model's headline score minus another model's, paired over the test items.

    ``answers`` says how the instructed one answered (evaluation.examine.OPEN or CHOSEN).
    """

    dataset: str
    size: str
    answers: str
    model: str
    gain: Interval


def is_withheld(cards: Mapping[str, Card], name: str, settings: ReportParams) -> bool:
    """Whether no record of a set may stand on the page: access to it is restricted.

    Private records are the house's own, which may look at them: ``report.show_private``.
    """
    access = cards[name].source.access if name in cards else ""
    return access in RESTRICTED and not (access == PRIVATE and settings.show_private)


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """All that the page shows. What has not run is empty, and the page says so."""

    params: Params
    cards: dict[str, Card]
    manifests: dict[str, Manifest] = field(default_factory=dict)  # product folder to manifest
    hashes: dict[str, str] = field(default_factory=dict)  # product folder to its manifest's sha256
    metrics: dict[str, Scores] = field(default_factory=dict)  # size to data set to scores
    zero_shot: dict[str, Scores] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)  # size to probes/survey.py's
    scale_gains: list[ScaleGain] = field(default_factory=list)  # of all pairs of sizes
    model_gains: list[ModelGain] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    num_samples_cut: int = 0  # left out to keep the page small (budget.py)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # model folder to log
    tokenizer: dict[str, Any] = field(default_factory=dict)
    reconstructions_png: bytes | None = None
    corpus: Corpus | None = None
    quarantine: list[QuarantineGroup] = field(default_factory=list)
    instruction_modalities: dict[str, dict[str, int]] = field(default_factory=dict)  # by split
    instructions: dict[str, Any] = field(default_factory=dict)  # instructions/survey.py's summary
    audit: dict[str, Any] = field(default_factory=dict)
    overlap_pictures: dict[str, bytes] = field(default_factory=dict)  # JPEG by image id
    rating: dict[str, Any] = field(default_factory=dict)  # rating/unblinding.py's results
    balances: dict[str, dict[str, Any]] = field(default_factory=dict)  # size to balance.py's

    @property
    def synthetic(self) -> bool:
        """True where the raw data was made by the sample world."""
        return self.params.acquire.mode == "sample"

    @property
    def scale_steps(self) -> list[ScaleGain]:
        """The gains from each size to the next."""
        steps = set(pairwise(self.params.sizes))
        return [gain for gain in self.scale_gains if (gain.smaller, gain.larger) in steps]

    def withholds(self, name: str) -> bool:
        """True where no record of the set may stand on the page, which is there to be handed on."""
        return is_withheld(self.cards, name, self.params.report)

    def withholds_product(self, folder: str) -> bool:
        """True where records that a product holds or was made of may not stand on the page."""
        classes = RESTRICTED.intersection(self.manifests.get(folder, {}).get("access", ()))
        return bool(classes - ({PRIVATE} if self.params.report.show_private else set()))

    @property
    def private_shown(self) -> list[str]:
        """Titles of the private sets that stand on the page, which then must not be handed on."""
        own = {name for name, card in self.cards.items() if card.source.access == PRIVATE}
        params = self.params
        read = [*params.datasets, *params.pretrained_on, *params.pretraining_sources]
        shown = [name for name in dict.fromkeys(read) if name in own and not self.withholds(name)]
        return [self.title(name) for name in shown]

    def title(self, dataset: str) -> str:
        """A data set's printed name."""
        return self.cards[dataset].title if dataset in self.cards else dataset
