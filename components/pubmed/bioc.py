"""BioC JSON: articles as NLM's text-mining services give them, passage by passage.

Two forms are read: full text of BioC-PMC (a collection, or a list of them, whose passages carry
``section_type`` and ``type``; Comeau and others, Bioinformatics 2019, btz070), and PubTator's
documents of title and abstract, alone, in a list, or one a line. Annotations are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from components.lineage import hash_file
from components.pubmed.citation import RETRACTED_TITLE
from components.pubmed.figures import figure_licence
from components.pubmed.json_files import read_values
from components.pubmed.licences import CITATION_LICENCE, UNKNOWN, find_licence
from components.pubmed.markup import squeeze
from components.pubmed.mentions import name_figure
from components.pubmed.passages import (
    Broken,
    Passage,
    as_texts,
    check_passages,
    find_documents,
    keepable,
)
from components.pubmed.pmc import VERSIONED, FullText
from components.pubmed.prose import Block, MentionIndex
from components.records import Article, Figure, Reject

DEEPEST = 9  # level of a heading
# What is no running text of the article: its references, and statements around it.
LEFT_OUT = frozenset({
    "ABBR", "ACK_FUND", "AUTH_CONT", "COMP_INT", "KEYWORD", "REF", "REVIEW_INFO", "SUPPL",
})  # fmt: skip
NOTES = re.compile(r".*foot.*|ref|keyword|table")  # types of passages that are left out as well
HEADING = re.compile(r"(?:[a-z]+_)?title(?:_(\d))?")
NUMBER_IN_ID = re.compile(
    r"(?:^|[^a-z])(?:f|fig|figure|g)[-_.]?0*(\d{1,3})(?:$|-[a-z])", re.IGNORECASE
)
CITED = re.compile(r"\s*\[(\d{1,4}(?:\s*[,;\u2013\u2014-]\s*\d{1,4})*)\]")
NOTICE = re.compile(r"\W*retraction(?: note| notice)?\s*(?:[:.]|of\b|to\b)", re.IGNORECASE)
SHORT_LICENCE = re.compile(r"CC[ -]?(BY(?:[ -](?:NC|ND|SA))*|0)(?: (\d\.\d))?", re.IGNORECASE)
YEAR = re.compile(r"\b[12]\d{3}\b")
XML_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
IDENTIFIER = re.compile(r"(?:PMC)?([0-9]{1,9})(?:\.[0-9]+)?", re.IGNORECASE)


@dataclass
class Line:
    """A line of the text to be: a heading, a paragraph, or all that one caption says."""

    passage: Passage
    kind: str
    parts: list[str] = field(default_factory=list)

    @property
    def level(self) -> int:
        """Of a heading: 1 for a section, 2 for one within it."""
        found = HEADING.fullmatch(self.passage.kind)
        return int(found.group(1) or 1) if found else 1

    def block(self) -> Block:
        """The line as the JATS reader gives it."""
        text = " ".join(self.parts)
        return Block(text, text, self.kind)


def read_collection(path: Path, root: Path) -> Iterator[FullText | Reject]:
    """The documents of a BioC JSON file, in order; one Reject at least.

    Of each the title, the text (a line per heading, paragraph and caption, as of JATS) and the
    figures; ``kind`` is ``fulltext`` where there is more than an abstract. BioC states neither
    version nor language: they are 1, unless a name says ``PMC123.2``, and English. A document with
    a field missing or passages that overlap is a Reject that names file and document; so is a file
    too large to be read at once, unless it has a document a line.
    """
    name = path.relative_to(root).as_posix()
    digest = hash_file(path)
    num_found = 0
    for place, value in read_values(path, name):
        for document in [value] if isinstance(value, Reject) else find_documents(value):
            num_found += 1
            if isinstance(document, Reject):
                yield document
            else:
                origin = f"{place}#{_name(document, num_found)}"
                yield _read_document(document, path, origin, digest)
    if not num_found:
        yield Reject(name, "not-bioc", "no documents with passages")


def _name(document: Any, number: int) -> str:
    stated = document.get("id") if isinstance(document, dict) else None
    if isinstance(stated, str | int) and stated:
        return str(stated)[:80].replace("#", "-")
    return f"document-{number}"


def _read_document(document: Any, path: Path, origin: str, digest: str) -> FullText | Reject:
    try:
        return _build(document, check_passages(document), path, origin, digest)
    except Broken as broken:
        return Reject(keepable(origin), broken.reason, keepable(broken.detail[:200]))


def _build(
    document: dict[str, Any], passages: list[Passage], path: Path, origin: str, digest: str
) -> FullText:
    infons = _gather_infons(document, passages)
    pmid, pmcid = _identify(document, infons)
    lines = _drop_empty(_read_lines(passages))
    is_whole = any(not _in_abstract(line.passage) for line in lines)
    blocks = [line.block() for line in lines]
    title = squeeze(passages[0].text) if passages and _is_title(passages[0]) else ""
    found = VERSIONED.search(f"{document.get('id')} {path.stem}")
    version = int(found.group(2)) if found else 1
    key = pmcid if pmcid and (is_whole or not pmid) else pmid
    is_notice = NOTICE.match(title) is not None
    record = Article(
        pmid=pmid,
        pmcid=pmcid,
        version=version,
        kind="fulltext" if is_whole else "abstract",
        title=title,
        text="\n".join(block.text for block in blocks),
        sections=[block.text for block in blocks if block.kind == "heading"],
        journal=infons.get("journal-title") or infons.get("journal", ""),
        year=_read_year(infons),
        language="eng",
        mesh=[],
        publication_types=[],
        doi=infons.get("article-id_doi") or infons.get("doi", ""),
        licence=_name_licence(infons.get("license", ""), UNKNOWN if is_whole else CITATION_LICENCE),
        retracted=not is_notice and re.match(RETRACTED_TITLE, title) is not None,
        concern=False,
        origin=f"{origin.rpartition('#')[0]}#{key}.{version}",
        origin_sha256=digest,
    )
    figures = _read_figures(lines, record, MentionIndex(blocks))
    return FullText(record, figures, path.parent, is_notice)


def _gather_infons(document: dict[str, Any], passages: list[Passage]) -> dict[str, str]:
    """What is said of the document: by its fields, its infons, its first passage; the last wins."""
    fields = {"pmid": "pmid", "pmcid": "pmcid", "journal": "journal-title", "date": "date"}
    stated = as_texts({name: document.get(key) for key, name in fields.items()})
    own = document.get("infons")
    front = passages[0].infons if passages else {}
    return {**stated, **(as_texts(own) if isinstance(own, dict) else {}), **front}


def _identify(document: dict[str, Any], infons: dict[str, str]) -> tuple[str, str]:
    """PMID and PMCID, "" for one that is not stated; Broken where neither is."""
    name = str(document.get("id") or "")
    pmid = _digits(infons.get("article-id_pmid") or infons.get("pmid", ""))
    pmcid = _digits(infons.get("article-id_pmc") or infons.get("pmcid", ""))
    if name.upper().startswith("PMC"):
        pmcid = pmcid or _digits(name)
    else:
        pmid = pmid or _digits(name)
    if not pmid and not pmcid:
        raise Broken("no-identifier", f"neither a PMID nor a PMCID; its id is {name[:80]!r}")
    return pmid, f"PMC{pmcid}" if pmcid else ""


def _digits(stated: str) -> str:
    found = IDENTIFIER.fullmatch(stated)
    return found.group(1) if found else ""


def _read_year(infons: dict[str, str]) -> int:
    stated = (infons.get(key, "") for key in ("year", "date", "journal"))
    return next((int(found.group()) for text in stated if (found := YEAR.search(text))), 0)


def _name_licence(stated: str, default: str) -> str:
    """A short name of a licence, or what an article's words and addresses say."""
    if not stated:
        return default
    short = SHORT_LICENCE.fullmatch(stated)
    if short:
        name = "CC0" if short.group(1) == "0" else f"CC {short.group(1).upper().replace(' ', '-')}"
        return f"{name} {short.group(2)}" if short.group(2) else name
    meta = etree.Element("article-meta")
    etree.SubElement(meta, "license").text = XML_ILLEGAL.sub("", stated)
    return find_licence(meta)


