"""PubMed citation files, as NLM publishes them: ``.xml`` or ``.xml.gz``, baseline or updates.

Both roots are read: ``MedlineCitationSet`` (until 2016) with bare citations, and
``PubmedArticleSet`` (since 2017) with wrapped ones. A file is streamed: memory does not grow
with it. External DTDs are never fetched, entities never resolved.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lxml import etree

from components.errors import UserError
from components.pubmed.citation import Citation, parse_citation, read_pmid
from components.pubmed.markup import Element, local_name
from components.records import Reject

CHUNK_BYTES = 1 << 16
GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
TAGS = ("PubmedArticle", "MedlineCitation", "PubmedBookArticle", "DeleteCitation")
ROOTS = frozenset({"PubmedArticleSet", "MedlineCitationSet"})
MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")


@dataclass(frozen=True, slots=True)
class Deletion:
    """A PMID and version that NLM withdrew; it holds for files up to the one that names it."""

    pmid: str
    version: int
    origin: str


class Damaged(Exception):  # noqa: N818
    """The file ends early or breaks down from here on: a short reason, and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read_citations(path: Path, name: str = "") -> Iterator[Citation | Deletion | Reject]:
    """Yield what a citation file holds, in file order; ``name`` stands for it in origins.

    A file that breaks off or breaks down part-way gives everything that is whole before that
    point and then one Reject (``truncated`` or ``broken-xml``) that names the file, so that the
    loss is counted. Raises UserError for a file that gives nothing, that is no PubMed XML, or
    that differs from the checksum in ``<file>.md5`` beside it: fetch that one again.
    """
    name = name or path.name
    _check_md5(path)
    num_found = 0
    try:
        for element in _read_elements(path):
            for item in _read_element(element, name):
                num_found += 1
                yield item
    except Damaged as damage:
        if not num_found:
            raise _unreadable(path, damage.detail) from None
        yield Reject(name, damage.reason, damage.detail)


def _read_elements(path: Path) -> Iterator[Element]:
    """Each finished element of TAGS; raises Damaged after the last whole one."""
    parser = etree.XMLPullParser(
        events=("end",),
        tag=TAGS,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    for chunk in _read_chunks(path):
        try:
            parser.feed(chunk)
        except etree.XMLSyntaxError as error:
            yield from _finished(parser)
            raise Damaged("broken-xml", str(error)[:200]) from None
        yield from _finished(parser)
    try:
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise Damaged("truncated", str(error)[:200]) from None
    if local_name(root) not in ROOTS:
        raise _unreadable(path, f"its root is <{local_name(root)}>, not PubMed citations")


def _finished(parser: etree.XMLPullParser) -> Iterator[Element]:
    for _, element in parser.read_events():
        yield cast(Element, element)


def _read_element(element: Element, name: str) -> Iterator[Citation | Deletion | Reject]:
    """What one finished element gives; it is emptied, with everything before it."""
    parent = element.getparent()
    kind = local_name(element)
    if kind == "MedlineCitation" and parent is not None and local_name(parent) == "PubmedArticle":
        return  # its wrapper, which also carries the identifiers, comes next
    if kind == "DeleteCitation":
        for pmid, version in map(read_pmid, element.iterchildren("PMID")):
            yield Deletion(pmid, version, f"{name}#DeleteCitation")
    elif kind == "PubmedBookArticle":
        pmid, version = read_pmid(element.find(".//PMID"))
        yield Reject(f"{name}#{pmid}.{version}", "book", "a book chapter, not a citation")
    else:
        yield parse_citation(element, name)
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _read_chunks(path: Path) -> Iterator[bytes]:
    """Plain bytes of a file, decompressed where it is gzip; raises Damaged after the last."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_gzip:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
            return
        member = None
        while raw := file.read(CHUNK_BYTES):
            while raw:
                member = member or zlib.decompressobj(GZIP_WINDOW)
                try:
                    yield member.decompress(raw)
                except zlib.error as error:
                    raise Damaged("truncated", f"damaged gzip stream: {error}") from None
                raw = member.unused_data.lstrip(b"\0")
                member = None if member.eof else member
        if member is not None:
            yield member.flush()
            raise Damaged("truncated", "the gzip stream ends before its end mark")


def _check_md5(path: Path) -> None:
    beside = path.with_name(path.name + ".md5")
    if not beside.is_file():
        return
    stated = MD5.search(beside.read_text(errors="replace"))
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if stated is None or stated.group().lower() != found:
        says = stated.group().lower() if stated else "no checksum"
        raise _unreadable(path, f"its md5 is {found}, but {beside.name} says {says}")


def _unreadable(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} cannot be read as PubMed citations",
        why=why,
        next_command="fetch the file and its .md5 again (data/cards/pubmed.yaml says where)",
    )
