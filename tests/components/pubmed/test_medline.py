"""Citation files: both roots, deletions, damage, checksums, and what a citation says."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from components.errors import UserError
from components.pubmed import cutting, medline
from components.pubmed.citation import parse_citations
from components.pubmed.medline import Deletion, read_citations
from components.records import Reject
from tests.components.pubmed.conftest import DOCTYPE, LONG, article_set, cite, write
from tests.components.pubmed.reading import Citation, read_items


def read_one(tmp_path: Path, citation: str) -> Citation:
    (found,) = read_items(write(tmp_path / "one.xml", article_set(citation)))
    assert isinstance(found, Citation)
    return found


@pytest.mark.parametrize("suffix", [".xml", ".xml.gz"])
def test_both_roots_and_both_suffixes(tmp_path: Path, suffix: str) -> None:
    new = article_set(cite(1), cite(2, version=3), deleted=((9, 1), (8, 2)))
    old = (
        f"<MedlineCitationSet>{cite(1)}{cite(2, version=3)}<DeleteCitation>"
        '<PMID Version="1">9</PMID><PMID Version="2">8</PMID></DeleteCitation></MedlineCitationSet>'
    )
    for number, text in enumerate((new, old)):
        items = list(read_items(write(tmp_path / f"{number}{suffix}", text), "f"))
        assert [(i.pmid, i.version) for i in items if not isinstance(i, Reject)] == [
            ("1", 1), ("2", 3), ("9", 1), ("8", 2),
        ]  # fmt: skip
        assert [type(item) for item in items] == [Citation, Citation, Deletion, Deletion]
        assert items[0].origin == "f#1.1"


def test_structured_abstract_keeps_labels_and_order(tmp_path: Path) -> None:
    found = read_one(
        tmp_path,
        cite(
            1,
            abstract='<AbstractText Label="BACKGROUND">Why <i>so</i>.</AbstractText>'
            '<AbstractText Label="UNLABELLED">Then.</AbstractText>'
            '<AbstractText Label="RESULTS"/><AbstractText>End.</AbstractText>'
            "<CopyrightInformation>(c) Us</CopyrightInformation>",
        ),
    )
    assert found.text == "BACKGROUND: Why so.\nThen.\nEnd."
    assert (found.sections, found.licence) == (["BACKGROUND"], "(c) Us")


def test_other_abstracts_stay_apart(tmp_path: Path) -> None:
    extra = (
        '<OtherAbstract Type="Publisher" Language="fre"><AbstractText>Non.</AbstractText>'
        "</OtherAbstract>"
    )
    found = read_one(tmp_path, cite(1, abstract="", extra=extra))
    other = {"language": "fre", "kind": "Publisher", "text": "Non."}
    assert (found.text, found.other_abstracts) == ("", [other])


def test_fields_of_a_citation(tmp_path: Path) -> None:
    citation = cite(12, doi="10.1/x", language="ita", title="[Vaccines <i>are</i> drugs].")
    citation = citation.replace(
        "</ArticleTitle>",
        "</ArticleTitle><VernacularTitle>I vaccini.</VernacularTitle><AuthorList><Author><LastName>"
        "Roe</LastName><ForeName>Ann B</ForeName></Author><Author><CollectiveName>The Group"
        "</CollectiveName></Author></AuthorList>",
    ).replace(
        "</MedlineCitation>",
        "<MeshHeadingList><MeshHeading><DescriptorName>Liver</DescriptorName><QualifierName>x"
        "</QualifierName></MeshHeading><MeshHeading><DescriptorName>Humans</DescriptorName>"
        "</MeshHeading></MeshHeadingList></MedlineCitation><PubmedData><ArticleIdList><ArticleId "
        'IdType="pmc">PMC77</ArticleId></ArticleIdList><ReferenceList><Reference><ArticleIdList>'
        '<ArticleId IdType="pmc">PMC99</ArticleId></ArticleIdList></Reference></ReferenceList>'
        "</PubmedData>",
    )
    found = read_one(tmp_path, citation)
    assert (found.title, found.vernacular_title) == ("[Vaccines are drugs].", "I vaccini.")
    assert found.authors == ["Ann B Roe", "The Group"]
    assert (found.mesh, found.language, found.year) == (["Liver", "Humans"], "ita", 2020)
    assert (found.doi, found.pmcid, found.journal) == ("10.1/x", "PMC77", "J of Tests")


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("<Year>1976</Year>", 1976),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", 1998),
        ("<MedlineDate>Winter 2001</MedlineDate>", 2001),
        ("<Season>Spring</Season>", 0),
    ],
)
def test_year(tmp_path: Path, date: str, year: int) -> None:
    assert read_one(tmp_path, cite(1).replace("<Year>2020</Year>", date)).year == year


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False, False)),
        ({"types": ("Retracted Publication",)}, (True, False, False)),
        ({"comments": (("RetractionIn", 5),)}, (True, False, False)),
        ({"comments": (("RetractedandRepublishedIn", 5),)}, (True, False, False)),
        ({"title": "RETRACTED: A study."}, (True, False, False)),
        ({"title": "[Retracted article] A study."}, (True, False, False)),
        ({"title": "Retracted publications in dentistry: a survey."}, (False, False, False)),
        ({"comments": (("RetractionOf", 5),)}, (False, True, False)),
        ({"types": ("Retraction of Publication",)}, (False, True, False)),
        ({"types": ("Retraction Notice",), "title": "Retracted: A study."}, (False, True, False)),
        ({"comments": (("ExpressionOfConcernIn", 5),)}, (False, False, True)),
        ({"comments": (("CommentIn", 5),)}, (False, False, False)),
    ],
)
def test_retraction_notice_and_concern(
    tmp_path: Path, changes: Any, expected: tuple[bool, bool, bool]
) -> None:
    found = read_one(tmp_path, cite(1, **changes))
    assert (found.retracted, found.is_notice, found.concern) == expected


def test_notices_name_what_they_are_about(tmp_path: Path) -> None:
    comments = (("RetractionOf", 5), ("RetractionOf", 6), ("ExpressionOfConcernFor", 7))
    found = read_one(tmp_path, cite(1, comments=comments))
    assert (found.retracts, found.doubts) == (["5", "6"], ["7"])


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        ("<MedlineCitation><Article/></MedlineCitation>", "no PMID"),
        ('<MedlineCitation><PMID Version="1">7</PMID></MedlineCitation>', "PMID 7 has no Article"),
        (
            "<MedlineCitation><PMID>x</PMID><Article/></MedlineCitation>",
            "PMID 'x' is no number of up to nine digits",
        ),
        (
            "<MedlineCitation><PMID>7²</PMID><Article/></MedlineCitation>",
            "PMID '7²' is no number of up to nine digits",
        ),
    ],
)
def test_broken_citations_are_rejected_and_the_rest_is_read(
    tmp_path: Path, broken: str, detail: str
) -> None:
    text = article_set(cite(1), broken, cite(2))
    first, last, reject = read_items(write(tmp_path / "f.xml", text))
    assert isinstance(first, Citation) and isinstance(last, Citation)
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.detail) == ("broken-citation", detail)


def test_books_are_no_citations(tmp_path: Path) -> None:
    book = (
        "<PubmedBookArticle><BookDocument><PMID Version='1'>3</PMID></BookDocument>"
        "</PubmedBookArticle></PubmedArticleSet>"
    )
    text = article_set(cite(1)).replace("</PubmedArticleSet>", book)
    _, reject = read_items(write(tmp_path / "f.xml", text), "f")
    assert reject == Reject("f#3.1", "book", "a book chapter, not a citation")


@pytest.mark.parametrize(
    "entities",
    [
        '<!ENTITY s SYSTEM "{secret}">',
        '<!ENTITY % s SYSTEM "{secret}"> %s;',
        '<!ENTITY a "BOOM"><!ENTITY s "&a;&a;&a;">',
    ],
    ids=["external", "external parameter", "bomb"],
)
def test_a_file_that_defines_entities_is_refused(tmp_path: Path, entities: str) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    secret = (tmp_path / "secret.txt").as_uri()
    head = DOCTYPE.replace('.dtd">', f'.dtd" [{entities.format(secret=secret)}]>')
    text = article_set(cite(1, abstract="<AbstractText>x &s; y</AbstractText>"))
    path = write(tmp_path / "f.xml", text.replace(DOCTYPE, head))
    with pytest.raises(UserError, match="entities of its own"):
        list(read_items(path))


@pytest.mark.parametrize("suffix", [".xml", ".xml.gz"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_truncated_file_gives_what_is_whole(tmp_path: Path, suffix: str, share: float) -> None:
    noise = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(400)]
    texts = [cite(n + 1, abstract=f"<AbstractText>{x}</AbstractText>") for n, x in enumerate(noise)]
    path = write(tmp_path / f"f{suffix}", article_set(*texts))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    *citations, reject = read_items(path, "f")
    assert isinstance(reject, Reject) and (reject.origin, reject.reason) == ("f", "truncated")
    pmids = [int(item.pmid) for item in citations if isinstance(item, Citation)]
    assert pmids == list(range(1, len(pmids) + 1))
    assert abs(len(pmids) - 400 * share) < 12


def test_broken_xml_part_way(tmp_path: Path) -> None:
    text = article_set(cite(1), cite(2), cite(3)).replace('">3</PMID>', '">3</Pmid>')
    *citations, reject = read_items(write(tmp_path / "f.xml", text), "f")
    assert [item.pmid for item in citations if isinstance(item, Citation)] == ["1", "2"]
    assert isinstance(reject, Reject) and reject.reason == "broken-xml"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html><body>Not found</body></html>", b"<PubmedArticleSet><PubmedArt", b"\x1f\x8bjunk",
     gzip.compress(article_set(cite(1)).encode(), mtime=0)[:60], b"plain words"],
    ids=["nothing", "a page", "cut off", "no gzip", "half a gzip", "words"],
)  # fmt: skip
def test_a_file_that_gives_nothing_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.xml.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"f\.xml\.gz"):
        list(read_items(path))


def test_an_empty_answer_is_no_error(tmp_path: Path) -> None:
    assert list(read_items(write(tmp_path / "f.xml", article_set()))) == []


@pytest.mark.parametrize(
    "form", ["MD5({name})= {md5}\n", "MD5 ({name}) = {md5}", "{md5}  {name}\n"]
)
def test_md5_beside_the_file(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "f.xml.gz", article_set(cite(1)))
    right = hashlib.md5(path.read_bytes()).hexdigest()
    beside = tmp_path / "f.xml.gz.md5"
    beside.write_text(form.format(name=path.name, md5=right))
    assert len(list(read_items(path))) == 1
    beside.write_text(form.format(name=path.name, md5="0" * 32))
    with pytest.raises(UserError, match=right):
        list(read_items(path))


def test_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    text = article_set(cite(1), cite(2)).encode()
    path = tmp_path / "f.xml.gz"
    path.write_bytes(gzip.compress(text[:300]) + gzip.compress(text[300:]) + b"\0" * 8)
    assert len(list(read_items(path))) == 2


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "BUFFER_BYTES", 1 << 16)
    monkeypatch.setattr(cutting, "PART_WEIGHT", 6 << 20)

    def peak(num: int) -> int:
        path = write(tmp_path / f"{num}.xml", article_set(*(cite(n + 1) for n in range(num))))
        tracemalloc.start()
        assert sum(map(len, read_citations(path))) == num
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)  # what the first parse loads
    assert peak(8000) < 1.5 * peak(2000)


@pytest.mark.parametrize("rich", ["", "<i>si</i>", "<mml:mi>si</mml:mi>"])
def test_other_abstracts_keep_their_labels(tmp_path: Path, rich: str) -> None:
    extra = (
        '<OtherAbstract Type="AAMC"/><KeywordList><Keyword>k</Keyword></KeywordList>'
        '<OtherAbstract Type="Publisher" Language="ita"><AbstractText Label="SCOPO">Perche'
        f' {rich}</AbstractText><AbstractText Label="UNLABELLED">Poi.</AbstractText>'
        "</OtherAbstract>"
    )
    found = read_one(tmp_path, cite(1, extra=extra))
    assert found.text == LONG.format(1)
    text = f"SCOPO: Perche{' si' if rich else ''}\nPoi."
    assert found.other_abstracts[-1] == {"language": "ita", "kind": "Publisher", "text": text}


def test_the_name_of_an_element_within_a_text_hides_no_markup(tmp_path: Path) -> None:
    text = "<AbstractText>An AbstractText is <mml:mi>rich</mml:mi>.</AbstractText>"
    assert read_one(tmp_path, cite(1, abstract=text)).text == "An AbstractText is rich."


def test_what_begins_is_counted(tmp_path: Path) -> None:
    """A record without an end is told with its PMID, and costs no other."""
    new = article_set(cite(1), cite(2), cite(3)).replace("</PubmedArticle>", "", 1)
    old = f"<MedlineCitationSet>{cite(1)}{cite(2)}{cite(3)}</MedlineCitationSet>"
    for text in (new, old.replace("</MedlineCitation>", "", 1)):
        items = read_items(write(tmp_path / "f.xml", text), "f")
        assert [item.pmid for item in items if isinstance(item, Citation)] == ["2", "3"]
        rejects = [item for item in items if isinstance(item, Reject)]
        assert [(r.origin, r.reason) for r in rejects] == [("f#1", "broken-xml")]


@pytest.mark.parametrize("foreign", ["<Note>n</Note>\n", "x"])
def test_what_is_foreign_between_records_costs_none(tmp_path: Path, foreign: str) -> None:
    text = article_set(*(cite(n) for n in range(1, 5)))
    text = text.replace("\n<PubmedArticle>", f"\n{foreign}<PubmedArticle>")
    items = read_items(write(tmp_path / "f.xml", text))
    assert [item.pmid for item in items if isinstance(item, Citation)] == ["1", "2", "3", "4"]
    assert len(items) == 4


def test_a_pmid_of_ten_digits_is_named(tmp_path: Path) -> None:
    *_, reject = read_items(write(tmp_path / "f.xml", article_set(cite(1234567890), cite(2))), "f")
    detail = "PMID '1234567890' is no number of up to nine digits"
    assert reject == Reject("f#1234567890", "broken-citation", detail)


def test_references_hide_no_record(tmp_path: Path) -> None:
    data = "<PubmedData><ReferenceList><Reference/></ReferenceList></PubmedData>"
    text = article_set(cite(1), cite(2)).replace("</PubmedArticle>", data, 1)
    items = read_items(write(tmp_path / "f.xml", text), "f")
    assert [item.origin for item in items] == ["f#2.1", "f#1"]  # the second is whole


def test_a_last_record_without_an_end_is_told(tmp_path: Path) -> None:
    text = article_set(cite(1), cite(2))
    last = text.rindex("</PubmedArticle>")
    text = text[:last] + text[last + len("</PubmedArticle>") :]
    *_, reject = read_items(write(tmp_path / "f.xml", text), "f")
    assert reject == Reject("f", "truncated", "the last record has no end")


@pytest.mark.parametrize("between", ["<?pi x?>", "<!-- a comment -->", f"<!-- {cite(9)} -->"])
def test_what_stands_between_records_is_no_record(tmp_path: Path, between: str) -> None:
    text = article_set(cite(1), cite(2), cite(3))
    text = text.replace("\n<PubmedArticle>", f"\n{between}<PubmedArticle>")
    items = read_items(write(tmp_path / "f.xml", text))
    assert [item.pmid for item in items if isinstance(item, Citation)] == ["1", "2", "3"]
    assert len(items) == 3


def test_what_is_empty_or_odd_is_told(tmp_path: Path) -> None:
    text = article_set(cite(1)).replace(
        "</PubmedArticleSet>",
        '<PubmedArticle/><PubmedBookArticle/><DeleteCitation><PMID Version="x">7</PMID><PMID>'
        "99999999999</PMID></DeleteCitation></PubmedArticleSet>",
    )
    items = read_items(write(tmp_path / "f.xml", text), "f")
    assert [item for item in items if isinstance(item, Deletion)] == [Deletion("7", 1)]
    assert [(i.origin, i.reason) for i in items if isinstance(i, Reject)] == [
        ("f#unknown", "broken-citation"), ("f#unknown", "book"),
        ("f#DeleteCitation", "broken-deletion"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["hex", "rot13", "zlib", "unicode_escape", "punycode", "utf-16"])
def test_encodings_that_are_no_text(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "f.xml", article_set(cite(1)).replace("UTF-8", name))
    with pytest.raises(UserError, match=r"encoding|utf-16|no XML"):
        read_items(path)


@pytest.mark.parametrize(
    "inner", ["", "<!-- c -->", "<CopyrightInformation>c</CopyrightInformation>"]
)
def test_an_empty_other_abstract_goes_to_nobody(tmp_path: Path, inner: str) -> None:
    other = '<OtherAbstract Type="{}" Language="{}">{}</OtherAbstract>'
    full = "<AbstractText>Texto.</AbstractText><AbstractText Label='FIN'><b>x</b>y</AbstractText>"
    text = article_set(
        cite(1, extra=other.format("Publisher", "fre", inner)),
        cite(2, extra=other.format("plain-language-summary", "spa", full)),
    )
    first, second = (
        item for item in read_items(write(tmp_path / "f.xml", text)) if isinstance(item, Citation)
    )
    assert first.other_abstracts == []
    assert second.other_abstracts == [
        {"language": "spa", "kind": "plain-language-summary", "text": "Texto.\nFIN: xy"}
    ]


def test_a_vernacular_title_of_nothing_but_markup_is_read(tmp_path: Path) -> None:
    title = "<VernacularTitle><i>Titolo intero.</i></VernacularTitle></Article>"
    text = article_set(cite(1, title="")).replace("</Article>", title)
    (found,) = read_items(write(tmp_path / "f.xml", text))
    assert isinstance(found, Citation)
    assert (found.title, found.vernacular_title) == ("Titolo intero.", "Titolo intero.")


def test_long_citations_are_read_alone_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one takes in memory is many times its length: twelve together would take too much."""
    read: list[list[str]] = []

    def watch(records: Sequence[bytes]) -> pl.DataFrame:
        found = parse_citations(records)
        read.append(found["pmid"].to_list())
        return found

    monkeypatch.setattr(medline, "parse_citations", watch)
    monkeypatch.setattr(medline, "LONG_BYTES", 2_000)
    long = f"<AbstractText>{'word ' * 400}</AbstractText>"
    texts = {3: long, 4: long, 7: long}
    path = write(
        tmp_path / "f.xml", article_set(*(cite(n, abstract=texts.get(n)) for n in range(1, 9)))
    )
    found = [item.pmid for item in read_items(path) if isinstance(item, Citation)]
    assert read == [["1", "2"], ["3"], ["4"], ["5", "6"], ["7"], ["8"]]
    assert found == [str(n) for n in range(1, 9)]
