"""PubMed citation files, as NLM publishes them: ``.xml`` or ``.xml.gz``, baseline or updates.

Both roots are read: ``MedlineCitationSet`` (until 2016) with bare citations, and
``PubmedArticleSet`` (since 2017) with wrapped ones. A file is streamed: memory does not grow
with it. External DTDs are never fetched, and a file with entities of its own is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path

import polars as pl
from lxml import etree

from components.errors import UserError
from components.lineage import hash_file
from components.pubmed.citation import NUMBER, parse_citations
from components.pubmed.cutting import MAX_RECORD_BYTES, Part, cut_records
from components.pubmed.inflate import Damaged, read_chunks
from components.pubmed.licences import CITATION_LICENCE
from components.pubmed.markup import Element
from components.pubmed.raw_files import explain_unread
from components.pubmed.shards import complete
from components.pubmed.weight import MAX_WEIGHT, weigh
from components.records import Reject

MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")
START = re.compile(
    rb"(?:<PubmedArticle(?:\s[^<>]*)?>\s*)?<MedlineCitation[\s>]|<PubmedArticle[\s>]"
)
LONG_BYTES = 1 << 18
LONGEST_PMID = 20  # that an origin takes; PMIDs have eight digits
PMID = re.compile(rb"<PMID[^>]*>\s*([0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Deletion:
    """A PMID and version that NLM withdrew; it holds for files up to the one that names it."""

    pmid: str
    version: int


@dataclass
class Batch:
    """Some megabytes of a file: citations (columns ARTICLES of shards), and what is none."""

    citations: list[pl.DataFrame] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        """How many records were read; a deletion is none."""
        return sum(map(len, self.citations)) + len(self.rejects)


def read_citations(path: Path, name: str = "", sha256: str = "") -> Iterator[Batch]:
    """Yield what a citation file holds, in file order; ``name`` stands for it in origins,
    and ``sha256`` is taken for its hash where it is known.

    A broken record gives a Reject that names it, and the rest is read. A file that breaks off
    gives everything that is whole before that point and then one Reject (``truncated``) that names
    the file, so that the loss is counted. Raises UserError for a file that gives nothing, that is
    no PubMed XML, or that differs from the checksum in ``<file>.md5`` beside it: fetch that one
    again.
    """
    name = name or path.name
    if not path.is_file():
        raise _unreadable(path, explain_unread(path))
    _check_md5(path)
    sha256, num_found = sha256 or hash_file(path), 0
    try:
        for part in cut_records(read_chunks(path)):
            for batch in _read_part(part, name, sha256):
                num_found += len(batch) + len(batch.deletions)
                yield batch
            del part  # or it would be there beside the next
    except Damaged as damage:
        if not num_found:
            raise _unreadable(path, damage.detail) from None
        yield Batch(rejects=[Reject(name, damage.reason, damage.detail)])


def _read_part(part: Part, name: str, sha256: str) -> Iterator[Batch]:
    for records in _by_length(part.articles):
        batch = Batch()
        for found in _parse(records, name):
            if isinstance(found, Reject):
                batch.rejects.append(found)
                continue
            is_whole = pl.col("pmid").is_not_null() & pl.col("has_article").is_not_null()
            for pmid, stated in found.filter(~is_whole).select("pmid", "stated").iter_rows():
                batch.rejects.append(_reject_part(name, pmid, stated))
            batch.citations.append(_as_readings(found.filter(is_whole), name, sha256))
        yield batch
    batch = Batch()
    for record in part.others:
        _read_other(record, name, batch)
    for beginning in part.too_large:
        detail = f"a record of more than {MAX_RECORD_BYTES >> 20} MiB"
        batch.rejects.append(Reject(_origin(beginning, name), "too-large", detail))
    yield batch


def _by_length(records: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Records that are read together, in order: a long one, which is mostly text, by itself.

    What it takes to read text is some twenty times as much.
    """
    for is_long, run in groupby(records, lambda record: len(record) > LONG_BYTES):
        together = list(run)
        yield from ([record] for record in together) if is_long else [together]


