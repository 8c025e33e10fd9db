"""PMC articles: JATS XML and its NLM predecessors, their figures beside them.

Two layouts are read alike: an ``.nxml`` with its figures in one folder, and the bucket's prefix
per article version (``PMC123.2/PMC123.2.xml`` with a metadata ``.json`` beside it or under
``metadata/``). A file, packed or not, is one article or a set of them (an answer of efetch).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from components.lineage import hash_file
from components.pubmed.article_sets import (
    Cut,
    NoArticleError,
    cut_articles,
)
from components.pubmed.citation import RETRACTED_TITLE
from components.pubmed.figures import XLINK, read_figures
from components.pubmed.inflate import Damaged
from components.pubmed.licences import find_licence
from components.pubmed.markup import Element, plain_text
from components.pubmed.metadata import read_flag, read_metadata
from components.pubmed.prose import Block, MentionIndex, clean_text, read_blocks, read_captions
from components.pubmed.raw_files import stem
from components.pubmed.weight import MAX_WEIGHT
from components.records import Article, Figure, Reject

VERSIONED = re.compile(r"PMC(\d+)\.(\d{1,9})")
YEAR = re.compile(r"[0-9]{4}")
RETRACTION_TYPES = frozenset({"retraction", "partial-retraction"})
# As PMC relates them: a notice points to the "retracted-article", which points back by a
# "retraction-forward"; some publishers give notices this one.
RETRACTED_RELATIONS = frozenset({"retracted-article", "retraction-forward"})
CONCERN_RELATIONS = frozenset({"object-of-concern", "expression-of-concern", "concern-forward"})
DOI_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.|dx\.)?doi\.org/|(?:info:\s*)?doi\s*[:/]\s*", re.IGNORECASE
)
PMC_LINKS = ("pmc", "pmcid")
# Kinds of abstract that are a picture, or say again for other readers what the abstract says.
OTHER_ABSTRACT = re.compile(
    r"graphic|visual|video|image|teaser|toc|summary|synopsis|key|highlight|precis|capsule|editor"
    r"|short|plain|lay|web|ascii|impact|significance|translat",
    re.IGNORECASE,
)
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
LANGUAGES = {
    "ar": "ara", "bg": "bul", "ca": "cat", "cs": "cze", "da": "dan", "de": "ger", "deu": "ger",
    "el": "gre", "en": "eng", "es": "spa", "et": "est", "fa": "per", "fi": "fin", "fr": "fre",
    "fra": "fre", "he": "heb", "hr": "hrv", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn",
    "ko": "kor", "lt": "lit", "lv": "lav", "nl": "dut", "no": "nor", "pl": "pol", "pt": "por",
    "ro": "rum", "ru": "rus", "sk": "slo", "sl": "slv", "sr": "srp", "sv": "swe", "th": "tha",
    "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "chi", "zho": "chi",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FullText:
    """A PMC article with its figures, whose images lie in ``folder``.

    ``retracts`` names, as a notice, the PMIDs and DOIs that it speaks of.
    """

    article: Article
    figures: list[Figure]
    folder: Path
    is_notice: bool
    retracts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Source:
    """The file that an article stands in, as its ``number``-th.

    ``named`` are the names that may state its PMCID, ``metadata`` is what lies beside it; of a
    file of several articles, neither is about one of them.
    """

    name: str
    folder: Path
    sha256: str
    number: int
    named: tuple[str, ...]
    metadata: dict[str, Any]

    def key(self, identifier: str, version: int) -> str:
        """What names the article in its file: an identifier, or else the file and its number."""
        if identifier:
            return f"{identifier}.{version}".replace("#", "-")
        return f"{self.name}-{self.number}" if not self.named else self.name


def read_article(path: Path, root: Path) -> FullText | Reject:
    """The article in a file; a Reject where it is no article XML or its metadata is broken.

    Its text is the abstract, the body and the appendices in reading order, a line per heading,
    paragraph and caption: reference lists, citation marks, tables and notes left out, formulae as
    text. Metadata wins over the XML on version, licence and retraction. A file of several articles
    is a Reject too: ``read_articles`` gives each.
    """
    found = read_articles(path, root)
    first, num_more = next(found), sum(1 for _ in found)
    if not num_more:
        return first
    detail = f"{1 + num_more} articles in one file"
    return Reject(path.relative_to(root).as_posix(), "several-articles", detail)


def read_articles(path: Path, root: Path) -> Iterator[FullText | Reject]:
    """Every article in a file, as ``read_article`` describes it; one Reject at least.

    Each is read as it is met: memory follows an article. One of more than MAX_WEIGHT is a
    Reject, and what follows a break of a set is one.
    """
    name = path.relative_to(root).as_posix()
    digest, number = hash_file(path), 0
    try:
        for cut in cut_articles(path):
            number = cut.number
            yield _read_cut(cut, path, root, digest)
    except etree.XMLSyntaxError as error:
        yield Reject(name, "broken-xml", f"after {number} articles: {error}"[:200])
    except Damaged as damage:
        yield Reject(name, damage.reason, f"after {number} articles: {damage.detail}")
    except NoArticleError as error:
        yield Reject(name, "not-an-article", f"after {number} articles: {error}")
    else:
        if not number:
            yield Reject(name, "not-an-article", "no JATS article element")


def _read_cut(cut: Cut, path: Path, root: Path, digest: str) -> FullText | Reject:
    name = path.relative_to(root).as_posix()
    place = name if cut.is_alone else f"{name}#{cut.number}"
    if cut.element is None:
        detail = f"an article that takes more than {MAX_WEIGHT >> 20} MiB of memory, about"
        return Reject(place, "too-large", detail)
    front = cut.element.find("front/article-meta")
    try:
        metadata = read_metadata(metadata_files(path, root)) if cut.is_alone else {}
    except (ValueError, RecursionError) as error:
        return Reject(name, "broken-metadata", str(error)[:200])
    if front is None:
        return Reject(place, "not-an-article", "no article-meta")
    named = (stem(path), path.parent.name) if cut.is_alone else ()
    source = _Source(name, path.parent, digest, cut.number, named, metadata)
    return _read_parts(source, cut.element, front)


def _read_parts(source: _Source, article: Element, front: Element) -> FullText:
    metadata = source.metadata
    pmcid, version = _identify(source, front)
    pmid = _read_id(front, "pmid") or str(metadata.get("pmid") or "")
    doi = _name_doi(_read_id(front, "doi") or str(metadata.get("doi") or ""))
    body = _read_body(article)
    blocks = [*_read_abstract(article, front), *body]
    relations = [
        (node.get("related-article-type") or "", _link(node))
        for node in article.iterfind("front//related-article")
    ]
    is_notice = article.get("article-type") in RETRACTION_TYPES
    title = clean_text(front.find("title-group/article-title"))
    record = Article(
        pmid=pmid,
        pmcid=pmcid,
        version=version,
        kind="fulltext" if body else "abstract",
        title=title,
        text="\n".join(block.text for block in blocks),
        sections=[block.text for block in blocks if block.kind == "heading"],
        journal=_read_journal(article),
        year=_read_year(front),
        language=_name_language(article.get(LANG)),
        mesh=[],
        publication_types=[article.get("article-type") or ""],
        doi=doi,
        licence=str(metadata.get("license_code") or "") or find_licence(front),
        retracted=read_flag(metadata.get("is_retracted")) is True
        or (not is_notice and _calls_itself_retracted(article, title, relations)),
        concern=not is_notice and any(kind in CONCERN_RELATIONS for kind, _ in relations),
        origin=f"{source.name}#{source.key(pmcid or pmid or doi, version)}",
        origin_sha256=source.sha256,
    )
    return FullText(
        article=record,
        figures=read_figures(article, record, MentionIndex(body)),
        folder=source.folder,
        is_notice=is_notice,
        retracts=[o for kind, o in relations if is_notice and kind in RETRACTED_RELATIONS and o],
    )


def _read_abstract(article: Element, front: Element) -> list[Block]:
    """The abstract in the article's language: no picture, and no summary for other readers."""
    own = _name_language(article.get(LANG))
    return [
        block
        for node in front.iterfind("abstract")
        if not OTHER_ABSTRACT.search(node.get("abstract-type") or "")
        and _name_language(node.get(LANG), own) == own
        for block in read_blocks(node)
    ]


