"""ingest_pubmed: turn citations and articles into one corpus with its figures."""

from __future__ import annotations

from pathlib import Path

from components.config import Params
from components.lineage import is_above, too_many_unusable, write_manifest
from components.pubmed.corpus import build_corpus
from components.pubmed.judging import RULES
from components.stages.door import enter
from components.tracing.ledger import keep_ledger

PUBMED, PMC = Path("data/raw/pubmed"), Path("data/raw/pmc_oa")
READINGS, OUT = Path("data/readings"), Path("data/articles")


def run(params: Params) -> None:
    """Read what is new, decide what holds, write articles, figures and their images."""
    settings = params.ingest_pubmed
    corpus = build_corpus(PUBMED, PMC, READINGS, OUT, settings)
    counts, faults = corpus.counts(), corpus.faults
    num_excluded = corpus.outcome.reasons.total() - faults.total()
    num_judged = corpus.num_in - num_excluded
    if is_above(faults.total(), num_judged, settings.max_quarantined):
        first = next(corpus.outcome.examples[reason] for reason in faults)
        limit = settings.max_quarantined
        raise too_many_unusable(
            OUT, num_judged, faults, first=first, limit=limit, what="ingest_pubmed"
        )
    print(
        f"{counts['in']} records in; {counts['abstracts']} abstracts, {counts['fulltexts']} full "
        f"texts, {counts['figures']} figures with image out; "
        f"{num_excluded} excluded by rule, {faults.total()} quarantined"
    )
    write_manifest(
        OUT,
        stage="ingest_pubmed",
        identity={},
        settings=settings.model_dump(exclude={"workers"}),
        inputs=[PUBMED, PMC],
        counts=counts,
        reasons=corpus.outcome.reasons,
        rules=RULES,
    )
    keep_ledger(OUT)  # so that `biomedgpt recall` knows what models of this corpus have read


if __name__ == "__main__":
    enter("ingest_pubmed", run)
