"""One corpus out of citation files and articles: what holds today, and why the rest does not.

Of one PMID (or PMCID) the highest version wins, and of one version its newest file; a deletion
holds for the files before it. What a retraction notice names is retracted, in whatever form it is
there. Everything that is read comes out as a record or as a Reject.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.config import IngestPubmedParams
from components.errors import UserError
from components.lineage import hash_bytes, hash_file
from components.progress import follow
from components.pubmed.bioc import read_collection
from components.pubmed.citation import Citation
from components.pubmed.figures import attach_image
from components.pubmed.licences import CITATION_LICENCE
from components.pubmed.medline import Deletion, read_citations
from components.pubmed.passages import find_collections
from components.pubmed.pmc import FullText, read_articles
from components.records import Article, Figure, ImageRecord, Reject

NUMBERED = re.compile(r"(\d{2})n(\d+)")
# Reasons that are rules about what becomes text, not faults of the record: the stage's limit on
# quarantined records does not count them.
RULES = frozenset({
    "book", "deleted", "duplicate", "language", "no-abstract", "no-caption",
    "no-image", "retracted", "retraction-notice", "superseded", "too-short", "unused-article",
})  # fmt: skip


@dataclass
class Corpus:
    """What ``ingest_pubmed`` writes, what it did not take, and how many records it read."""

    articles: list[Article] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    images: dict[str, ImageRecord] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    num_in: int = 0
    num_deletions: int = 0
    taken: dict[str, str] = field(default_factory=dict)  # sha256 of a text to its origin

    def faults(self) -> list[Reject]:
        """Rejects that are faults of the record, not rules."""
        return [reject for reject in self.rejects if reject.reason not in RULES]

    def counts(self) -> dict[str, int]:
        """For the manifest; in = out + rejects."""
        return {
            "in": self.num_in,
            "out": len(self.articles) + len(self.figures),
            "abstracts": sum(article.kind == "abstract" for article in self.articles),
            "fulltexts": sum(article.kind == "fulltext" for article in self.articles),
            "figures": len(self.figures),
            "images": len(self.images),
            "deletions": self.num_deletions,
        }


@dataclass
class Signals:
    """PMIDs, PMCIDs and DOIs that some record calls retracted, or doubts."""

    retracted: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)

    def mark(self, article: Article) -> Article:
        """The article, retracted or doubted where any of its names is."""
        names = _names(article)
        return replace(
            article,
            retracted=article.retracted or not names.isdisjoint(self.retracted),
            concern=article.concern or not names.isdisjoint(self.doubted),
        )


def build_corpus(pubmed: Path, pmc: Path, params: IngestPubmedParams) -> Corpus:
    """Read every citation file under ``pubmed`` and every article under ``pmc``.

    Articles come in the order of kind and number, figures in that of their articles: the same
    files give the same corpus, in whatever order a folder lists them. Raises UserError when a
    file is unreadable, or neither folder holds one.
    """
    corpus = Corpus()
    citation_files, article_files = find_citation_files(pubmed), find_article_files(pmc)
    if not citation_files and not article_files:
        raise UserError(
            f"no citations under {pubmed} and no articles under {pmc}",
            why="looked for *.xml, *.xml.gz, *.nxml and *.json",
            next_command="dvc repro acquire_sources",
        )
    citations = collect_citations(citation_files, pubmed, corpus)
    fulltexts = collect_fulltexts(article_files, pmc, corpus)
    signals = gather_signals(citations.values(), fulltexts)
    hashes = {path.relative_to(pubmed).as_posix(): hash_file(path) for path in citation_files}
    for citation in sorted(citations.values(), key=lambda c: int(c.pmid)):
        article = citation_article(citation, hashes)
        _judge(signals.mark(article), citation.is_notice, params, corpus)
    for fulltext in sorted(fulltexts, key=lambda f: _number(f.article)):
        article = signals.mark(fulltext.article)
        held = citations.get(article.pmid) if article.kind == "abstract" else None
        if held is not None:  # the same abstract, from the source that keeps it up to date
            corpus.rejects.append(Reject(article.origin, "superseded", f"by {held.origin}"))
            _leave_figures(fulltext, corpus)
        elif _judge(article, fulltext.is_notice, params, corpus):
            _take_figures(fulltext, pmc, corpus, params.max_image_pixels)
        else:
            _leave_figures(fulltext, corpus)
    return corpus


def find_citation_files(root: Path) -> list[Path]:
    """Citation files, oldest first: those without NLM's number, then by year and number.

    A file without a number (an answer of efetch) has no known age: it never overrides one that
    has.
    """
    found = [p for p in root.rglob("*") if p.name.endswith((".xml", ".xml.gz")) and p.is_file()]

    def age(path: Path) -> tuple[int, int, str]:
        number = NUMBERED.search(path.name)
        year, count = (int(number.group(1)), int(number.group(2))) if number else (-1, -1)
        return year, count, path.relative_to(root).as_posix()

    return sorted(found, key=age)


def find_article_files(root: Path) -> list[Path]:
    """Article files, BioC's before JATS, which says more and so wins a tie; sorted by path."""
    jats = sorted(p for p in root.rglob("*") if p.suffix in (".nxml", ".xml") and p.is_file())
    return find_collections(root) + jats


