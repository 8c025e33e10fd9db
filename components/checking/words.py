"""What ``biomedgpt check`` and ``biomedgpt datasets`` print, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from rich.table import Table

from components.cards import ACCESS_NOTES, Card
from components.checking.dataset import Checked
from components.checking.listing import STATES, Listed
from components.checking.tokens import NOT_LEARNT
from components.records import SPLITS, Example

WIDTH = 120  # of a line at most, and of the table
MAX_ANSWERS, MAX_REJECTS, MAX_LICENCE = 12, 3, 24
LABEL = 10  # width of the words at the left


def tell_check(checked: Checked) -> Iterator[str]:
    """The whole check: counts, records left out, balance, lengths, samples, verdict."""
    yield f"{checked.card.title} ({checked.card.task}), read from {checked.raw}"
    counts = checked.count_splits()
    derived = checked.prepared.name_derived(checked.card.official_splits)
    for split in SPLITS:
        note = ", drawn here by group" if split in derived else ""
        yield f"  {split:<12}{counts[split]:>8,} examples{note}"
    yield from _tell_rejects(checked)
    yield from _tell_answers(checked)
    yield from _tell_lengths(checked)
    yield ""
    for number, (example, cells) in enumerate(checked.samples, start=1):
        yield from _tell_sample(number, len(checked.samples), example, cells)
    yield from _tell_verdict(checked)


def _tell_rejects(checked: Checked) -> Iterator[str]:
    for reason, rejects in checked.rejects().items():
        yield f"  {len(rejects):,} left out: {reason}"
        for reject in rejects[:MAX_REJECTS]:
            yield f"    {reject.origin}" + (f": {reject.detail}" if reject.detail else "")


def _tell_answers(checked: Checked) -> Iterator[str]:
    answers = checked.answers()
    if not answers or checked.card.candidates == "none":
        return
    yield f"  {len(answers):,} different answers in train"
    for answer, num in answers.most_common(MAX_ANSWERS):
        yield f"    {num / answers.total():>6.1%}  {answer}"
    if len(answers) > MAX_ANSWERS:
        yield f"            and {len(answers) - MAX_ANSWERS:,} more"


def _tell_lengths(checked: Checked) -> Iterator[str]:
    lengths, limits = checked.lengths, checked.limits
    if lengths is None:
        yield "  no vocabulary yet: tokens cannot be counted (dvc repro build_vocabulary makes it)"
        return
    for name, found, limit in (
        ("source", lengths.sources, limits.max_source),
        ("target", lengths.targets, limits.max_target),
    ):
        if found:
            told = f"{median(found):>8,.0f} tokens in the middle, {max(found):,} at most"
            yield f"  {name:<12}{told}, {limit:,} fit"


def _tell_sample(
    number: int, of: int, example: Example, cells: dict[str, list[str]]
) -> Iterator[str]:
    image = f", image {example.image_id[:12]}" if example.image_id else ""
    yield f"sample {number} of {of}: {example.origin} ({example.split}{image})"
    yield f"  {'source':<{LABEL}}{example.source!r}"
    if example.prefix:
        yield f"  {'prefix':<{LABEL}}{example.prefix!r}"
    yield f"  {'target':<{LABEL}}{example.target!r}"
    if example.candidates:
        yield f"  {'options':<{LABEL}}{example.candidates!r}"
    if cells:
        yield from _wrap({"encoder": cells["encoder"]})
        yield from _wrap({"decoder": cells["reads"], "must say": cells["says"]})
    yield ""


def _wrap(rows: dict[str, list[str]]) -> Iterator[str]:
    """Rows of cells, column under column, broken where a line is full."""
    columns = list(zip(*rows.values(), strict=True))
    begin = 0
    while begin < len(columns):
        end, width = begin, LABEL
        while end < len(columns) and (end == begin or width + _width(columns[end]) <= WIDTH):
            width += _width(columns[end])
            end += 1
        for place, name in enumerate(rows):
            label = name if begin == 0 else ""
            cells = (f"{column[place]:<{_width(column)}}" for column in columns[begin:end])
            yield f"  {label:<{LABEL}}{''.join(cells)}".rstrip()
        begin = end


def _width(column: Sequence[str]) -> int:
    return max(len(cell) for cell in column) + 1


def _tell_verdict(checked: Checked) -> Iterator[str]:
    if checked.lengths is not None:
        yield f"{NOT_LEARNT} marks what the decoder is given and does not learn"
    for finding in checked.findings:
        yield f"{finding.level}: {finding.words}"
    if checked.is_sound:
        yield f"{checked.card.name} can be trained on"
    else:
        yield f"{checked.card.name} cannot be trained on: mend the errors, then check again"


def draw_table(listed: Sequence[Listed]) -> Table:
    """A row per data set, those of the reconstructed list of 23 first."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in ("data set", "23", "task", "train / val / test", "licence", "access", "here"):
        table.add_column(title, no_wrap=True, justify="right" if "/" in title else "left")
    for row in sorted(listed, key=lambda row: (not row.card.benchmark, row.card.task)):
        card, mark = row.card, "*" if row.card.benchmark else ""
        licence = shorten_licence(card.source.licence)
        here = f"ready, {row.state}" if row.is_ready else row.state
        table.add_row(card.name, mark, card.task, row.splits, licence, card.source.access, here)
    return table


def shorten_licence(licence: str) -> str:
    """What fits a column: the first words, up to an aside; the card has all of it."""
    first = re.split(r"[;(]", licence)[0].strip()
    return first if len(first) <= MAX_LICENCE else f"{first[: MAX_LICENCE - 3].rstrip()}..."


def tell_states(listed: Sequence[Listed]) -> Iterator[str]:
    """What the words of the last column mean, as far as they occur, and what to do next."""
    yield "* of this project's reconstruction of the paper's list of 23"
    found = {row.state for row in listed}
    for state, words in STATES.items():
        if state in found:
            yield f"{state:<9} {words}"
    if "missing" in found:
        yield "biomedgpt datasets NAME says how to get one, and what it is"


def tell_card(row: Listed) -> Iterator[str]:
    """Everything that a card says of its data set, and its state here."""
    card, source = row.card, row.card.source
    for name, words in (
        ("title", card.title),
        ("task", card.task),
        ("source", source.url),
        ("version", source.version),
        ("licence", source.licence),
        ("access", f"{source.access}: {ACCESS_NOTES[source.access]}"),
        ("files", "; ".join(_tell_files(card))),
        ("splits", ", ".join(card.official_splits) or "none official: drawn here by group"),
        ("answers", card.candidates),
        ("metrics", ", ".join(card.metrics) or "none"),
        ("recipe", ", ".join(f"{k} {v}" for k, v in card.recipe.items()) or "the stage's own"),
        ("cite", source.citation),
        ("here", f"{row.state} ({row.where})" if row.where else row.state),
        ("to get it", source.how_to_get),
    ):
        yield f"{name:<10} {words}"
    yield from _tell_figures(card)


def _tell_files(card: Card) -> Iterator[str]:
    for role, files in card.files.items():
        yield f"{role} {' or '.join(files.patterns)}" + ("" if files.required else " (if there)")


def _tell_figures(card: Card) -> Iterator[str]:
    for release in card.releases:
        counts = ", ".join(f"{num:,} {split}" for split, num in release.records.items())
        yield f"{'release':<10} {release.name}: {counts} {release.evidence}"
    for figure in card.published:
        told = f"{figure.model}: {figure.metric} {figure.value:g}"
        yield f"{'published':<10} {told} {figure.evidence}"
