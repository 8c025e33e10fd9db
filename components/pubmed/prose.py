"""Reading text of a JATS article: headings, paragraphs and captions in order; sentences, mentions.

One block is one line of an article's text. A heading is a line of its own, so that a reader who
knows the headings can cut the text where its sections begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from components.pubmed.markup import Element, local_name, plain_text, squeeze
from components.pubmed.mentions import named_figures

OPEN, CLOSE = "\ue000", "\ue001"  # private-use characters around a figure's id in marked text
CITED = "\ue002"  # and one where a citation mark stood
MARK = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")
CITED_RUN = re.compile(f"{CITED}(?:[\\s,;\u2013\u2014-]*{CITED})*")
LEAD = r"(?:(?:see|cf\.?|e\.g\.,?|i\.e\.,?|refs?\.?|references?|reviewed (?:in|by)|review)\s*)*"
CITED_BRACKETS = re.compile(
    f"\\s*[\\[(]\\s*{LEAD}{CITED}(?:\\s*(?:and|or|to|&)\\s*{CITED})*\\s*[\\])]", re.IGNORECASE
)
# "adapted from ref. 13": the words that only lead to a mark go with it
CITED_WORDS = re.compile(
    f"(?:\\s*\\b(?:from|in|of|see))?\\s*\\brefs?\\.?\\s*{CITED}(?:\\s*(?:and|or|to|&)\\s*{CITED})*",
    re.IGNORECASE,
)
OWN_DOI = re.compile(r"\s*\bDOI:?\s*(?:https?://\S+|10\.\d+/\S+)\s*$", re.IGNORECASE)
SPACE_BEFORE = re.compile(r"\s+([,.;:)\]])")
LEFT_OVER = re.compile(r"(?<=[\[(])[,;\s]+|[,;]+(?=[)\].])")
FLOATS = (  # of these the captions are read
    "chem-struct-wrap", "fig", "fig-group", "table-wrap", "table-wrap-group",
)  # fmt: skip
BOX = "boxed-text"
LEFT_OUT = frozenset({
    *FLOATS, "alt-text", "fn", "fn-group", "glyph-data", "graphic", "index-term", "inline-graphic",
    "long-desc", "media", "object-id", "permissions", "private-char", "ref-list", "sec-meta",
    "supplementary-material", "table",
})  # fmt: skip
NOT_PROSE = LEFT_OUT | {"address", "kwd-group", "label", "sig-block", "subj-group"}
LEAVES = frozenset({"disp-formula", "p", "preformat", "speaker", "term", "verse-group"})
FOOTNOTE_MARKS = frozenset({"author-notes", "corresp", "fn", "table-fn"})
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9\ue000])")
NO_END = re.compile(
    r"(?:\b(?:figs?|tabs?|eqs?|refs?|et al|e\.g|i\.e|cf|vs|ca|approx|resp|no|dr|mr|mrs|prof|st"
    r"|sp|spp|suppl)|\b[A-Z])\.$",
    re.IGNORECASE,
)
LONGEST_NO_END = 100  # characters, the id of a figure among them
MAX_MENTIONS = 200  # of one figure: thousands, each in every record of that figure, fill the memory


@dataclass(frozen=True, slots=True)
class Block:
    """One line of a text; ``marked`` is it with the ids of the figures that it points to.

    ``kind`` is ``heading``, ``text`` or ``caption`` (of a figure or a table).
    """

    text: str
    marked: str
    kind: str


def read_blocks(element: Element | None) -> list[Block]:
    """Headings, paragraphs and captions of an abstract, a body or a section, in reading order.

    A caption within a paragraph comes after it. References, footnotes, tables and supplementary
    files are left out.
    """
    if element is None:
        return []
    return list(_leaf(element) if _has_loose_text(element) else _walk(element))


def read_captions(element: Element) -> Iterator[Block]:
    """A line for each figure and table within an element: ``Figure 1. What it shows.``"""
    for node in element.iter(*FLOATS):
        label, caption = clean_text(node.find("label")), caption_text(node)
        text = f"{label.rstrip(' .:')}. {caption}" if label and caption else caption
        if text:
            yield Block(text, text, "caption")


def clean_text(element: Element | None) -> str:
    """The text of an element without citation and footnote marks, "" for None."""
    return squeeze(MARK.sub("", drop_citations(plain_text(element, _replace))))


def caption_text(node: Element) -> str:
    """The caption of a figure or a table, without the DOI that some journals end it with."""
    return OWN_DOI.sub("", clean_text(node.find("caption")))


def _walk(element: Element) -> Iterator[Block]:
    for child in element:
        name = local_name(child)
        if name == "title":
            yield from _block(child, "heading")
        elif name == "caption" and local_name(element) == BOX:  # its title, as a rule
            yield from _walk(child)
        elif name in FLOATS:
            yield from read_captions(child)
        elif name in LEAVES or (name and name not in NOT_PROSE and _has_loose_text(child)):
            yield from _leaf(child)
        elif name and name not in NOT_PROSE:
            blocks = list(_walk(child))
            if any(block.kind != "heading" for block in blocks):  # a heading over nothing
                yield from blocks


def _leaf(element: Element) -> Iterator[Block]:
    yield from _block(element, "text")
    yield from _floating(element)


def _floating(element: Element) -> Iterator[Block]:
    """What floats within a paragraph: boxes, and the captions of figures and tables."""
    for child in element:
        name = local_name(child)
        if name in FLOATS:
            yield from read_captions(child)
        elif name == BOX:
            yield from read_blocks(child)
        elif name and name not in LEFT_OUT:
            yield from _floating(child)


def _has_loose_text(element: Element) -> bool:
    """Whether text stands in an element itself, between its children or instead of any."""
    pieces = (element.text, *(child.tail for child in element))
    return any(piece and not piece.isspace() for piece in pieces)


def _block(element: Element, kind: str) -> Iterator[Block]:
    marked = drop_citations(plain_text(element, _replace))
    text = squeeze(MARK.sub("", marked))  # a mark that held no words leaves its space
    if text:
        yield Block(text, marked, kind)


def drop_citations(text: str) -> str:
    """Text without its citation marks, and without the brackets and dashes that they leave."""
    if CITED in text:
        text = CITED_BRACKETS.sub("", CITED_RUN.sub(CITED, text))
        text = CITED_WORDS.sub("", text)
        text = LEFT_OVER.sub("", SPACE_BEFORE.sub(r"\1", text.replace(CITED, "")))
    return " ".join(text.split())


def _replace(child: Element) -> str | None:
    """Left out: what is not prose, and citation marks that are numbers. Figures are marked."""
    name = local_name(child)
    if name in LEFT_OUT or name == BOX:
        return ""
    if name == "sup" and len(child) and not (child.text or "").strip():
        inner = plain_text(child, _replace)  # it may hold nothing but citation marks
        return inner if re.search(r"\w", MARK.sub("", inner)) else CITED
    if name != "xref":
        return None
    text, kind = plain_text(child), child.get("ref-type")
    if kind == "bibr":
        return text if re.search(r"[^\W\d_]", text) else CITED
    if kind == "fig":
        return f"{OPEN}{child.get('rid') or ''}{CLOSE}{text}"
    return "" if kind in FOOTNOTE_MARKS else None


def split_sentences(text: str) -> list[str]:
    """Sentences of a paragraph; a full stop after an abbreviation or an initial ends none."""
    sentences: list[str] = []
    begin = 0
    for found in SENTENCE_END.finditer(text):
        before = text[max(begin, found.start() - LONGEST_NO_END) : found.start()]
        if not NO_END.search(MARK.sub("", before)):
            sentences.append(text[begin : found.end()].strip())
            begin = found.end()
    return [*sentences, text[begin:].strip()]


class MentionIndex:
    """The sentences of running text that speak of each figure, by id and name: MAX_MENTIONS."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.sentences: list[str] = []
        self.places: dict[str, list[int]] = {}  # id or name of a figure to its sentences
        for block in blocks:
            if block.kind == "text":
                for sentence in split_sentences(block.marked):
                    self._add(sentence)

    def find(self, keys: Sequence[str]) -> list[str]:
        """The sentences that speak of a figure under one of its ids or names, each once."""
        places = sorted({place for key in keys for place in self.places.get(key, ())})
        return list(dict.fromkeys(self.sentences[place] for place in places))

    def _add(self, sentence: str) -> None:
        text = MARK.sub("", sentence)
        keys = {key for mark in MARK.findall(sentence) for key in mark.split()}
        keys |= named_figures(text)
        for key in keys:
            places = self.places.setdefault(key, [])
            if len(places) < MAX_MENTIONS:
                places.append(len(self.sentences))
        if keys:
            self.sentences.append(text)
