"""PMC articles: JATS XML and its NLM predecessors, one article a file, its figures beside it.

Two layouts are read alike: an ``.nxml`` with its figures in one folder, and the bucket's prefix
per article version (``PMC123.2/PMC123.2.xml`` with a metadata ``.json`` beside it or under
``metadata/``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from components.lineage import hash_file
from components.pubmed.citation import RETRACTED_TITLE
from components.pubmed.figures import XLINK, read_figures
from components.pubmed.licences import find_licence
from components.pubmed.markup import Element, plain_text
from components.pubmed.prose import read_blocks
from components.records import Article, Figure, Reject

VERSIONED = re.compile(r"PMC(\d+)\.(\d{1,9})")
YEAR = re.compile(r"[0-9]{4}")
RETRACTION_TYPES = frozenset({"retraction", "partial-retraction"})
RETRACTED_RELATIONS = frozenset({"retracted-article", "retraction-forward"})
CONCERN_RELATIONS = frozenset({"object-of-concern", "expression-of-concern"})
LANGUAGES = {
    "de": "ger", "en": "eng", "es": "spa", "fr": "fre", "it": "ita", "ja": "jpn", "ko": "kor",
    "pl": "pol", "pt": "por", "ru": "rus", "zh": "chi",
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


def read_article(path: Path, root: Path) -> FullText | Reject:
    """The article in a file; a Reject where it is no article XML or its metadata is broken.

    Its text is the abstract and the body in reading order, a line per paragraph or heading:
    reference lists, tables, citation marks and figures left out, formulae as text. Metadata wins
    over the XML on version, licence and retraction.
    """
    name = path.relative_to(root).as_posix()
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        article = _find_article(etree.parse(str(path), parser).getroot())
        metadata = _read_metadata(path, root)
    except etree.XMLSyntaxError as error:
        return Reject(name, "broken-xml", str(error)[:200])
    except (ValueError, RecursionError) as error:
        return Reject(name, "broken-metadata", str(error)[:200])
    if article is None:
        return Reject(name, "not-an-article", "no JATS article element")
    front = article.find("front/article-meta")
    if front is None:
        return Reject(name, "not-an-article", "no article-meta")
    return _read_parts(path, root, article, front, metadata)


def _find_article(top: Element) -> Element | None:
    return top if top.tag == "article" else top.find(".//article")


def _read_parts(
    path: Path, root: Path, article: Element, front: Element, metadata: dict[str, Any]
) -> FullText:
    name = path.relative_to(root).as_posix()
    pmcid, version = _identify(path, front, metadata)
    parts = [node for node in front.iterfind("abstract") if _is_main(node)]
    blocks = [block for part in (*parts, article.find("body")) for block in read_blocks(part)]
    relations = [
        (node.get("related-article-type") or "", _link(node))
        for node in front.iterfind(".//related-article")
    ]
    is_notice = article.get("article-type") in RETRACTION_TYPES
    title = plain_text(front.find("title-group/article-title"))
    key = f"{pmcid}.{version}" if pmcid else name
    record = Article(
        pmid=_read_id(front, "pmid") or str(metadata.get("pmid") or ""),
        pmcid=pmcid,
        version=version,
        kind="fulltext",
        title=title,
        text="\n".join(block.text for block in blocks),
        sections=[block.text for block in blocks if block.is_heading],
        journal=_read_journal(article),
        year=_read_year(front),
        language=_read_language(article),
        mesh=[],
        publication_types=[article.get("article-type") or ""],
        doi=_read_id(front, "doi") or str(metadata.get("doi") or ""),
        licence=str(metadata.get("license_code") or "") or find_licence(front),
        retracted=metadata.get("is_retracted") is True
        or (not is_notice and RETRACTED_TITLE.match(title) is not None),
        concern=not is_notice and any(kind in CONCERN_RELATIONS for kind, _ in relations),
        origin=f"{name}#{key}",
        origin_sha256=hash_file(path),
    )
    return FullText(
        article=record,
        figures=read_figures(article, record, [b for b in blocks if not b.is_heading]),
        folder=path.parent,
        is_notice=is_notice,
        retracts=[o for kind, o in relations if is_notice and kind in RETRACTED_RELATIONS and o],
    )


def _is_main(abstract: Element) -> bool:
    """Whether an abstract is the abstract, and not a picture or a summary for other readers."""
    return abstract.get("abstract-type") in (None, "structured")


def _identify(path: Path, front: Element, metadata: dict[str, Any]) -> tuple[str, int]:
    """PMCID ("PMC123", or "" where there is none) and version, wherever they are stated."""
    stated = " ".join((_read_id(front, "pmcid-ver"), path.stem, path.parent.name))
    found = VERSIONED.search(stated)
    number = str(metadata.get("pmcid") or "") or _read_id(front, "pmcid") or _read_id(front, "pmc")
    digits = re.search(r"\d+", number) or (re.search(r"\d+", found.group(1)) if found else None)
    version = metadata.get("version")
    if isinstance(version, bool) or not isinstance(version, int):
        version = int(found.group(2)) if found else 1
    return (f"PMC{digits.group()}" if digits else ""), version


def _read_metadata(path: Path, root: Path) -> dict[str, Any]:
    """The metadata JSON of an article, {} where there is none; ValueError where it is broken."""
    candidates = (path.with_suffix(".json"), root / "metadata" / f"{path.stem}.json")
    for candidate in candidates:
        if candidate.is_file():
            values = json.loads(candidate.read_bytes())
            if not isinstance(values, dict):
                raise ValueError(f"{candidate.name} is not a JSON object")
            _check_metadata(values)
            return values
    return {}


def _check_metadata(values: dict[str, Any]) -> None:
    """ValueError for what no column can hold: half a character, or a version beyond 32 bits."""
    json.dumps(values, ensure_ascii=False).encode()
    version = values.get("version")
    if isinstance(version, int) and not 0 <= version < 2**31:
        raise ValueError(f"version is {version}")


def _read_id(front: Element, kind: str) -> str:
    return plain_text(front.find(f"article-id[@pub-id-type='{kind}']"))


def _link(related: Element) -> str:
    """What a related-article points to: a DOI, a PMID or a PMCID."""
    return (related.get(XLINK) or "").strip().removeprefix("https://doi.org/")


def _read_journal(article: Element) -> str:
    meta = article.find("front/journal-meta")
    places = ("journal-title-group/journal-title", "journal-title", "journal-id")
    return next((t for p in places if meta is not None and (t := plain_text(meta.find(p)))), "")


def _read_year(front: Element) -> int:
    """The earliest year among the publication dates."""
    years = (plain_text(node) for node in front.iterfind("pub-date/year"))
    return min((int(year) for year in years if YEAR.fullmatch(year)), default=0)


def _read_language(article: Element) -> str:
    """The language as PubMed writes it; English where the article does not say, JATS's default."""
    code = (article.get("{http://www.w3.org/XML/1998/namespace}lang") or "en").lower()[:2]
    return LANGUAGES.get(code, code)