def _is_title(passage: Passage) -> bool:
    no_section = not passage.section
    return passage.section == "TITLE" or (no_section and passage.kind in ("front", "title"))


def _in_abstract(passage: Passage) -> bool:
    return passage.section == "ABSTRACT" or passage.kind.startswith("abstract")


def _read_lines(passages: list[Passage]) -> list[Line]:
    """Headings, paragraphs and captions in order; a caption's passages make one line."""
    num_references = sum(passage.section == "REF" for passage in passages)
    lines: list[Line] = []
    captions: dict[tuple[str, ...], Line] = {}
    for number, passage in enumerate(passages):
        text = _drop_citations(squeeze(passage.text), num_references)
        if not text or _is_left_out(passage, is_first=number == 0):
            continue
        kind = _line_kind(passage)
        line = Line(passage, kind)
        if kind == "caption":
            infons = passage.infons
            key = infons.get("id") or infons.get("file") or str(number)
            line = captions.setdefault((passage.section or passage.kind[:3], key), line)
        if not line.parts:
            lines.append(line)
        line.parts.append(text)
    return lines


def _is_left_out(passage: Passage, *, is_first: bool) -> bool:
    if passage.section == "TITLE" or (is_first and _is_title(passage)):
        return True
    return passage.section in LEFT_OUT or NOTES.fullmatch(passage.kind) is not None