def _reject_part(name: str, pmid: str | None, stated: str | None) -> Reject:
    """For a record without a PMID or an Article."""
    if pmid or not stated:
        detail = f"PMID {pmid} has no Article" if pmid else "no PMID"
        return Reject(f"{name}#{pmid or 'unknown'}", "broken-citation", detail)
    place = stated[:LONGEST_PMID] if stated.isascii() and stated.isdigit() else "unknown"
    detail = f"PMID {stated[:50]!r} is no number of up to nine digits"
    return Reject(f"{name}#{place}", "broken-citation", detail)


def _parse(records: Sequence[bytes], name: str) -> Iterator[pl.DataFrame | Reject]:
    """Columns of the records; one that is broken is found by halves, and gives a Reject."""
    if len(records) == 1 and len(records[0]) > LONG_BYTES and weigh(records[0]) > MAX_WEIGHT:
        detail = f"a record that takes more than {MAX_WEIGHT >> 20} MiB of memory, about"
        yield Reject(_origin(records[0], name), "too-large", detail)
        return
    try:
        yield parse_citations(records)
    except Damaged as damage:
        half = len(records) // 2
        if half:
            yield from _parse(records[:half], name)
            yield from _parse(records[half:], name)
        else:
            pieces = _lone_records(records[0])
            if pieces != list(records):
                yield from _parse_each(pieces, name)
            else:
                yield Reject(_origin(records[0], name), damage.reason, damage.detail)


def _parse_each(pieces: Sequence[bytes], name: str) -> Iterator[pl.DataFrame | Reject]:
    for piece in pieces:
        yield from _parse([piece], name)


def _lone_records(record: bytes) -> list[bytes]:
    """As many records as begin in a broken one, each up to its end if it has one.

    What is foreign between two, or a missing end, leaves them together.
    """
    starts = [found.start() for found in START.finditer(record)] or [0]
    return [_up_to_end(record[a:b]) for a, b in pairwise([*starts, len(record)])]


def _up_to_end(piece: bytes) -> bytes:
    """A record without what follows it; a bare citation is wrapped, as those of 2016 are."""
    is_bare = piece.startswith(b"<MedlineCitation")
    close = b"</MedlineCitation>" if is_bare else b"</PubmedArticle>"
    last = piece.rfind(close)
    whole = piece if last < 0 else piece[: last + len(close)]
    return b"<PubmedArticle>%b</PubmedArticle>" % whole if is_bare else whole


def _origin(record: bytes, name: str) -> str:
    """What names a broken record: its PMID, where it has one."""
    found = PMID.search(record)
    return f"{name}#{found.group(1).decode() if found else 'unknown'}"


def _as_readings(citations: pl.DataFrame, name: str, sha256: str) -> pl.DataFrame:
    return complete(
        citations.with_columns(
            kind=pl.lit("abstract"),
            title=pl.coalesce("title", "vernacular_title"),
            language=pl.col("languages").list.join(","),
            licence=pl.col("copyright").fill_null(CITATION_LICENCE),
            origin=pl.concat_str(pl.lit(f"{name}#"), "pmid", pl.lit("."), "version"),
            origin_sha256=pl.lit(sha256),
        )
    )


def _read_other(record: bytes, name: str, batch: Batch) -> None:
    """Books are no citations; a list of deletions is none either."""
    try:
        element = etree.fromstring(record, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        batch.rejects.append(Reject(f"{name}#unknown", "broken-xml", str(error)))
        return
    if element.tag != "DeleteCitation":
        pmid, version = _read_pmid(element.find(".//PMID"))
        origin = f"{name}#{pmid}.{version}" if pmid else f"{name}#unknown"
        batch.rejects.append(Reject(origin, "book", "a book chapter, not a citation"))
        return
    for node in element.iterfind("PMID"):
        pmid, version = _read_pmid(node)
        if pmid:
            batch.deletions.append(Deletion(pmid, version))
        else:
            detail = f"PMID {(node.text or '')[:50]!r}"
            batch.rejects.append(Reject(f"{name}#DeleteCitation", "broken-deletion", detail))


def _read_pmid(node: Element | None) -> tuple[str, int]:
    """PMID and version, 1 where none is stated; "" for what is no PMID."""
    pmid = "" if node is None else (node.text or "").strip()
    version = "1" if node is None else node.get("Version", "1")
    is_version = re.match(NUMBER, version) is not None
    return pmid if re.match(NUMBER, pmid) else "", int(version) if is_version else 1


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
