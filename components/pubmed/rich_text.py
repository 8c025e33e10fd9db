"""Texts of a citation that hold more than letters: markup, formulae, runs of white space.

xml2arrow gives the plain text of an element and drops what is nested in it. Records whose texts
need more are found here, and those texts are read again by the rules of ``markup``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from lxml import etree

from components.pubmed.inflate import Damaged
from components.pubmed.markup import Element, plain_text, squeeze

MATHML = b'xmlns:mml="http://www.w3.org/1998/Math/MathML"'
LETTERS = re.compile(rb"</?(?:[biu]|su[bp])>")
OTHER_TAG = re.compile(rb"<(?!/?(?:AbstractText|CopyrightInformation)\b)")
# The tag first and then what is before it: so its letters are looked for, and not every digit.
EXPONENT = re.compile(rb"<sup>(?<=[0-9]<sup>)(?=\s*(?:-|\xe2\x88\x92|&#x2212;|&#8722;)?[0-9])")
# Where text stands, and the names of the elements within.
SPANS = (
    (b"<ArticleTitle", b"</ArticleTitle>", ()),
    (b"<Abstract>", b"</Abstract>", (b"AbstractText", b"CopyrightInformation")),
)
OTHER_ABSTRACT = "OtherAbstract"
NO_LABEL = ["", "UNLABELLED", "UNLABELED"]
RICH = re.compile(rb"<(?:CollectiveName|Suffix|VernacularTitle)(?:\s[^<>]*)?>[^<]*<(?!/)")


@dataclass
class RichTexts:
    """Rows for the columns of some records: (number of the record, its values)."""

    titles: list[tuple[int, str]] = field(default_factory=list)
    vernacular_titles: list[tuple[int, str]] = field(default_factory=list)
    sections: list[tuple[int, str, str]] = field(default_factory=list)  # label, text
    copyrights: list[tuple[int, str]] = field(default_factory=list)
    authors: list[tuple[int, str]] = field(default_factory=list)


def flatten(record: bytes) -> bytes | None:
    """A record without letters' markup in its title and abstract; None where they hold more.

    Exponents after a digit get a caret, as ``plain_text`` gives it.
    """
    pieces: list[bytes] = []
    at = 0
    for opening, closing, names in SPANS:
        begin = record.find(opening, at)
        if begin < 0:
            continue
        end = record.find(closing, begin)
        inner = record[begin:end]
        num_tags = 1 + sum(map(inner.count, names))
        if inner.count(b"<") == num_tags:  # most have no more
            continue
        flat = LETTERS.sub(b"", EXPONENT.sub(b"^", inner) if b"<sup>" in inner else inner)
        if OTHER_TAG.search(flat, 1):
            return None
        pieces += record[at:begin], flat
        at = end
    return b"".join((*pieces, record[at:])) if pieces else record


def has_rich_rest(record: bytes) -> bool:
    """Whether markup stands in a name or the vernacular title of a flat record."""
    return RICH.search(record) is not None


def read_rich_texts(records: Sequence[bytes], numbers: Sequence[int]) -> RichTexts:
    """The texts and the authors of the records with these numbers.

    Raises Damaged for one that is no XML.
    """
    found = RichTexts()
    for number in numbers:
        for element in _parse(records[number], READERS):
            if element.tag in READERS:  # the slice of an empty one goes on to the next of its name
                READERS[element.tag](found, number, element)
    return found


def read_other_abstracts(
    records: Sequence[bytes], numbers: Iterable[int]
) -> list[tuple[int, str, str, str]]:
    """(number of the record, language, type, text) of other abstracts that are not empty.

    Raises Damaged for a record that is no XML.
    """
    return [
        (number, element.get("Language", ""), element.get("Type", ""), text)
        for number in numbers
        for element in _parse(records[number], [OTHER_ABSTRACT])
        if element.tag == OTHER_ABSTRACT and (text := _join_lines(element))
    ]


def _parse(record: bytes, tags: Iterable[str]) -> Element:
    """The elements of these names within one that holds them all."""
    pieces = [piece for tag in tags for piece in _slices(record, tag.encode())]
    try:
        return etree.fromstring(b"<x %b>%b</x>" % (MATHML, b"".join(pieces)), _parser())
    except etree.XMLSyntaxError as error:
        deep = "depth" in str(error)
        raise Damaged("too-deep" if deep else "broken-xml", str(error)) from None


@cache
def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


def _slices(record: bytes, tag: bytes) -> Iterator[bytes]:
    """Every element of a name, which does not nest."""
    begin, close = record.find(b"<" + tag), b"</" + tag + b">"
    while begin >= 0:
        end = record.find(close, begin)
        follows = record[begin + len(tag) + 1 : begin + len(tag) + 2]
        if follows in (b">", b" ", b"\n", b"\t") and end >= 0:
            yield record[begin : end + len(close)]
            begin = record.find(b"<" + tag, end)
        else:
            begin = record.find(b"<" + tag, begin + 1)


def _read_title(found: RichTexts, number: int, element: Element) -> None:
    found.titles.append((number, plain_text(element)))


def _read_vernacular(found: RichTexts, number: int, element: Element) -> None:
    found.vernacular_titles.append((number, plain_text(element)))


def _read_abstract(found: RichTexts, number: int, element: Element) -> None:
    for part in element.iterfind("AbstractText"):
        found.sections.append((number, part.get("Label", ""), plain_text(part)))
    for part in element.iterfind("CopyrightInformation"):
        found.copyrights.append((number, plain_text(part)))


def _join_lines(abstract: Element) -> str:
    """The sections of an abstract that is not the record's own, a line each."""
    lines = []
    for part in abstract.iterfind("AbstractText"):
        label, text = part.get("Label", "").strip(), plain_text(part)
        if text:
            lines.append(text if label.upper() in NO_LABEL else f"{label}: {text}")
    return "\n".join(lines)


def _read_authors(found: RichTexts, number: int, element: Element) -> None:
    """Persons by their names, groups by theirs."""
    for author in element.iterfind("Author"):
        parts = (plain_text(author.find(name)) for name in ("ForeName", "LastName", "Suffix"))
        name = squeeze(" ".join(parts)) or plain_text(author.find("CollectiveName"))
        if name:
            found.authors.append((number, name))


READERS: dict[str, Callable[[RichTexts, int, Element], None]] = {
    "ArticleTitle": _read_title,
    "VernacularTitle": _read_vernacular,
    "Abstract": _read_abstract,
    "AuthorList": _read_authors,
}
