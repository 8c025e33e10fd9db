"""What files give, as objects: the items of a citation file, and a corpus with its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from components.config import IngestPubmedParams, load_params
from components.lineage import QUARANTINE
from components.pubmed.corpus import Corpus, build_corpus
from components.pubmed.medline import Deletion, read_citations
from components.pubmed.shards import read_shard
from components.records import Article, Figure, ImageRecord, Reject

T = TypeVar("T")
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Citation(Article):
    """A row of a citation file's reading."""

    authors: list[str]
    vernacular_title: str
    other_abstracts: list[dict[str, str]]
    is_notice: bool
    retracts: list[str]
    doubts: list[str]
    num_chars: int
    digest: bytes


def read_items(path: Path, name: str = "") -> list[Citation | Deletion | Reject]:
    """Everything that a citation file gives: citations, then deletions, then rejects."""
    batches = list(read_citations(path, name))
    frames = [frame for batch in batches for frame in batch.citations]
    return [
        *(Citation(**row) for frame in frames for row in frame.iter_rows(named=True)),
        *(deletion for batch in batches for deletion in batch.deletions),
        *(reject for batch in batches for reject in batch.rejects),
    ]


@dataclass(frozen=True)
class Built:
    """A corpus, read back from its shards; articles by kind and number."""

    corpus: Corpus
    articles: list[Article]
    figures: list[Figure]
    images: dict[str, ImageRecord]
    rejects: list[Reject]
    faults: list[Reject]


def plain_params(**changes: Any) -> IngestPubmedParams:
    """The repository's settings, with near-duplicates kept and these changes."""
    settings = load_params(ROOT / "params.yaml").ingest_pubmed
    return settings.model_copy(update={"near_duplicates": False, **changes})


def build(pubmed: Path, pmc: Path, work: Path, params: IngestPubmedParams) -> Built:
    """Build a corpus in ``work``; what came in came out, or was rejected."""
    corpus = build_corpus(pubmed, pmc, work / "readings", work / "out", params)
    rejects = list(_read(work / "out" / QUARANTINE, Reject))
    counts = corpus.counts()
    assert counts["in"] == counts["out"] + len(rejects)
    return Built(
        corpus,
        sorted(_read(work / "out/articles", Article), key=_place),
        list(_read(work / "out/figures", Figure)),
        {image.id: image for image in _read(work / "out/images", ImageRecord)},
        rejects,
        [reject for reject in rejects if reject.reason in corpus.faults],
    )


def _place(article: Article) -> tuple[str, int, str]:
    number = article.pmid if article.kind == "abstract" else article.pmcid.removeprefix("PMC")
    return article.kind, int(number or 0), article.origin


def _read(folder: Path, kind: type[T]) -> Iterator[T]:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for path in sorted(folder.rglob("*.parquet")):
        for row in read_shard(path, *names).iter_rows(named=True):
            yield kind(**row)
