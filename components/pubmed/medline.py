"""PubMed citation files, as NLM publishes them: ``.xml`` or ``.xml.gz``, baseline or updates.

Both roots are read: ``MedlineCitationSet`` (until 2016) with bare citations, and
``PubmedArticleSet`` (since 2017) with wrapped ones. A file is streamed: memory does not grow
with it. External DTDs are never fetched, and a file with entities of its own is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.pubmed.citation import Citation, parse_citation, read_pmid
from components.pubmed.cutting import cut_records, split_records
from components.pubmed.inflate import Damaged, read_chunks
from components.pubmed.nodes import Node, children, each, parse_records
from components.records import Reject

MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")
PMID = re.compile(rb"<PMID[^>]*>\s*([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Deletion:
    """A PMID and version that NLM withdrew; it holds for files up to the one that names it."""

    pmid: str
    version: int
    origin: str


def read_citations(path: Path, name: str = "") -> Iterator[Citation | Deletion | Reject]:
    """Yield what a citation file holds, in file order; ``name`` stands for it in origins.

    A broken record gives a Reject that names it, and the rest is read. A file that breaks off
    gives everything that is whole before that point and then one Reject (``truncated``) that names
    the file, so that the loss is counted. Raises UserError for a file that gives nothing, that is
    no PubMed XML, or that differs from the checksum in ``<file>.md5`` beside it: fetch that one
    again.
    """
    name = name or path.name
    _check_md5(path)
    num_found = 0
    try:
        for part in cut_records(read_chunks(path)):
            for item in _read_part(part, name):
                num_found += 1
                yield item
    except Damaged as damage:
        if not num_found:
            raise _unreadable(path, damage.detail) from None
        yield Reject(name, damage.reason, damage.detail)


def _read_part(part: bytes, name: str) -> Iterator[Citation | Deletion | Reject]:
    """What whole records give; one that is broken gives a Reject, the others what they hold."""
    try:
        document = parse_records(part)  # keeps its nodes alive
        yield from [item for node in children(document) for item in _read_node(node, name)]
    except (Damaged, UnicodeDecodeError) as error:
        records = split_records(part)
        if len(records) > 1:
            for record in records:
                yield from _read_part(record, name)
            return
        found = PMID.search(part)
        origin = f"{name}#{found.group(1).decode() if found else 'unknown'}"
        if isinstance(error, UnicodeDecodeError):
            error = Damaged("broken-encoding", f"not UTF-8: {error.reason}")
        yield Reject(origin, error.reason, error.detail)


def _read_node(node: Node, name: str) -> Iterator[Citation | Deletion | Reject]:
    kind = node.name()
    if kind in ("PubmedArticle", "MedlineCitation"):
        yield parse_citation(node, name)
    elif kind == "DeleteCitation":
        for pmid, version in map(read_pmid, each(node, "PMID")):
            yield Deletion(pmid, version, f"{name}#DeleteCitation")
    elif kind == "PubmedBookArticle":
        pmid, version = read_pmid(node.first_element_by_path("BookDocument/PMID"))
        yield Reject(f"{name}#{pmid}.{version}", "book", "a book chapter, not a citation")


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