def _line_kind(passage: Passage) -> str:
    if passage.section in ("FIG", "TABLE") or passage.kind.startswith(("fig", "table")):
        return "caption"
    return "heading" if HEADING.fullmatch(passage.kind) else "text"


def _drop_citations(text: str, num_references: int) -> str:
    """Text without the numbers in brackets that can be those of its references."""

    def drop(found: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", found.group(1))]
        return "" if all(1 <= number <= num_references for number in numbers) else found.group()

    return CITED.sub(drop, text)


def _drop_empty(lines: list[Line]) -> list[Line]:
    """The lines without headings that nothing stands under."""
    kept: list[Line] = []
    deepest = 0  # level that a heading may have to stand over what was kept last, going backwards
    for line in reversed(lines):
        if line.kind != "heading":
            deepest = DEEPEST
        elif line.level <= deepest:
            deepest = line.level - 1
        else:
            continue
        kept.append(line)
    return kept[::-1]


def _read_figures(lines: list[Line], record: Article, mentions: MentionIndex) -> list[Figure]:
    """The figures whose captions are there; BioC names their files and says no labels."""
    key = record.origin.partition("#")[2]
    captions = [line for line in lines if line.kind == "caption" and _is_figure(line.passage)]
    found = []
    for number, line in enumerate(captions, start=1):
        infons, caption = line.passage.infons, " ".join(line.parts)
        figure_id = infons.get("id") or f"figure-{number}"
        in_id = NUMBER_IN_ID.search(figure_id)
        name = name_figure("", caption) or (f"figure {int(in_id.group(1))}" if in_id else "")
        figure = Figure(
            id=f"{key}/{figure_id}",
            pmcid=record.pmcid,
            label="",
            caption=caption,
            mentions=mentions.find([name] if name else []),
            graphic=infons.get("file") or infons.get("graphic", ""),
            image_id="",
            licence=figure_licence(caption, record.licence),
            modality="",
            origin=f"{record.origin}/{figure_id}",
        )
        found.append(figure)
    return found


def _is_figure(passage: Passage) -> bool:
    return passage.section == "FIG" or passage.kind.startswith("fig")
