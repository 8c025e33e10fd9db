"""Odd names in a raw folder: each file is read, or told with the reason why it is not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from components.config import IngestPubmedParams
from components.errors import UserError
from components.pubmed.pmc import FullText, read_articles
from components.records import Reject
from tests.components.pubmed.conftest import LONG, article_set, cite, jats, write
from tests.components.pubmed.reading import Built
from tests.components.pubmed.reading import build as build_all


def build(root: Path, params: IngestPubmedParams) -> Built:
    return build_all(root / "pubmed", root / "pmc", root / "work", params)


def told(corpus: Built) -> dict[str, str]:
    return {reject.origin: reject.reason for reject in corpus.rejects}


def test_names_in_capitals_and_packed_articles_are_read(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    packed = gzip.compress(article_set(cite(1, abstract="")).encode())
    (tmp_path / "pubmed").mkdir()
    (tmp_path / "pubmed/PUBMED26N0002.XML.GZ").write_bytes(packed)
    write(tmp_path / "pubmed/pubmed26n0001.xml.gz", article_set(cite(1), cite(2)))
    write(tmp_path / "pmc/PMC2.3.nxml.gz", jats("2", f"<p>{LONG.format('two')}</p>"))
    write(tmp_path / "pmc/PMC2.3.json", '{"license_code": "CC0"}')
    write(tmp_path / "pmc/PMC5/a.XML", jats("5", f"<p>{LONG.format('five')}</p>"))
    corpus = build(tmp_path, params)
    found = {a.pmid or f"{a.pmcid}.{a.version}": a.licence for a in corpus.articles}
    assert found == {"2": "NLM terms", "PMC2.3": "CC0", "PMC5.1": "unknown"}
    assert told(corpus) == {
        "pubmed26n0001.xml.gz#1.1": "superseded", "PUBMED26N0002.XML.GZ#1.1": "no-abstract",
    }  # fmt: skip


def test_links_and_archives_that_are_not_read_are_told(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    write(tmp_path / "pubmed/a.xml", article_set(cite(1)))
    write(tmp_path / "pubmed/b.nxml", jats())
    write(tmp_path / "pmc/PMC1.nxml", jats())
    write(tmp_path / "pmc/PMC1.json", "{}")
    write(tmp_path / "pmc/PMC1.pdf", "")
    for name in ("oa.tar.gz", "PMC4.ZIP", "c.json.gz"):
        write(tmp_path / "pmc" / name, "x")
    write(tmp_path / "elsewhere/PMC6.nxml", jats("6"))
    (tmp_path / "pmc/PMC6").symlink_to(tmp_path / "elsewhere")
    for name in ("PMC7.nxml", "PMC8.json", "f1.jpg"):
        (tmp_path / "pmc" / name).symlink_to(tmp_path / "gone")
    corpus = build(tmp_path, params)
    assert told(corpus) == {
        "b.nxml": "not-read", "oa.tar.gz": "not-read", "PMC4.ZIP": "not-read",
        "c.json.gz": "not-read", "PMC6": "not-read", "PMC7.nxml": "unreadable",
        "PMC8.json": "unreadable", "f1.jpg": "not-read",
    }  # fmt: skip
    assert {r.origin for r in corpus.faults} == {"PMC7.nxml", "PMC8.json"}
    assert {r.detail for r in corpus.rejects if "link" in r.detail} == {
        "a link that leads nowhere", "a link to a folder, which is not entered",
    }  # fmt: skip
    (tmp_path / "gone").write_text(jats("7", f"<p>{LONG.format('seven')}</p>"))
    (tmp_path / "pmc/PMC6").unlink()
    again = build(tmp_path, params)
    assert [a.pmcid for a in again.articles if a.pmcid] == ["PMC1", "PMC7"]
    assert "PMC6" not in told(again) and "f1.jpg" not in told(again)


def test_a_link_to_citations_that_are_gone_is_an_error_that_names_it(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    write(tmp_path / "pubmed/a.xml", article_set(cite(1)))
    (tmp_path / "pubmed/b.xml.gz").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"b\.xml\.gz.*a link that leads nowhere"):
        build(tmp_path, params)
    lenient = build(tmp_path, params.model_copy(update={"max_unreadable_files": 1}))
    assert told(lenient) == {"b.xml.gz": "unreadable"}


def test_an_archive_alone_is_nothing_to_read(tmp_path: Path, params: IngestPubmedParams) -> None:
    write(tmp_path / "pmc/oa.tar.gz", "x")
    with pytest.raises(UserError, match="no articles under"):
        build(tmp_path, params)


def test_a_packed_set_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    articles = "".join(jats(str(n)).partition('dtd">\n')[2] for n in range(1, 200))
    content = gzip.compress(f"<pmc-articleset>{articles}</pmc-articleset>".encode(), mtime=0)
    (tmp_path / "set.xml.gz").write_bytes(content[: len(content) // 2])
    *found, last = read_articles(tmp_path / "set.xml.gz", tmp_path)
    numbers = [one.article.pmcid for one in found if isinstance(one, FullText)]
    assert numbers == [f"PMC{n}" for n in range(1, len(found) + 1)] and len(found) > 50
    assert isinstance(last, Reject) and (last.origin, last.reason) == ("set.xml.gz", "truncated")
    assert last.detail.startswith(f"after {len(found)} articles: ")
