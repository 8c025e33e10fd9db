"""JATS articles cut from a file one by one, so that memory follows an article and not the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lxml import etree

from components.pubmed.inflate import Damaged, read_chunks
from components.pubmed.markup import Element, local_name
from components.pubmed.weight import MAX_WEIGHT, weigh

CHUNK_BYTES = 1 << 16


class NoArticleError(Exception):
    """So much stands without an article that the file is none of articles."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The ``number``-th article of a file, from 1; its element is None where it is too large.

    ``is_alone`` says that the file holds no other.
    """

    number: int
    element: Element | None
    is_alone: bool = False


def cut_articles(path: Path) -> Iterator[Cut]:
    """The articles of a file, outermost ones, without the namespace that some sources give them.

    An element is empty when the next one is asked for. Raises etree.XMLSyntaxError where the XML
    breaks off, Damaged where gzip does, and NoArticleError, all after the articles before it.
    """
    cutter = _Cutter()
    try:
        for piece in read_chunks(path):
            for at in range(0, len(piece), CHUNK_BYTES):
                yield from cutter.feed(piece[at : at + CHUNK_BYTES])
    except Damaged:
        yield from cutter.give_up()
        raise
    yield from cutter.finish()


class _Cutter:
    """A parser, and what is known of the article that it is in: an article waits for the next one,
    or the end, for only these tell whether it is alone.
    """

    def __init__(self) -> None:
        self.parser = etree.XMLPullParser(
            ("start", "end"),
            tag="{*}article",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        self.depth, self.number, self.weight = 0, 0, 0
        self.begun: Element | None = None  # the article that is being read
        self.waiting: Cut | None = None

    def feed(self, chunk: bytes) -> Iterator[Cut]:
        """The articles that are known to be whole after this chunk."""
        fault = None
        try:
            self.parser.feed(chunk)
        except etree.XMLSyntaxError as error:
            fault = error
        self.weight += weigh(chunk)
        yield from self._read_events()
        if fault is not None:
            yield from self.give_up()
            raise fault
        if self.weight <= MAX_WEIGHT:
            return
        if self.begun is None:
            yield from self.give_up()
            raise NoArticleError(f"what takes {self.weight >> 20} MiB is no article")
        _prune(self.begun)

    def finish(self) -> Iterator[Cut]:
        """The last article."""
        try:
            self.parser.close()
        except etree.XMLSyntaxError:
            yield from self._read_events()
            yield from self.give_up()
            raise
        yield from self._read_events()
        yield from self._give(is_alone=self.number == 1)

    def _read_events(self) -> Iterator[Cut]:
        for event, element in self.parser.read_events():
            if isinstance(element, Element):
                self.depth += 1 if event == "start" else -1
                yield from self._note(event, element)

    def _note(self, event: str, article: Element) -> Iterator[Cut]:
        if event == "start" and self.depth == 1:
            yield from self._give(is_alone=False)
            self.number, self.weight, self.begun = self.number + 1, 0, article
        elif event == "end" and self.depth == 0:
            is_large = self.weight > MAX_WEIGHT
            self.waiting = Cut(self.number, None if is_large else article)
            self.weight, self.begun = 0, None

    def _give(self, *, is_alone: bool) -> Iterator[Cut]:
        cut, self.waiting = self.waiting, None
        if cut is None:
            return
        if cut.element is not None:
            _drop_namespace(cut.element)
        yield replace(cut, is_alone=is_alone)
        if cut.element is not None:
            _forget(cut.element)

    def give_up(self) -> Iterator[Cut]:
        """Of a set what was whole; a file that is one article is broken as a whole."""
        element = self.waiting.element if self.waiting else None
        if element is None or element.getparent() is not None:
            yield from self._give(is_alone=False)


def _drop_namespace(article: Element) -> None:
    if article.tag != "article":
        for node in article.iter("{*}*"):
            node.tag = local_name(node)


def _forget(article: Element) -> None:
    """Empty an article and drop what stands before it, which the parser does not touch again."""
    del article[:]
    article.text = None
    for node in (article, *article.iterancestors()):
        parent = node.getparent()
        if parent is not None:
            del parent[: parent.index(node)]


def _prune(article: Element) -> None:
    """Drop what is whole of an article that is too large; the path to where the parser is stays."""
    node = article
    while len(node):
        del node[:-1]
        node = node[-1]
