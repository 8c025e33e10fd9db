"""Pictures of the corpus: years, lengths in tokens, and what became of the records that were read.

Data in, positions out; corpus.html draws them. Positions along a row are percentages, so that a
row stretches with the page and its text does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.report.axes import print_tick, round_ticks, scale_down
from components.report.inputs import Corpus, Lengths, Manifest, ReportInputs
from components.report.lengths import BINS_PER_DOUBLING
from components.report.numbers import print_count, print_rounded
from components.report.pipeline import count_by_rule

KINDS = {
    "abstract": "Abstracts",
    "fulltext": "Full texts",
    "caption": "Captions",
    "figure": "Figures",
}
STATES = {
    "sound": "no notice against it",
    "concern": "expression of concern",
    "retracted": "retracted, and kept",
}
RETRACTIONS = ("retracted", "retraction-notice")  # reasons of the quarantine
MAX_YEARS, MAX_LABELS, WIDEST_PITCH = 60, 12, 8.0
ROW_HEIGHT, ROW_HEAD, MAX_TICKS = 84, 30, 7  # px of a row of lengths, and of the labels above bars


@dataclass(frozen=True, slots=True)
class Years:
    """Stacked bars: (x, width, year, [(y, height, kind, count)]); a label where one fits."""

    bars: list[tuple[float, float, int, list[tuple[float, float, str, int]]]]
    y_ticks: list[tuple[float, str]]
    labels: list[tuple[float, int]]
    kinds: list[str]
    num_older: int  # than the first bar
    num_unstated: int


@dataclass(frozen=True, slots=True)
class LengthRow:
    """A histogram of one kind: bars are (x, width, y, height, what it says)."""

    of: Lengths
    bars: list[tuple[float, float, float, float, str]]
    median: float
    limit: float


@dataclass(frozen=True, slots=True)
class LengthPlot:
    """Histograms over one axis of tokens, each step of it the same factor."""

    ticks: list[tuple[float, str]]
    rows: list[LengthRow]
    height: int = ROW_HEIGHT


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of some of the records that were read: where it lies along a bar, in percent."""

    name: str
    count: int
    x: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class CorpusView:
    """All that the section shows beside the plain counts."""

    facts: list[tuple[str, str]]
    fates: list[Fate]
    years: Years | None
    lengths: LengthPlot | None
    states: list[tuple[str, int]]
    num_left_out: dict[str, int]  # for a retraction: reason to count
    num_other_sources: int


def view_corpus(inputs: ReportInputs) -> CorpusView | None:
    """The pictures of the corpus; None where there is none."""
    corpus = inputs.corpus
    if corpus is None:
        return None
    manifest = inputs.manifests.get("data/articles")
    reasons = manifest["quarantine"] if manifest else {}
    return CorpusView(
        facts=_list_facts(corpus),
        fates=draw_fates(manifest) if manifest else [],
        years=plot_years(corpus.articles_by_year),
        lengths=plot_lengths(corpus.lengths),
        states=[(title, corpus.states.get(state, 0)) for state, title in STATES.items()],
        num_left_out={name: reasons[name] for name in RETRACTIONS if name in reasons},
        num_other_sources=corpus.num_sources - len(corpus.sources),
    )


def _list_facts(corpus: Corpus) -> list[tuple[str, str]]:
    texts = [one.tokens for one in corpus.lengths if one.kind != "caption" and one.tokens]
    facts = [
        (print_rounded(corpus.num_by_kind.get("abstract", 0)), "abstracts"),
        (print_rounded(corpus.num_by_kind.get("fulltext", 0)), "full texts"),
        (print_rounded(corpus.num_figures), "figures with captions"),
        (print_rounded(corpus.num_journals), "journals"),
        (print_rounded(corpus.num_sources), "source files"),
    ]
    if texts:
        word = "tokens of text, estimated" if any(t.half_width for t in texts) else "tokens of text"
        facts.insert(3, (print_rounded(sum(tokens.total for tokens in texts)), word))
    return facts