def collect_citations(files: list[Path], root: Path, corpus: Corpus) -> dict[str, Citation]:
    """The citation that holds for each PMID; what is superseded, deleted or broken is rejected."""
    current: dict[tuple[str, int], Citation] = {}
    for path in follow("ingest_pubmed citation files", files):
        for item in read_citations(path, path.relative_to(root).as_posix()):
            if isinstance(item, Deletion):
                corpus.num_deletions += 1
                gone = current.pop((item.pmid, item.version), None)
                if gone is not None:
                    corpus.rejects.append(Reject(gone.origin, "deleted", f"by {item.origin}"))
                continue
            corpus.num_in += 1
            if isinstance(item, Reject):
                corpus.rejects.append(item)
                continue
            older = current.get((item.pmid, item.version))
            if older is not None:
                corpus.rejects.append(Reject(older.origin, "superseded", f"by {item.origin}"))
            current[item.pmid, item.version] = item
    newest: dict[str, Citation] = {}
    for (pmid, _), citation in sorted(current.items(), key=lambda entry: entry[0]):
        if pmid in newest:
            detail = f"by {citation.origin}"
            corpus.rejects.append(Reject(newest[pmid].origin, "superseded", detail))
        newest[pmid] = citation
    return newest


def collect_fulltexts(files: list[Path], root: Path, corpus: Corpus) -> list[FullText]:
    """The highest version of each article; its figures count as read, whatever becomes of it."""
    newest: dict[tuple[str, str], FullText] = {}
    for found in _read_files(files, root):
        corpus.num_in += 1
        if isinstance(found, Reject):
            corpus.rejects.append(found)
            continue
        corpus.num_in += len(found.figures)
        key = _key(found.article)
        other = newest.setdefault(key, found)
        if other is not found:
            loser, winner = sorted((other, found), key=lambda one: one.article.version)
            newest[key] = winner
            detail = f"by {winner.article.origin}"
            corpus.rejects.append(Reject(loser.article.origin, "superseded", detail))
            _leave_figures(loser, corpus)
    return list(newest.values())


def _read_files(files: list[Path], root: Path) -> Iterator[FullText | Reject]:
    for path in follow("ingest_pubmed article files", files):
        yield from (read_collection if path.suffix == ".json" else read_articles)(path, root)


def _key(article: Article) -> tuple[str, str]:
    """What two copies of an article share; an abstract is no copy of the full text."""
    name = article.pmcid if article.kind == "fulltext" else article.pmid or article.pmcid
    return article.kind, name or article.origin


def gather_signals(citations: Iterable[Citation], fulltexts: Iterable[FullText]) -> Signals:
    """Who is retracted or doubted, by its own record or by a notice about it."""
    signals = Signals()
    for citation in citations:
        own = _names(citation)
        signals.retracted.update(citation.retracts, own if citation.retracted else ())
        signals.doubted.update(citation.doubts, own if citation.concern else ())
    for fulltext in fulltexts:
        own = _names(fulltext.article)
        told = (name.lower() for name in fulltext.retracts)
        signals.retracted.update(told, own if fulltext.article.retracted else ())
        signals.doubted.update(own if fulltext.article.concern else ())
    return signals


def _judge(article: Article, is_notice: bool, params: IngestPubmedParams, corpus: Corpus) -> bool:
    """Take the article, or reject it by the first rule that it meets; whether it was taken."""
    reason, detail = _find_reason(article, is_notice, params)
    digest = hash_bytes(" ".join(article.text.split()).encode())
    if not reason and digest in corpus.taken:
        reason, detail = "duplicate", f"same text as {corpus.taken[digest]}"
    if reason:
        corpus.rejects.append(Reject(article.origin, reason, detail))
        return False
    corpus.taken[digest] = article.origin
    corpus.articles.append(article)
    return True


def _find_reason(article: Article, is_notice: bool, params: IngestPubmedParams) -> tuple[str, str]:
    if is_notice:
        return "retraction-notice", article.title[:200]
    if article.retracted and not params.keep_retracted:
        return "retracted", article.title[:200]
    if not article.text:
        return "no-abstract", article.title[:200]
    if not set(article.language.split(",")) & set(params.languages):
        return "language", article.language
    if len(article.text) < params.min_text_chars:
        return "too-short", f"{len(article.text)} characters"
    return "", ""


def _take_figures(fulltext: FullText, root: Path, corpus: Corpus, max_pixels: int) -> None:
    """Figures with caption and image; packages without images are common, and say nothing wrong."""
    for figure in fulltext.figures:
        if not figure.caption:
            corpus.rejects.append(Reject(figure.origin, "no-caption", figure.label))
            continue
        attached = attach_image(figure, fulltext.folder, root, max_pixels)
        if isinstance(attached, Reject):
            corpus.rejects.append(attached)
            continue
        figure_with_image, image = attached
        corpus.figures.append(figure_with_image)
        corpus.images.setdefault(image.id, image)


def _leave_figures(fulltext: FullText, corpus: Corpus) -> None:
    """Figures of an article that was not taken are rejected with it."""
    for figure in fulltext.figures:
        detail = f"of {fulltext.article.origin}"
        corpus.rejects.append(Reject(figure.origin, "unused-article", detail))


def citation_article(citation: Citation, hashes: dict[str, str]) -> Article:
    return Article(
        pmid=citation.pmid,
        pmcid=citation.pmcid,
        version=citation.version,
        kind="abstract",
        title=citation.title or citation.vernacular_title,
        text=citation.text(),
        sections=[label for label, _ in citation.abstract if label],
        journal=citation.journal,
        year=citation.year,
        language=",".join(citation.languages),
        mesh=citation.mesh,
        publication_types=citation.publication_types,
        doi=citation.doi,
        licence=citation.copyright or CITATION_LICENCE,
        retracted=citation.retracted,
        concern=citation.concern,
        origin=citation.origin,
        origin_sha256=hashes[citation.origin.rpartition("#")[0]],
    )


def _names(article: Article | Citation) -> set[str]:
    return {name.lower() for name in (article.pmid, article.pmcid, article.doi) if name}


def _number(article: Article) -> tuple[int, str]:
    digits = article.pmcid.removeprefix("PMC")
    return (int(digits) if digits.isdigit() else 0), article.origin
