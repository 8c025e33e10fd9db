"""Small PubMed and PMC files, written as NLM writes them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from components.config import IngestPubmedParams
from tests.components.pubmed.reading import plain_params

DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
    '"-//NLM//DTD PubMedArticle, 1st January 2019//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_190101.dtd">\n'
)
LONG = "This sentence is long enough to count as the text of an abstract, number {}."


def cite(
    pmid: int,
    version: int = 1,
    abstract: str | None = None,
    title: str = "A title.",
    language: str = "eng",
    types: tuple[str, ...] = ("Journal Article",),
    comments: tuple[tuple[str, int], ...] = (),
    doi: str = "",
    extra: str = "",
) -> str:
    """A MedlineCitation; ``abstract`` is the inside of Abstract, "" for none at all."""
    if abstract is None:
        abstract = f"<AbstractText>{LONG.format(pmid)}</AbstractText>"
    kinds = "".join(f"<PublicationType>{kind}</PublicationType>" for kind in types)
    notes = "".join(
        f'<CommentsCorrections RefType="{kind}"><RefSource>J</RefSource>'
        f'<PMID Version="1">{other}</PMID></CommentsCorrections>'
        for kind, other in comments
    )
    return (
        f'<MedlineCitation Status="MEDLINE"><PMID Version="{version}">{pmid}</PMID><Article>'
        f"<Journal><JournalIssue><PubDate><Year>2020</Year></PubDate></JournalIssue>"
        f"<Title>J of Tests</Title></Journal><ArticleTitle>{title}</ArticleTitle>"
        + (f'<ELocationID EIdType="doi">{doi}</ELocationID>' if doi else "")
        + (f"<Abstract>{abstract}</Abstract>" if abstract else "")
        + f"<Language>{language}</Language><PublicationTypeList>{kinds}</PublicationTypeList>"
        f"</Article><CommentsCorrectionsList>{notes}</CommentsCorrectionsList>{extra}"
        "</MedlineCitation>"
    )


def article_set(*citations: str, deleted: tuple[tuple[int, int], ...] = ()) -> str:
    """A PubmedArticleSet of citations, with a DeleteCitation at its end."""
    body = "".join(f"<PubmedArticle>{citation}</PubmedArticle>\n" for citation in citations)
    if deleted:
        pmids = "".join(f'<PMID Version="{version}">{pmid}</PMID>' for pmid, version in deleted)
        body += f"<DeleteCitation>{pmids}</DeleteCitation>"
    return f"{DOCTYPE}<PubmedArticleSet>\n{body}</PubmedArticleSet>\n"


def write(path: Path, text: str) -> Path:
    """Write text, compressed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def jats(
    pmcid: str = "1",
    body: str = "<p>Body text that is long enough to be taken for a text, in full.</p>",
    title: str = "A title",
    front: str = "",
    attributes: str = 'article-type="research-article"',
    ids: str = "",
    back: str = "",
) -> str:
    """A JATS article."""
    return (
        '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving DTD v1.0//EN" '
        '"JATS-archivearticle1.dtd">\n<article xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'xmlns:mml="http://www.w3.org/1998/Math/MathML" {attributes}><front><journal-meta>'
        "<journal-title-group><journal-title>J of Tests</journal-title></journal-title-group>"
        f'</journal-meta><article-meta><article-id pub-id-type="pmc">{pmcid}</article-id>{ids}'
        f"<title-group><article-title>{title}</article-title></title-group>"
        "<pub-date><year>2012</year></pub-date><pub-date><year>2011</year></pub-date>"
        f"{front}</article-meta></front><body>{body}</body>"
        f"<back>{back}<ref-list><ref><p>Never shown.</p></ref></ref-list></back></article>"
    )


@pytest.fixture
def params() -> IngestPubmedParams:
    """Settings as the demonstration has them, near-duplicates kept: these texts are alike."""
    return plain_params()