def draw_fates(manifest: Manifest) -> list[Fate]:
    """The records that ``ingest_pubmed`` read, as parts of one bar: taken, left out, unusable."""
    counts, num_by_rule = manifest["counts"], count_by_rule(manifest)
    parts = [
        ("in the corpus", counts["out"], "bar0"),
        ("left out by rule", num_by_rule, "bar1"),
        ("unusable", counts["quarantined"] - num_by_rule, "barred"),
    ]
    fates, x = [], 0.0
    for name, count, tone in parts:
        width = 100 * count / max(counts["in"], 1)
        fates.append(Fate(name, count, round(x, 3), round(width, 3), tone))
        x += width
    return [fate for fate in fates if fate.count]


def plot_years(by_kind: dict[str, dict[int, int]]) -> Years | None:
    """Articles by year, stacked by kind; a year without an article keeps its place."""
    years = sorted({year for counts in by_kind.values() for year in counts if year > 0})
    if not years:
        return None
    shown = range(max(years[0], years[-1] - MAX_YEARS + 1), years[-1] + 1)
    totals = {year: sum(counts.get(year, 0) for counts in by_kind.values()) for year in years}
    ticks = round_ticks(0, max(totals[year] for year in years if year in shown), 3)
    pitch = min(100 / len(shown), WIDEST_PITCH)
    kinds = [kind for kind in KINDS if kind in by_kind]
    bars, labels = [], []
    every = -(-len(shown) // MAX_LABELS)
    for index, year in enumerate(shown):
        stack = _stack([(kind, by_kind[kind].get(year, 0)) for kind in kinds], ticks)
        bars.append((round(pitch * (index + 0.1), 3), round(pitch * 0.8, 3), year, stack))
        if (len(shown) - 1 - index) % every == 0:
            labels.append((round(pitch * (index + 0.5), 3), year))
    return Years(
        bars,
        [(scale_down(tick, ticks), print_tick(tick)) for tick in ticks],
        labels,
        kinds,
        num_older=sum(count for year, count in totals.items() if year not in shown),
        num_unstated=sum(counts.get(0, 0) for counts in by_kind.values()),
    )


def _stack(
    counts: list[tuple[str, int]], ticks: list[float]
) -> list[tuple[float, float, str, int]]:
    stack, base = [], 0
    for kind, count in counts:
        top = scale_down(base + count, ticks)
        if count:
            stack.append((top, round(scale_down(base, ticks) - top, 1), kind, count))
        base += count
    return stack


def plot_lengths(lengths: list[Lengths]) -> LengthPlot | None:
    """Histograms of tokens per text, one kind above the other; None before there are tokens."""
    counted = [(one, one.tokens) for one in lengths if one.tokens]
    if not counted:
        return None
    edges = [bin / BINS_PER_DOUBLING for _, tokens in counted for bin in tokens.bins]
    edges += [math.log2(one.limit) for one, _ in counted]
    low, high = math.floor(min(edges)), math.floor(max(edges)) + 1

    def place(doublings: float) -> float:
        return round(100 * (doublings - low) / (high - low), 3)

    step = -(-(high - low) // (MAX_TICKS - 1))
    ticks = [(place(power), print_count(2**power)) for power in range(low, high + 1, step)]
    width = place(low + 1 / BINS_PER_DOUBLING)
    rows = []
    for one, tokens in counted:
        most = max(tokens.bins.values())
        bars = []
        for bin, count in tokens.bins.items():
            height = round((ROW_HEIGHT - ROW_HEAD) * count / most, 1)
            begin, end = (2 ** ((bin + i) / BINS_PER_DOUBLING) for i in (0, 1))
            says = f"{math.ceil(begin)} to {math.ceil(end) - 1} tokens: {print_count(count)} texts"
            x = place(bin / BINS_PER_DOUBLING)
            bars.append((x, width, ROW_HEIGHT - height, height, says))
        median, limit = (place(math.log2(max(n, 1))) for n in (tokens.median, one.limit))
        rows.append(LengthRow(one, bars, median, limit))
    return LengthPlot(ticks, rows)
