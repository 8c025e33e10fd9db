"""ingest_pubmed: turn citations and articles into one corpus with its figures."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.lineage import check_share, write_manifest
from components.pubmed.corpus import RULES, build_corpus
from components.records import Article, Figure, ImageRecord, write_records
from components.stages.door import enter

PUBMED, PMC, OUT = Path("data/raw/pubmed"), Path("data/raw/pmc_oa"), Path("data/articles")


def run(params: Params) -> None:
    """Read, decide what holds, write articles, figures and their images."""
    settings = params.ingest_pubmed
    corpus = build_corpus(PUBMED, PMC, settings)
    faults, counts = corpus.faults(), corpus.counts()
    num_excluded = len(corpus.rejects) - len(faults)
    num_judged = corpus.num_in - num_excluded
    check_share(OUT, num_judged, faults, settings.max_quarantined, "ingest_pubmed")
    write_records(OUT / "articles/all.parquet", Article, corpus.articles)
    write_records(OUT / "figures/all.parquet", Figure, corpus.figures)
    write_records(OUT / "images/all.parquet", ImageRecord, corpus.images.values())
    print(
        f"{counts['in']} records in; {counts['abstracts']} abstracts, {counts['fulltexts']} full "
        f"texts, {counts['figures']} figures with image out; "
        f"{num_excluded} excluded by rule, {len(faults)} quarantined"
    )
    write_manifest(
        OUT,
        stage="ingest_pubmed",
        identity={},
        settings=settings.model_dump(),
        inputs=[PUBMED, PMC],
        counts=counts,
        rejects=corpus.rejects,
        rules=RULES,
    )


if __name__ == "__main__":
    enter("ingest_pubmed", run)