def _read_body(article: Element) -> list[Block]:
    """Body, appendices, and the captions of what floats after them."""
    blocks = read_blocks(article.find("body"))
    for place in ("back/app", "back/app-group"):
        blocks += [block for part in article.iterfind(place) for block in read_blocks(part)]
    for place in ("floats-group", "floats-wrap"):
        blocks += [block for part in article.iterfind(place) for block in read_captions(part)]
    return blocks


def _identify(source: _Source, front: Element) -> tuple[str, int]:
    """PMCID ("PMC123", or "" where there is none) and version, wherever they are stated."""
    metadata = source.metadata
    stated = " ".join((_read_id(front, "pmcid-ver"), *source.named))
    found = VERSIONED.search(stated)
    number = str(metadata.get("pmcid") or "") or _read_id(front, "pmcid") or _read_id(front, "pmc")
    digits = re.search(r"\d+", number) or (re.search(r"\d+", found.group(1)) if found else None)
    version = metadata.get("version")
    if isinstance(version, bool) or not isinstance(version, int):
        version = int(found.group(2)) if found else 1
    return (f"PMC{digits.group()}" if digits else ""), version


def metadata_files(path: Path, root: Path) -> tuple[Path, Path]:
    """Where the metadata of an article may lie; the first that is there counts."""
    name = f"{stem(path)}.json"
    return path.with_name(name), root / "metadata" / name


def _read_id(front: Element, kind: str) -> str:
    return plain_text(front.find(f"article-id[@pub-id-type='{kind}']"))


def _calls_itself_retracted(article: Element, title: str, relations: list[tuple[str, str]]) -> bool:
    """Whether an article that is no notice says by title, type or relation that it is retracted."""
    return (
        re.match(RETRACTED_TITLE, title) is not None
        or article.get("article-type") == "retracted-article"
        or any(kind == "retraction-forward" for kind, _ in relations)
    )


def _link(related: Element) -> str:
    """What a related-article points to: a DOI, a PMID or a PMCID."""
    stated = _name_doi((related.get(XLINK) or "").strip())
    if related.get("ext-link-type") in PMC_LINKS and stated.isdigit():
        return f"PMC{stated}"
    return stated


def _name_doi(stated: str) -> str:
    """A DOI without the address or the scheme that it is often written with; else as it is."""
    found = DOI_ADDRESS.match(stated)
    return unquote(stated[found.end() :]) if found else stated


def _read_journal(article: Element) -> str:
    meta = article.find("front/journal-meta")
    places = ("journal-title-group/journal-title", "journal-title", "journal-id")
    return next((t for p in places if meta is not None and (t := plain_text(meta.find(p)))), "")


def _read_year(front: Element) -> int:
    """The earliest year among the publication dates."""
    years = (plain_text(node) for node in front.iterfind("pub-date/year"))
    return min((int(year) for year in years if YEAR.fullmatch(year)), default=0)


def _name_language(stated: str | None, default: str = "eng") -> str:
    """A language as PubMed writes it; where none is stated English, which is JATS's default."""
    code = (stated or "").lower().replace("_", "-").partition("-")[0]
    return LANGUAGES.get(code, code) or default
