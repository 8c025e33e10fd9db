"""Reading text of a JATS article: paragraphs and headings in order, sentences, figure mentions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.pubmed.markup import Element, local_name, plain_text

OPEN, CLOSE = "\ue000", "\ue001"  # private-use characters around a figure's id in marked text
CITED = "\ue002"  # and one where a citation mark stood
MARK = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")
CITED_RUN = re.compile(f"{CITED}(?:[\\s,;\u2013\u2014-]*{CITED})*")
CITED_BRACKETS = re.compile(f"\\s*[\\[(]\\s*{CITED}\\s*[\\])]")
SPACE_BEFORE = re.compile(r"\s+([,.;:)\]])")
LEFT_OVER = re.compile(r"(?<=[\[(])[,;\s]+|[,;]+(?=[)\].])")
LEFT_OUT = frozenset({
    "fig", "fig-group", "fn", "fn-group", "graphic", "inline-graphic", "media", "ref-list",
    "supplementary-material", "table-wrap", "table-wrap-group", "table",
})  # fmt: skip
CONTAINERS = frozenset({
    "abstract", "ack", "app", "body", "boxed-text", "def", "def-item", "def-list", "disp-quote",
    "list", "list-item", "sec", "statement",
})  # fmt: skip
LEAVES = frozenset({"p", "disp-formula", "term", "verse-group", "preformat"})
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9\ue000])")
NO_END = re.compile(
    r"(?:\b(?:figs?|tabs?|eqs?|refs?|et al|e\.g|i\.e|cf|vs|ca|approx|resp|no|dr|mr|mrs|prof|st"
    r"|sp|spp)|\b[A-Z])\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph or a heading; ``marked`` is its text with the ids of figures it points to."""

    text: str
    marked: str
    is_heading: bool


def read_blocks(element: Element | None) -> list[Paragraph]:
    """Headings and paragraphs of an abstract, a body or a section, in reading order."""
    return list(_walk(element)) if element is not None else []


def _walk(element: Element) -> Iterator[Paragraph]:
    for child in element:
        name = local_name(child)
        if name == "title":
            yield from _block(child, is_heading=True)
        elif name in LEAVES:
            yield from _block(child, is_heading=False)
        elif name in CONTAINERS:
            blocks = list(_walk(child))
            if any(not block.is_heading for block in blocks):  # a heading over nothing says nothing
                yield from blocks


def _block(element: Element, *, is_heading: bool) -> Iterator[Paragraph]:
    marked = drop_citations(plain_text(element, _replace))
    text = MARK.sub("", marked)
    if text:
        yield Paragraph(text, marked, is_heading)


def drop_citations(text: str) -> str:
    """Text without its citation marks, and without the brackets and dashes that they leave."""
    if CITED in text:
        text = CITED_BRACKETS.sub("", CITED_RUN.sub(CITED, text))
        text = LEFT_OVER.sub("", SPACE_BEFORE.sub(r"\1", text.replace(CITED, "")))
    return " ".join(text.split())


def _replace(child: Element) -> str | None:
    """Left out: what is not prose, and citation marks that are numbers. Figures are marked."""
    name = local_name(child)
    if name in LEFT_OUT:
        return ""
    if name == "sup" and len(child) and not (child.text or "").strip():
        inner = plain_text(child, _replace)  # it may hold nothing but citation marks
        return inner if re.search(r"\w", MARK.sub("", inner)) else CITED
    if name != "xref":
        return None
    text = plain_text(child)
    if child.get("ref-type") == "bibr":
        return text if re.search(r"[^\W\d_]", text) else CITED
    if child.get("ref-type") == "fig":
        return f"{OPEN}{child.get('rid') or ''}{CLOSE}{text}"
    return None


def split_sentences(text: str) -> list[str]:
    """Sentences of a paragraph; a full stop after an abbreviation or an initial ends none."""
    sentences: list[str] = []
    begin = 0
    for found in SENTENCE_END.finditer(text):
        if not NO_END.search(MARK.sub("", text[begin : found.start()])):
            sentences.append(text[begin : found.end()].strip())
            begin = found.end()
    return [*sentences, text[begin:].strip()]


def find_mentions(paragraphs: list[Paragraph], figure_id: str) -> list[str]:
    """The sentences that point to a figure, in order, each once."""
    mentions: dict[str, None] = {}
    for paragraph in paragraphs:
        if figure_id not in paragraph.marked:
            continue
        for sentence in split_sentences(paragraph.marked):
            if any(figure_id in mark.split() for mark in MARK.findall(sentence)):
                mentions[MARK.sub("", sentence)] = None
    return list(mentions)
