"""The corpus: which version holds, what is deleted, retracted or doubled; nothing is lost."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from components.config import IngestPubmedParams
from components.errors import UserError
from components.pubmed.raw_files import find_citation_files
from components.pubmed.units import sort_by_age
from tests.components.pubmed.conftest import LONG, article_set, cite, jats, write
from tests.components.pubmed.reading import Built
from tests.components.pubmed.reading import build as build_all

FIG = "<fig id='F1'><caption><p>A caption.</p></caption><graphic xlink:href='{}'/></fig>"


def build(root: Path, params: IngestPubmedParams) -> Built:
    return build_all(root / "pubmed", root / "pmc", root / "work", params)


def reasons(corpus: Built) -> dict[str, str]:
    return {reject.origin.rpartition("/")[2]: reject.reason for reject in corpus.rejects}


def kept(corpus: Built) -> list[tuple[str, int]]:
    return [(article.pmid, article.version) for article in corpus.articles]


def test_newest_file_and_highest_version_hold(tmp_path: Path, params: IngestPubmedParams) -> None:
    def text(word: str) -> str:
        return f"<AbstractText>{LONG.format(word)}</AbstractText>"

    write(
        tmp_path / "pubmed/baseline/pubmed26n0002.xml.gz",
        article_set(cite(1, abstract=text("old")), cite(2, version=2, abstract=text("v2"))),
    )
    write(
        tmp_path / "pubmed/updatefiles/pubmed26n0010.xml.gz",
        article_set(cite(1, abstract=text("new")), cite(2, abstract=text("v1 mended"))),
    )
    write(tmp_path / "pubmed/efetch/1.xml", article_set(cite(1, abstract=text("unknown age"))))
    corpus = build(tmp_path, params)
    assert [article.text for article in corpus.articles] == [LONG.format(w) for w in ("new", "v2")]
    assert Counter(r.reason for r in corpus.rejects) == {"superseded": 3}


def test_file_order_is_year_then_number_and_unnumbered_first(tmp_path: Path) -> None:
    names = ["b/pubmed27n0001.xml.gz", "a/pubmed26n1335.xml", "z/31.xml", "b/pubmed26n0999.xml.gz"]
    for name in names:
        write(tmp_path / name, "x")
    write(tmp_path / "b/pubmed26n0999.xml.gz.md5", "x")
    paths = sort_by_age(find_citation_files(tmp_path))
    found = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert found == [names[2], names[3], names[1], names[0]]


def test_deletions_hold_for_earlier_files_only(tmp_path: Path, params: IngestPubmedParams) -> None:
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(cite(1), cite(2), cite(3)))
    deleted = ((1, 1), (2, 1), (3, 2), (99, 1))
    write(tmp_path / "pubmed/pubmed26n0002.xml", article_set(deleted=deleted))
    write(tmp_path / "pubmed/pubmed26n0003.xml", article_set(cite(2)))
    corpus = build(tmp_path, params)
    assert kept(corpus) == [("2", 1), ("3", 1)]
    assert reasons(corpus) == {
        "pubmed26n0001.xml#1.1": "deleted",
        "pubmed26n0001.xml#2.1": "deleted",
    }
    assert corpus.corpus.counts()["deletions"] == 4


@pytest.mark.parametrize("keep", [False, True])
def test_every_retraction_signal_is_heard(
    tmp_path: Path, params: IngestPubmedParams, keep: bool
) -> None:
    related = "<related-article related-article-type='retracted-article' xlink:href='10.1/SIX'/>"
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(
            cite(1, types=("Journal Article", "Retracted Publication")),
            cite(2),
            cite(3, comments=(("RetractionIn", 9),)),
            cite(4, comments=(("RetractionOf", 2),), types=("Retraction of Publication",)),
            cite(5, comments=(("ExpressionOfConcernIn", 8),)),
            cite(6, doi="10.1/six"),
            cite(7),
        ),
    )
    ids = '<article-id pub-id-type="pmid">1</article-id>'
    write(tmp_path / "pmc/a.nxml", jats("10", ids=ids, body=f"<p>{LONG} whole</p>"))
    write(
        tmp_path / "pmc/b.nxml", jats("11", attributes='article-type="retraction"', front=related)
    )
    corpus = build(tmp_path, params.model_copy(update={"keep_retracted": keep}))
    found = {a.pmid + a.pmcid: (a.retracted, a.concern) for a in corpus.articles}
    sound = {"5": (False, True), "7": (False, False)}
    retracted = dict.fromkeys(("1", "2", "3", "6", "1PMC10"), (True, False))
    assert found == ({**sound, **retracted} if keep else sound)
    notices = [r.origin for r in corpus.rejects if r.reason == "retraction-notice"]
    assert notices == ["b.nxml#PMC11.1", "pubmed26n0001.xml#4.1"]
    assert corpus.faults == []


def test_rules_and_their_reasons(tmp_path: Path, params: IngestPubmedParams) -> None:
    same = f"<AbstractText>{LONG.format('same')}</AbstractText>"
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(
            cite(1, abstract=""),
            cite(2, language="ita"),
            cite(3, abstract="<AbstractText>Short.</AbstractText>"),
            cite(10, abstract=same),
            cite(9, abstract=same.replace(" ", "\n  ")),
            "<MedlineCitation/>",
        ),
    )
    corpus = build(tmp_path, params)
    assert kept(corpus) == [("9", 1)]
    assert {key.rpartition("#")[2]: value for key, value in reasons(corpus).items()} == {
        "1.1": "no-abstract", "2.1": "language", "3.1": "too-short", "10.1": "duplicate",
        "unknown": "broken-citation",
    }  # fmt: skip
    assert [fault.reason for fault in corpus.faults] == ["broken-citation"]


def test_a_title_in_its_own_language_stands_in(tmp_path: Path, params: IngestPubmedParams) -> None:
    own = cite(1, title="").replace(
        "</ArticleTitle>", "</ArticleTitle><VernacularTitle>Il titolo.</VernacularTitle>"
    )
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(own, cite(2, title="[The title].")))
    corpus = build(tmp_path, params)
    assert [article.title for article in corpus.articles] == ["Il titolo.", "[The title]."]


def test_figures_follow_their_article(tmp_path: Path, params: IngestPubmedParams) -> None:
    buffer = io.BytesIO()
    Image.new("L", (5, 5), 3).save(buffer, "PNG")
    body = f"<p>{LONG.format('{}')}</p>" + FIG
    for number, href in ((1, "one"), (2, "one"), (3, "bad"), (4, "none")):
        folder = tmp_path / f"pmc/PMC{number}.1"
        write(folder / f"PMC{number}.1.xml", jats(str(number), body.format(number, href)))
        (folder / "one.png").write_bytes(buffer.getvalue())
        (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write(tmp_path / "pmc/PMC1.2/PMC1.2.xml", jats("1", body.format("second", "none")))
    write(tmp_path / "pmc/short.xml", jats("9", "<p>Short.</p>" + FIG.format("one")))
    corpus = build(tmp_path, params)
    assert [figure.id for figure in corpus.figures] == ["PMC2.1/F1"]
    assert corpus.figures[0].image_id in corpus.images
    assert len(corpus.images) == 1
    assert [article.version for article in corpus.articles] == [2, 1, 1, 1]
    by_reason = Counter(reject.reason for reject in corpus.rejects)
    assert by_reason == {
        "superseded": 1, "unused-article": 2, "too-short": 1, "unknown-image-format": 1,
        "no-image": 2,
    }  # fmt: skip
    assert {fault.reason for fault in corpus.faults} == {"unknown-image-format"}


def test_figures_keep_to_the_limit_of_pixels(tmp_path: Path, params: IngestPubmedParams) -> None:
    write(tmp_path / "pmc/a.nxml", jats("1", f"<p>{LONG}</p>" + FIG.format("one")))
    Image.new("L", (5, 5), 3).save(tmp_path / "pmc/one.png")
    small = params.model_copy(update={"max_image_pixels": 24})
    assert reasons(build(tmp_path, small)) == {"F1": "too-many-pixels"}
    assert len(build(tmp_path, params).figures) == 1


def test_a_figure_without_caption_is_rejected_by_rule(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    body = f"<p>{LONG}</p><fig id='F1'><label>Figure 1</label></fig>"
    write(tmp_path / "pmc/a.nxml", jats("1", body))
    corpus = build(tmp_path, params)
    assert reasons(corpus) == {"F1": "no-caption"}
    assert corpus.faults == []


def test_nothing_to_read_is_an_error(tmp_path: Path, params: IngestPubmedParams) -> None:
    with pytest.raises(UserError, match="acquire_sources"):
        build(tmp_path, params)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["add", "delete"]), st.integers(1, 4), st.integers(1, 2)),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_history_ends_as_replaying_it_says(
    tmp_path_factory: pytest.TempPathFactory,
    params: IngestPubmedParams,
    history: list[list[tuple[str, int, int]]],
) -> None:
    root = tmp_path_factory.mktemp("history")
    expected: dict[tuple[int, int], int] = {}
    for number, events in enumerate(history):
        added = [(pmid, version) for kind, pmid, version in events if kind == "add"]
        deleted = tuple((pmid, version) for kind, pmid, version in events if kind == "delete")
        citations = [
            cite(p, v, abstract=f"<AbstractText>{LONG.format((p, v, number))}</AbstractText>")
            for p, v in added
        ]
        write(root / f"pubmed/pubmed26n{number:04d}.xml", article_set(*citations, deleted=deleted))
        expected.update(dict.fromkeys(added, number))
        for gone in deleted:
            expected.pop(gone, None)
    highest = {pmid: max(v for p, v in expected if p == pmid) for pmid, _ in expected}
    corpus = build(root, params)
    assert [(article.pmid, article.text) for article in corpus.articles] == [
        (str(pmid), LONG.format((pmid, version, expected[pmid, version])))
        for pmid, version in sorted(highest.items())
    ]


def test_order_of_articles_does_not_depend_on_the_folder(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    pmids = list(range(1, 40))
    random.Random(3).shuffle(pmids)
    write(tmp_path / "pubmed/pubmed26n0001.xml", article_set(*(cite(pmid) for pmid in pmids)))
    assert kept(build(tmp_path, params)) == [(str(pmid), 1) for pmid in sorted(pmids)]


def bioc(pmid: str, pmcid: str, *texts: str) -> str:
    """A BioC document of a title and an abstract, or with a PMCID of a full text."""
    kinds = ["front", "abstract" if not pmcid else "paragraph"]
    infons = {"article-id_pmid": pmid, **({"article-id_pmc": pmcid} if pmcid else {})}
    offset, passages = 0, []
    for kind, text in zip(kinds, texts, strict=True):
        section = {"front": "TITLE", "abstract": "ABSTRACT", "paragraph": "INTRO"}[kind]
        own = {**infons, "type": kind, "section_type": section}
        passages.append({"infons": own, "offset": offset, "text": text})
        offset += len(text) + 1
    return json.dumps({"documents": [{"id": pmcid or pmid, "passages": passages}]})


def test_bioc_is_read_beside_jats_and_citations(tmp_path: Path, params: IngestPubmedParams) -> None:
    write(tmp_path / "pubmed/a.xml", article_set(cite(1)))
    write(tmp_path / "pmc/PMC5.nxml", jats("5"))
    write(tmp_path / "pmc/5.json", bioc("9", "5", "A title", LONG.format("of the copy")))
    write(tmp_path / "pmc/6.json", bioc("8", "6", "A title", LONG.format("six")))
    write(tmp_path / "pmc/1.json", bioc("1", "", "A title", LONG.format("copied")))
    write(tmp_path / "pmc/2.json", bioc("2", "", "A title", LONG.format("two")))
    write(tmp_path / "pmc/manifest.json", "{}")
    corpus = build(tmp_path, params)
    found = {(article.kind, article.pmcid or article.pmid) for article in corpus.articles}
    assert found == {
        ("abstract", "1"), ("abstract", "2"), ("fulltext", "PMC5"), ("fulltext", "PMC6"),
    }  # fmt: skip
    assert Counter(r.reason for r in corpus.rejects) == {"superseded": 2}


@pytest.mark.parametrize("newest", ["text", "abstract"])
def test_the_version_of_a_pmcid_is_chosen_whatever_its_kind(
    tmp_path: Path, params: IngestPubmedParams, newest: str
) -> None:
    ids = '<article-id pub-id-type="pmid">1</article-id>'
    abstract = f"<abstract><p>{LONG.format('an abstract')}</p></abstract>"
    forms = {"text": jats("10", ids=ids), "abstract": jats("10", "", front=abstract, ids=ids)}
    older = "text" if newest == "abstract" else "abstract"
    for version, form in ((1, older), (2, newest)):
        write(tmp_path / f"pmc/PMC10.{version}.xml", forms[form])
    corpus = build(tmp_path, params)
    assert [(a.kind, a.version) for a in corpus.articles] == [
        ("fulltext" if newest == "text" else "abstract", 2)
    ]
    assert reasons(corpus) == {"PMC10.1.xml#PMC10.1": "superseded"}


def test_of_one_version_the_copy_with_the_text_stays(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    abstract = f"<abstract><p>{LONG.format('an abstract')}</p></abstract>"
    write(tmp_path / "pmc/a/PMC10.xml", jats("10"))
    write(tmp_path / "pmc/b/PMC10.xml", jats("10", "", front=abstract))
    corpus = build(tmp_path, params)
    assert [article.origin for article in corpus.articles] == ["a/PMC10.xml#PMC10.1"]
    assert [(r.reason, r.detail) for r in corpus.rejects] == [
        ("superseded", "by a/PMC10.xml#PMC10.1")
    ]
