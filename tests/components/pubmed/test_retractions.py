"""Whose word counts on a retraction or a doubt, and how far it reaches."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.config import IngestPubmedParams
from tests.components.pubmed.conftest import LONG, article_set, cite, jats, write
from tests.components.pubmed.reading import Built
from tests.components.pubmed.reading import build as build_all
from tests.components.pubmed.test_corpus import bioc

ABSTRACT = f"<abstract><p>{LONG.format('an abstract')}</p></abstract>"
RETRACTED = json.dumps({"is_retracted": True})
NOTICE, RESEARCH = 'article-type="retraction"', 'article-type="research-article"'
TYPES = ("Journal Article", "Retracted Publication")


def build(root: Path, params: IngestPubmedParams) -> Built:
    kept = params.model_copy(update={"keep_retracted": True})
    return build_all(root / "pubmed", root / "pmc", root / "work", kept)


def retracted(corpus: Built) -> dict[str, bool]:
    return {article.pmid or article.pmcid: article.retracted for article in corpus.articles}


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
    for number, start, attributes in (
        (1, ABSTRACT, RESEARCH), (3, front, NOTICE), (4, ABSTRACT, RESEARCH),
    ):  # fmt: skip
        ids = identifier("pmid", str(number))
        form = jats(f"{number}0", "", front=start, attributes=attributes, ids=ids)
        write(tmp_path / f"pmc/PMC{number}0.1.xml", form)
    write(tmp_path / "pmc/PMC10.1.json", RETRACTED)
    corpus = build(tmp_path, params)
    assert retracted(corpus) == {"1": True, "2": True, "4": False}
    told = Counter(reject.reason for reject in corpus.rejects)
    assert told == {"superseded": 3, "retraction-notice": 1}


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


def identified(pmid: int, *, pmcid: str = "", doi: str = "", **more: Any) -> str:
    """A citation with its list of identifiers."""
    ids = {"pmc": pmcid, "doi": doi}
    listed = "".join(f'<ArticleId IdType="{k}">{v}</ArticleId>' for k, v in ids.items() if v)
    return f"{cite(pmid, **more)}<PubmedData><ArticleIdList>{listed}</ArticleIdList></PubmedData>"


def test_a_retraction_reaches_every_form_of_the_article(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    notice = (("RetractionOf", 2), ("ExpressionOfConcernFor", 5))
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(
            cite(1, comments=notice),
            identified(2, pmcid="PMC20"),  # its full text states no PMID
            cite(3, doi="10.1/THREE"),  # named by the PMCID of a full text
            identified(4, pmcid="PMC40"),
            identified(5, pmcid="PMC50"),
            cite(6, doi="10.1/six"),
        ),
    )
    forms = {"20": "", "30": "10.1/three", "40": "", "50": "10.1/fifty"}
    for number, doi in forms.items():
        ids = identifier("doi", doi) if doi else ""
        body = f"<p>{LONG.format(number)}</p>"
        write(tmp_path / f"pmc/PMC{number}.xml", jats(number, body, ids=ids))
    write(tmp_path / "pmc/PMC30.json", RETRACTED)
    by_doi = jats("", f"<p>{LONG.format('else')}</p>", ids=identifier("doi", "10.1/Fifty"))
    write(tmp_path / "pmc/elsewhere.xml", by_doi)
    corpus = build(tmp_path, params)
    assert {key for key, told in retracted(corpus).items() if told} == {"2", "3", "PMC20", "PMC30"}
    doubted = {a.pmid or a.pmcid or a.doi for a in corpus.articles if a.concern}
    assert doubted == {"5", "PMC50", "10.1/Fifty"}


def test_a_chain_of_borrowed_identifiers_ends(tmp_path: Path, params: IngestPubmedParams) -> None:
    chain = [
        identified(n, pmcid=f"PMC{(n + 1) // 2}", doi=f"10.1/{n // 2}", types=TYPES[: 1 + (n == 1)])
        for n in range(1, 31)
    ]
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(*chain))
    reached = [a.retracted for a in build(tmp_path, params).articles]
    assert reached[:8] == [True] * 8 and not any(reached[-8:])


def test_a_retraction_does_not_spread_by_what_identifies_nothing(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    """Neither by a filler in the place of an identifier, nor through the notice itself."""
    notice = identified(
        4, pmcid="PMC40", doi="10.1/both", types=("Retraction of Publication",),
        comments=(("RetractionOf", 2),),
    )  # fmt: skip
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(
            cite(1, types=TYPES, doi="n/a"), cite(2, doi="10.1/both"), cite(3, doi="n/a"), notice
        ),
    )
    write(tmp_path / "pmc/PMC40.xml", jats("40"))
    found = retracted(build(tmp_path, params))
    assert found == {"1": True, "2": True, "3": False}


@pytest.mark.parametrize("keep", [False, True])
def test_a_notice_is_no_text_in_any_of_its_forms_and_not_retracted(
    tmp_path: Path, params: IngestPubmedParams, keep: bool
) -> None:
    """PubMed's citation of a notice may not say what it is, and its text is no article's."""
    for number, told in ((3, NOTICE), (5, RESEARCH)):
        ids = identifier("pmid", str(number)) + identifier("doi", "10.1/of-the-article")
        front = about("10.1/elsewhere") + ABSTRACT.replace("an", str(number))
        form = jats(f"{number}0", "", front=front, attributes=told, ids=ids)
        write(tmp_path / f"pmc/PMC{number}0.xml", form)
    citations = (identified(n, doi="10.1/of-the-article") for n in (3, 4, 5))
    by_number = identified(6, pmcid="PMC30")
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(*citations, by_number))
    kept = params.model_copy(update={"keep_retracted": keep})
    corpus = build_all(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", kept)
    assert {a.pmid: a.retracted for a in corpus.articles} == {"4": False, "5": False}
    notices = [r.origin for r in corpus.rejects if r.reason == "retraction-notice"]
    assert notices == ["pubmed26n0001.xml#3.1", "pubmed26n0001.xml#6.1"]


def test_a_title_in_bioc_makes_no_notice_of_a_citation(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    title = "Retraction of the gingiva"
    write(tmp_path / "pmc/1.json", bioc("1", "", title, LONG.format(1)))
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(cite(1, title=title)))
    assert retracted(build(tmp_path, params)) == {"1": False}
