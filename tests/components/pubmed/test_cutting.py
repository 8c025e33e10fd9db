"""Cutting a file between its records, and what hostile or damaged files may cost."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.pubmed import cutting, inflate
from components.pubmed.cutting import cut_records
from components.pubmed.inflate import Damaged, read_chunks
from components.pubmed.medline import Deletion
from components.records import Reject
from tests.components.pubmed.conftest import article_set, cite, write
from tests.components.pubmed.reading import Citation, read_items

BARE = f"<MedlineCitationSet>{cite(1)}{cite(2)}</MedlineCitationSet>"


def chop(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def read(path: Path) -> tuple[list[str], list[Reject]]:
    items = list(read_items(path, "f"))
    return (
        [item.pmid for item in items if isinstance(item, Citation)],
        [item for item in items if isinstance(item, Reject)],
    )


@given(st.lists(st.integers(1, 900), max_size=30), st.sampled_from([1, 700, 1 << 20]))
def test_records_are_the_same_however_the_stream_is_chopped(sizes: list[int], part: int) -> None:
    for text in (article_set(*(cite(n) for n in range(1, 9)), deleted=((5, 1),)), BARE):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cutting, "BUFFER_BYTES", part)
            patch.setattr(cutting, "PART_WEIGHT", 40 * part)
            parts = list(cut_records(chop(text.encode(), sizes)))
        articles = [record for part in parts for record in part.articles]
        assert [b">%d</PMID>" % n in record for n, record in enumerate(articles, 1)]
        assert len(articles) == text.count("<MedlineCitation ")
        others = [record for part in parts for record in part.others]
        assert len(others) == text.count("<DeleteCitation>")
        assert all(r.startswith(b"<PubmedArticle>") and r.endswith(b"</PubmedArticle>")
                   for r in articles)  # fmt: skip


def test_history_is_left_out_and_the_identifiers_stay() -> None:
    history = "<History><PubMedPubDate><Year>2019</Year></PubMedPubDate></History>"
    ids = "<ArticleIdList><ArticleId IdType='doi'>10.1/x</ArticleId></ArticleIdList>"
    references = f"<ReferenceList><Reference>{ids}</Reference></ReferenceList>"
    forms = (history + ids, history + ids + references, ids + references, history + references)
    for form in forms:
        record = f"<PubmedArticle>{cite(1)}<PubmedData>{form}</PubmedData></PubmedArticle>"
        (part,) = cut_records([f"<PubmedArticleSet>{record}</PubmedArticleSet>".encode()])
        kept = record.replace(references, "")
        kept = kept.replace(history, "") if history + ids in form else kept
        assert part.articles == [kept.encode()]


def test_references_are_left_out_and_what_follows_is_whole(tmp_path: Path) -> None:
    data = "<PubmedData><ArticleIdList><ArticleId IdType='doi'>10.1/x</ArticleId></ArticleIdList>{}"
    references = "<ReferenceList><Reference><Citation>C</Citation></Reference></ReferenceList>"
    records = "".join(
        f"<PubmedArticle>{cite(n)}{data.format(references * n)}</PubmedData></PubmedArticle>\n"
        for n in (0, 1, 2)
    )
    text = f"<PubmedArticleSet>{records}</PubmedArticleSet>"
    (part,) = cut_records([text.encode()])
    assert not any(b"Reference" in record for record in part.articles)
    found, rejects = read(
        write(tmp_path / "f.xml", f"<PubmedArticleSet>{records}</PubmedArticleSet>")
    )
    assert (found, rejects) == (["0", "1", "2"], [])


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_broken_record_costs_itself_alone(tmp_path: Path, broken: int) -> None:
    citations = [cite(n) for n in (1, 2, 3)]
    citations[broken - 1] = citations[broken - 1].replace("</Abstract>", "</Abstrakt>")
    found, rejects = read(write(tmp_path / "f.xml", article_set(*citations)))
    assert found == [str(n) for n in (1, 2, 3) if n != broken]
    assert [(r.origin, r.reason) for r in rejects] == [(f"f#{broken}", "broken-xml")]
    assert "Abstrakt" in rejects[0].detail


def test_an_end_tag_within_character_data_cuts_no_record_silently(tmp_path: Path) -> None:
    title = "<![CDATA[a </PubmedArticle> b]]>"
    found, rejects = read(
        write(tmp_path / "f.xml", article_set(cite(1), cite(2, title=title), cite(3)))
    )
    assert found == ["1", "2", "3"] and not rejects


def test_bytes_that_are_not_utf8_cost_their_record(tmp_path: Path) -> None:
    path = tmp_path / "f.xml"
    text = article_set(cite(1), cite(2, title="caf@"), cite(3)).encode()
    path.write_bytes(text.replace(b"caf@", b"caf\xe9"))
    found, rejects = read(path)
    assert found == ["1", "3"]
    assert [(r.origin, r.reason) for r in rejects] == [("f#2", "broken-encoding")]


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "utf-16"])
def test_other_encodings_are_read_where_they_are_declared(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.xml"
    text = article_set(cite(1, title="Caf\u00e9 d\u00e9.")).replace("UTF-8", encoding)
    path.write_bytes(text.encode(encoding))
    (found,) = read_items(path)
    assert isinstance(found, Citation) and found.title == "Caf\u00e9 d\u00e9."


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.xml", article_set(cite(1)).replace("UTF-8", "klingon"))
    with pytest.raises(UserError, match="klingon"):
        list(read_items(path))


def test_markup_without_end_is_rejected_in_bounded_time(tmp_path: Path) -> None:
    deep = "<mml:mrow>" * 50_000 + "x" + "</mml:mrow>" * 50_000
    found, rejects = read(
        write(tmp_path / "f.xml", article_set(cite(1), cite(2, title=deep), cite(3)))
    )
    assert found == ["1", "3"]
    assert [(r.origin, r.reason) for r in rejects] == [("f#2", "too-deep")]


def test_a_gzip_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "RATIO_COUNTS_FROM", 1 << 20)
    squeezer = zlib.compressobj(9, wbits=31)
    packed = b"".join(squeezer.compress(b" " * (1 << 20)) for _ in range(64)) + squeezer.flush()
    path = tmp_path / "f.xml.gz"
    path.write_bytes(packed)
    pieces = []
    with pytest.raises(Damaged, match="more than 250 times"):
        pieces.extend(len(piece) for piece in read_chunks(path))
    assert sum(pieces) < 16 << 20 and max(pieces) <= inflate.MAX_PIECE_BYTES
    with pytest.raises(UserError, match="holds no XML"):
        list(read_items(path))


def test_a_file_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_RECORD_BYTES", 1 << 16)
    path = tmp_path / "f.xml.gz"
    whole = article_set(cite(1)).replace("</PubmedArticleSet>", "<PubmedArticle>")
    path.write_bytes(gzip.compress(whole.encode() + b"x" * (9 << 20)))
    found, rejects = read(path)
    assert found == ["1"]
    assert [(r.origin, r.reason) for r in rejects] == [
        ("f#unknown", "too-large"), ("f", "truncated"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["f.xml", "f.xml.gz"])
def test_a_record_that_is_too_large_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(cutting, "MAX_RECORD_BYTES", 1 << 20)
    long = {n: f"<AbstractText>{'word ' * n}</AbstractText>" for n in (200_000, 220_000, 2_000_000)}
    sizes = {2: 2_000_000, 3: 220_000, 4: 200_000, 6: 2_000_000}
    texts = (cite(n, abstract=long.get(sizes.get(n, 0))) for n in range(1, 8))
    found, rejects = read(write(tmp_path / name, article_set(*texts)))
    assert found == ["1", "4", "5", "7"]
    assert [(r.origin, r.reason) for r in rejects] == [
        ("f#2", "too-large"), ("f#3", "too-large"), ("f#6", "too-large"),
    ]  # fmt: skip


@pytest.mark.parametrize("is_bare", [False, True])
@pytest.mark.parametrize(
    ("num_words", "most", "reason"),
    [
        (1_000, 1 << 19, "broken-xml"),
        (1_000, 6_000, "broken-xml"),  # enough for one, but not with what follows it
        (150_000, 1 << 19, "too-large"),
        (2_000_000, 1 << 19, "too-large"),  # more than is cut at a time
    ],
)
def test_a_record_without_end_costs_no_neighbour_however_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_words: int, most: int, reason: str,
    is_bare: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(cutting, "MAX_RECORD_BYTES", most)
    long = f"<AbstractText>{'word ' * num_words}</AbstractText>"
    citations = [cite(n, abstract=long if n % 2 == 0 else None) for n in range(1, 7)]
    end = "</PubmedArticle>"
    text = article_set(*citations, deleted=((9, 1),))
    if is_bare:
        root, end = "MedlineCitationSet", "</MedlineCitation>"
        deletion = "<DeleteCitation><PMID>9</PMID></DeleteCitation>"
        text = f"<{root}>{''.join(citations)}{deletion}</{root}>"
    pieces = text.split(end)
    path = write(tmp_path / "f.xml", "".join(map(str.__add__, pieces, [end, ""] * 3 + [""])))
    found, rejects = read(path)
    assert found == ["1", "3", "5"]
    assert [(r.origin, r.reason) for r in rejects] == [(f"f#{n}", reason) for n in (2, 4, 6)]
    assert [i.pmid for i in read_items(path) if isinstance(i, Deletion)] == ["9"]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_a_small_file_that_breaks_off_gives_what_is_whole(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.xml.gz"
    text = article_set(*(cite(n) for n in range(1, 30))).replace("UTF-8", encoding)
    packed = gzip.compress(text.encode(encoding), mtime=0)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    found, rejects = read(path)
    assert found == [str(n) for n in range(1, len(found) + 1)] and 0 < len(found) < 29
    assert [(r.origin, r.reason) for r in rejects] == [("f", "truncated")]
