"""Sets of articles: each keeps its own name, and memory follows an article and not the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from components.pubmed import article_sets
from components.pubmed.pmc import FullText, read_articles
from components.records import Reject
from tests.components.pubmed.conftest import jats, write

FIG = "<fig id='F1'><label>Fig. 1</label><caption><p>A.</p></caption></fig>"


def article(pmcid: str = "", body: str = "<p>Text.</p>", **ids: str) -> str:
    """An article of a set; without a PMCID where none is given."""
    stated = "".join(f'<article-id pub-id-type="{k}">{v}</article-id>' for k, v in ids.items())
    text = jats(pmcid or "0", body, ids=stated).partition('dtd">\n')[2]
    return text if pmcid else text.replace('<article-id pub-id-type="pmc">0</article-id>', "")


def read(root: Path, articles: Sequence[str], name: str = "set.xml") -> list[FullText | Reject]:
    text = f"<pmc-articleset>{''.join(articles)}</pmc-articleset>"
    return list(read_articles(write(root / name, text), root))


def whole(found: Sequence[FullText | Reject]) -> list[FullText]:
    assert all(isinstance(one, FullText) for one in found), found
    return [one for one in found if isinstance(one, FullText)]


def test_articles_without_a_pmcid_keep_apart(tmp_path: Path) -> None:
    texts = [article(pmid="55"), article(doi="10.1/a#b"), article(body=FIG), article()]
    found = whole(read(tmp_path, texts))
    assert [one.article.origin for one in found] == [
        "set.xml#55.1", "set.xml#10.1/a-b.1", "set.xml#set.xml-3", "set.xml#set.xml-4",
    ]  # fmt: skip
    assert [figure.id for figure in found[2].figures] == ["set.xml-3/F1"]
    assert len({one.article.origin_sha256 for one in found}) == 1


def test_the_name_of_a_folder_is_for_a_file_of_one_article(tmp_path: Path) -> None:
    found = whole(read(tmp_path, [article(), article(), article("7")], "PMC9.2/PMC9.2.xml"))
    assert [(one.article.pmcid, one.article.version) for one in found] == [
        ("", 1), ("", 1), ("PMC7", 1),
    ]  # fmt: skip
    (alone,) = whole(read(tmp_path, [article()], "PMC9.2/PMC9.2.xml"))
    assert (alone.article.pmcid, alone.article.version) == ("PMC9", 2)


def test_metadata_is_about_a_file_of_one_article(tmp_path: Path) -> None:
    write(tmp_path / "set.json", '{"is_retracted": true}')
    (alone,) = whole(read(tmp_path, [article("1")]))
    both = whole(read(tmp_path, [article("1"), article("2")]))
    assert alone.article.retracted and not any(one.article.retracted for one in both)


@pytest.mark.parametrize("size", [1, 1 << 16])
def test_what_stands_before_a_break_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(article_sets, "CHUNK_BYTES", size)
    *kept, broken = read(tmp_path, [article("1"), article("2"), "<article><p>"])
    assert [one.article.pmcid for one in whole(kept)] == ["PMC1", "PMC2"]
    assert isinstance(broken, Reject) and broken.reason == "broken-xml"
    assert broken.origin == "set.xml" and broken.detail.startswith("after 2 articles: ")
    path = write(tmp_path / "one.nxml", jats("1") + "<more>")
    (only,) = read_articles(path, tmp_path)
    assert isinstance(only, Reject) and only.reason == "broken-xml"


def test_an_article_that_is_too_large_is_told_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(article_sets, "CHUNK_BYTES", 1 << 10)
    monkeypatch.setattr(article_sets, "MAX_WEIGHT", 1 << 18)
    large = article("2", "<sec><p>A paragraph of text.</p></sec>" * 1000)
    first, second, third = read(tmp_path, [article("1"), large, article("3")])
    assert isinstance(first, FullText) and isinstance(third, FullText)
    assert isinstance(second, Reject)
    assert (second.origin, second.reason) == ("set.xml#2", "too-large")
    assert (third.article.pmcid, third.article.text) == ("PMC3", "Text.")
    (only,) = read(tmp_path, [large])
    assert isinstance(only, Reject) and (only.origin, only.reason) == ("set.xml", "too-large")


@pytest.mark.parametrize("form", ["{}", "<record>{}</record>"])
def test_an_article_is_weighed_and_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Of equal length, one of many elements is too large, and one of long tags is not."""
    monkeypatch.setattr(article_sets, "CHUNK_BYTES", 1 << 10)
    monkeypatch.setattr(article_sets, "MAX_WEIGHT", 1 << 18)
    light = article("1", f"<p id='{'x' * 90}'>A</p>" * 200)
    heavy = article("2", "<p>A</p>" * 2500)
    assert len(light) == pytest.approx(len(heavy), rel=0.1)
    first, second = read(tmp_path, [form.format(text) for text in (light, heavy)])
    assert isinstance(first, FullText) and isinstance(second, Reject)
    assert (second.origin, second.reason) == ("set.xml#2", "too-large")


def test_a_large_file_without_articles_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(article_sets, "MAX_WEIGHT", 1 << 18)
    found = read(tmp_path, [article("1"), article("2"), "<record>Text.</record>" * 10_000])
    assert [one.article.pmcid for one in whole(found[:2])] == ["PMC1", "PMC2"]
    assert isinstance(found[2], Reject) and found[2].reason == "not-an-article"
    assert "is no article" in found[2].detail


def test_each_cut_holds_its_article_alone(tmp_path: Path) -> None:
    records = "".join(f"<record><head/>{article(str(n))}</record>" for n in range(1, 400))
    path = write(tmp_path / "set.xml", f"<set>{records}</set>")
    sizes = []
    for cut in article_sets.cut_articles(path):
        assert cut.element is not None
        top = list(cut.element.iterancestors())[-1]
        sizes.append(sum(1 for _ in top.iter()))
    assert len(sizes) == 399 and max(sizes) < 4_000


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def hash_file(path: Path) -> str:
        hashed.append(path)
        return "0" * 64

    monkeypatch.setattr("components.pubmed.pmc.hash_file", hash_file)
    whole(read(tmp_path, [article("1"), article("2"), article("3")]))
    assert hashed == [tmp_path / "set.xml"]
