"""Whose word counts on a retraction or a doubt, and how far it reaches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.config import IngestPubmedParams
from tests.components.pubmed.conftest import LONG, article_set, cite, jats, write
from tests.components.pubmed.reading import Built
from tests.components.pubmed.reading import build as build_all
from tests.components.pubmed.test_corpus import bioc

ABSTRACT = f"<abstract><p>{LONG.format('an abstract')}</p></abstract>"
RETRACTED = json.dumps({"is_retracted": True})
NOTICE = 'article-type="retraction"'
TYPES = ("Journal Article", "Retracted Publication")


def build(root: Path, params: IngestPubmedParams) -> Built:
    kept = params.model_copy(update={"keep_retracted": True})
    return build_all(root / "pubmed", root / "pmc", root / "work", kept)


def retracted(corpus: Built) -> dict[str, bool]:
    return {article.pmcid or article.pmid: article.retracted for article in corpus.articles}


def identifier(kind: str, value: str) -> str:
    return f'<article-id pub-id-type="{kind}">{value}</article-id>'


def about(doi: str) -> str:
    return f"<related-article related-article-type='retracted-article' xlink:href='{doi}'/>"


def test_a_record_that_yields_to_another_source_still_speaks(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(cite(1), cite(2, doi="10.1/two"), cite(3), cite(4)),
    )
    front = about("10.1/TWO") + ABSTRACT
    for number, start, attributes in ((1, ABSTRACT, ""), (3, front, NOTICE), (4, ABSTRACT, "")):
        form = jats(f"{number}0", "", front=start, ids=identifier("pmid", str(number)))
        path = tmp_path / f"pmc/PMC{number}0.1.xml"
        write(path, form.replace('article-type="research-article"', attributes))
    write(tmp_path / "pmc/PMC10.1.json", RETRACTED)
    corpus = build(tmp_path, params)
    assert retracted(corpus) == {"1": True, "2": True, "3": False, "4": False}
    assert {reject.reason for reject in corpus.rejects} == {"superseded"}


def test_a_copy_of_the_same_version_still_speaks(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    write(tmp_path / "pmc/PMC10.1/PMC10.1.xml", jats("10"))
    write(tmp_path / "pmc/PMC10.1/PMC10.1.json", RETRACTED)
    write(tmp_path / "pmc/copy/PMC10.xml", jats("10"))
    write(tmp_path / "pmc/PMC20.2.xml", jats("20", f"<p>{LONG.format(20)}</p>"))
    write(tmp_path / "pmc/b/20.json", bioc("", "20", "RETRACTED: A title", LONG.format(20)))
    assert retracted(build(tmp_path, params)) == {"PMC10": True, "PMC20": True}


@pytest.mark.parametrize("file", ["1.xml", "pubmed26n0001.xml"])
def test_a_citation_of_no_known_age_speaks_beside_a_dated_one(
    tmp_path: Path, params: IngestPubmedParams, file: str
) -> None:
    write(tmp_path / "pubmed" / file, article_set(cite(1, types=TYPES)))
    write(tmp_path / "pubmed/pubmed26n0002.xml", article_set(cite(1)))
    # what NLM itself has revised since is withdrawn
    assert retracted(build(tmp_path, params)) == {"1": file == "1.xml"}


def test_older_versions_and_deleted_records_are_silent(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    notice = cite(9, comments=(("RetractionOf", 2),), types=("Retraction of Publication",))
    write(tmp_path / "pubmed/efetch.xml", article_set(cite(1, types=TYPES), cite(3, types=TYPES)))
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(notice, cite(1), cite(2), cite(3)))
    deleted = article_set(cite(1, version=2), deleted=((9, 1), (3, 1)))
    write(tmp_path / "pubmed/pubmed26n0002.xml", deleted)
    write(tmp_path / "pubmed/pubmed26n0003.xml", article_set(cite(3)))
    write(tmp_path / "pmc/PMC10.1.xml", jats("10"))
    write(tmp_path / "pmc/PMC10.1.json", RETRACTED)
    write(tmp_path / "pmc/PMC10.2.xml", jats("10", "", front=ABSTRACT))
    found = retracted(build(tmp_path, params))
    assert found == dict.fromkeys(("1", "2", "3", "PMC10"), False)
