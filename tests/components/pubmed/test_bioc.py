"""BioC JSON: full text of BioC-PMC, PubTator's abstracts, and what is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dataset.windows import mark_sections
from components.pubmed.bioc import read_collection
from components.pubmed.passages import parse_json
from components.pubmed.pmc import FullText
from components.pubmed.raw_files import find_collections
from components.records import Reject

FRONT = {
    "article-id_pmc": "5968224", "article-id_pmid": "29575849", "article-id_doi": "10.1/x",
    "license": "CC BY", "name_0": "surname:Roe;given-names:R", "year": "2018", "kwd": "a b",
}  # fmt: skip
PASSAGES = (
    ("TITLE", "front", "A study"),
    ("ABSTRACT", "abstract_title_1", "Aim"),
    ("ABSTRACT", "abstract", "To study."),
    ("INTRO", "title_1", "Introduction"),
    ("INTRO", "paragraph", "It is known [1, 3] in [0, 1]. Figure 2 shows it."),
    ("METHODS", "title_1", "Methods"),
    ("METHODS", "title_2", "Patients"),
    ("METHODS", "paragraph", "We had some."),
    ("FIG", "fig_title_caption", "Of it."),
    ("FIG", "fig_caption", "All of it."),
    ("TABLE", "table_caption", "Ages."),
    ("TABLE", "table", "1 2 3"),
    ("TABLE", "table_footnote", "Years."),
    ("RESULTS", "title_1", "Empty"),
    ("CONCL", "title_1", "Conclusion"),
    ("CONCL", "paragraph", "So it is."),
    ("ABBR", "title", "Abbreviations"),
    ("ABBR", "paragraph", "BP pressure"),
    ("SUPPL", "footnote", "Files."),
    ("REF", "title", "References"),
    ("REF", "ref", "Roe. J. 2001"),
    ("REF", "ref", "Doe. J. 2002"),
    ("REF", "ref", "Poe. J. 2003"),
)


def whole(**changes: Any) -> dict[str, Any]:
    """A document of BioC-PMC; offsets as the service counts them."""
    passages, offset = [], 0
    for section, kind, text in PASSAGES:
        infons = {"section_type": section, "type": kind, **(FRONT if kind == "front" else {})}
        if section in ("FIG", "TABLE"):
            infons |= {"file": f"{section}.jpg", "id": f"x-{section.lower()[0]}002"}
            infons["id"] = "x-g002" if section == "FIG" else "x-t001"
        passages.append({"infons": infons, "offset": offset, "text": text, "annotations": []})
        offset += len(text) + 1
    return {"id": "PMC5968224", "infons": {}, "passages": passages, **changes}


def abstract(**changes: Any) -> dict[str, Any]:
    """A document of PubTator's."""
    passages = [
        {"infons": {"type": "title", "journal": "J. 2017 Jan", "year": "2017",
                    "article-id_pmc": "PMC77"}, "offset": 0, "text": "On genes."},
        {"infons": {"type": "abstract"}, "offset": 10, "text": "Genes [1] are."},
    ]  # fmt: skip
    return {"_id": "28041912|None", "id": "28041912", "passages": passages, **changes}


def read(root: Path, value: Any, name: str = "a.json") -> list[FullText | Reject]:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return list(read_collection(path, root))


def read_one(root: Path, value: Any, name: str = "a.json") -> FullText:
    (found,) = read(root, value, name)
    assert isinstance(found, FullText), found
    return found


def reject(root: Path, value: Any) -> Reject:
    (found,) = read(root, value)
    assert isinstance(found, Reject), found
    return found


@pytest.mark.parametrize("wrap", [
    lambda d: [{"source": "PMC", "documents": [d]}], lambda d: {"documents": [d]}, lambda d: d,
    lambda d: [d], lambda d: {"PubTator3": [d]},
])  # fmt: skip
def test_full_text(tmp_path: Path, wrap: Any) -> None:
    found = read_one(tmp_path, wrap(whole()))
    article = found.article
    assert article.text.split("\n") == [
        "Aim", "To study.", "Introduction", "It is known in [0, 1]. Figure 2 shows it.", "Methods",
        "Patients", "We had some.", "Of it. All of it.", "Ages.", "Conclusion", "So it is.",
    ]  # fmt: skip
    assert article.sections == ["Aim", "Introduction", "Methods", "Patients", "Conclusion"]
    assert (article.title, article.kind, article.year) == ("A study", "fulltext", 2018)
    assert (article.pmid, article.pmcid, article.doi) == ("29575849", "PMC5968224", "10.1/x")
    assert (article.licence, article.language, article.version) == ("CC BY", "eng", 1)
    assert article.origin == "a.json#PMC5968224.1" and len(article.origin_sha256) == 64
    assert mark_sections(article.text, article.sections).count("\n\n") == 4
    assert (found.folder, found.is_notice, article.retracted) == (tmp_path, False, False)


def test_figures_of_a_full_text(tmp_path: Path) -> None:
    found = read_one(tmp_path, whole())
    (figure,) = found.figures
    assert (figure.id, figure.caption) == ("PMC5968224.1/x-g002", "Of it. All of it.")
    assert (figure.graphic, figure.licence, figure.pmcid) == ("FIG.jpg", "CC BY", "PMC5968224")
    assert figure.mentions == ["Figure 2 shows it."]
    assert figure.origin == "a.json#PMC5968224.1/x-g002"


def test_title_and_abstract(tmp_path: Path) -> None:
    article = read_one(tmp_path, abstract(journal="J Genes", date="2016-01-05")).article
    assert (article.kind, article.title, article.text) == (
        "abstract",
        "On genes.",
        "Genes [1] are.",
    )
    assert (article.pmid, article.pmcid, article.journal) == ("28041912", "PMC77", "J Genes")
    assert (article.year, article.licence) == (2017, "NLM terms")
    assert article.origin == "a.json#28041912.1"


def test_a_version_that_a_name_states(tmp_path: Path) -> None:
    assert read_one(tmp_path, whole(), "PMC5968224.3.json").article.version == 3
    assert read_one(tmp_path, whole(id="PMC5968224.2")).article.origin == "a.json#PMC5968224.2"


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ("CC BY-NC-ND", "CC BY-NC-ND"),
        ("cc by nc 4.0", "CC BY-NC 4.0"),
        ("CC0", "CC0"),
        ("CC BY 4.0, no commercial use", "CC BY-NC"),
        ("This is open under https://creativecommons.org/licenses/by-sa/3.0/.", "CC BY-SA 3.0"),
        ("under the Creative Commons Attribution Non-Commercial License", "CC BY-NC"),
        ("author_manuscript", "unknown"),
        ("", "unknown"),
        ("\u0000 CC BY?", "CC BY"),
    ],
)
def test_licences(tmp_path: Path, stated: str, licence: str) -> None:
    document = whole()
    document["passages"][0]["infons"]["license"] = stated
    assert read_one(tmp_path, document).article.licence == licence


@pytest.mark.parametrize(
    ("title", "retracted", "is_notice"),
    [("RETRACTED: It works", True, False), ("Retraction: It works", False, True),
     ("Retraction Note to: It works", False, True), ("Tissue retraction of muscles", False, False)],
)  # fmt: skip
def test_retractions(tmp_path: Path, title: str, retracted: bool, is_notice: bool) -> None:
    document = abstract()
    document["passages"] = [{"infons": {"type": "title"}, "offset": 0, "text": title}]
    found = read_one(tmp_path, document)
    assert (found.article.retracted, found.is_notice) == (retracted, is_notice)


def test_text_of_sentences_stands_in_for_that_of_a_passage(tmp_path: Path) -> None:
    document = abstract()
    document["passages"][1] = {
        "infons": {"type": "abstract"}, "offset": 10,
        "sentences": [{"offset": 10, "text": "One."}, {"offset": 15, "text": "Two."}],
    }  # fmt: skip
    assert read_one(tmp_path, document).article.text == "One. Two."


def broken(**changes: Any) -> dict[str, Any]:
    """A document whose second passage is changed; None takes a key away."""
    document = abstract()
    document["passages"][1] |= changes
    for key in [key for key, value in changes.items() if value is None]:
        del document["passages"][1][key]
    return document


@pytest.mark.parametrize(
    ("value", "origin", "reason"),
    [
        ("{broken", "a.json", "broken-json"),
        ("", "a.json", "broken-json"),
        ("[Error] : No result can be found. <BR>", "a.json", "broken-json"),
        ("[" * 100_000, "a.json", "broken-json"),
        ("{}", "a.json", "not-bioc"),
        ("[]", "a.json", "not-bioc"),
        ("17", "a.json", "not-bioc"),
        ({"documents": []}, "a.json", "not-bioc"),
        ({"pmcid": "PMC1", "license_code": "CC BY"}, "a.json", "not-bioc"),
        ({"documents": [5]}, "a.json#document-1", "broken-document"),
        (abstract(passages=None), "a.json#28041912", "broken-document"),
        (abstract(id="10.1/a", pmid=None), "a.json#10.1/a", ""),
        (abstract(id="10.1/a", passages=[]), "a.json#10.1/a", "no-identifier"),
        (abstract(passages=[1]), "a.json#28041912", "broken-passage"),
        (broken(text=None), "a.json#28041912", "broken-passage"),
        (broken(text=7), "a.json#28041912", "broken-passage"),
        (broken(text="\ud800"), "a.json#28041912", "broken-passage"),
        (broken(infons=None), "a.json#28041912", "broken-passage"),
        (broken(infons=[]), "a.json#28041912", "broken-passage"),
        (broken(text=None, sentences=[{"offset": 1}]), "a.json#28041912", "broken-passage"),
        (broken(offset=None), "a.json#28041912", "broken-offset"),
        (broken(offset="10"), "a.json#28041912", "broken-offset"),
        (broken(offset=True), "a.json#28041912", "broken-offset"),
        (broken(offset=-1), "a.json#28041912", "broken-offset"),
        (broken(offset=8), "a.json#28041912", "broken-offset"),
    ],
)  # fmt: skip
def test_what_is_broken_names_file_and_document(
    tmp_path: Path, value: Any, origin: str, reason: str
) -> None:
    (found,) = read(tmp_path, value)
    if not reason:  # a PMCID is a name as well
        assert isinstance(found, FullText) and found.article.origin == "a.json#PMC77.1"
        return
    assert isinstance(found, Reject) and (found.origin, found.reason) == (origin, reason)


def test_a_broken_document_does_not_stop_the_rest(tmp_path: Path) -> None:
    unnamed = {**broken(text=None), "id": "9#9"}
    documents = [abstract(), broken(offset=8), whole(id="half \ud800"), unnamed]
    found = read(tmp_path, [{"documents": documents}, {"documents": [whole()]}])
    origins = [item.origin if isinstance(item, Reject) else item.article.origin for item in found]
    assert origins == [
        "a.json#28041912.1", "a.json#28041912", "a.json#PMC5968224.1", "a.json#9-9",
        "a.json#PMC5968224.1",
    ]  # fmt: skip


def test_a_document_a_line(tmp_path: Path) -> None:
    lines = [json.dumps(abstract()), "", "{broken}", json.dumps(whole())]
    first, second, third = read(tmp_path, "\n".join(lines))
    assert isinstance(first, FullText) and isinstance(third, FullText)
    assert second == Reject("a.json:3", "broken-json", second.detail)  # type: ignore[union-attr]
    assert third.article.origin == "a.json:4#PMC5968224.1"


def test_a_file_that_is_no_text_or_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    (found,) = read_collection(tmp_path / "a.json", tmp_path)
    assert isinstance(found, Reject) and found.reason == "broken-json"
    monkeypatch.setattr("components.pubmed.json_files.MAX_BYTES", 10)
    assert reject(tmp_path, abstract()).reason == "too-large"


@pytest.mark.parametrize("value", [[[]] * 600_000, [{}] * 600_000, ["ab"] * 1_500_000])
def test_values_that_would_fill_the_memory_are_not_parsed(tmp_path: Path, value: Any) -> None:
    found = reject(tmp_path, {"documents": value})
    assert (found.origin, found.reason) == ("a.json", "too-large")


def test_a_document_with_too_much_text_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.pubmed.passages.MAX_CHARS", 100)
    long = abstract(id="7")
    long["passages"][1]["text"] = "word " * 20
    first, second = read(tmp_path, [long, abstract()])
    assert isinstance(first, Reject) and isinstance(second, FullText)
    assert (first.origin, first.reason) == ("a.json#7", "too-large")


def test_a_large_file_is_read_where_it_has_a_document_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.dumps(abstract())
    monkeypatch.setattr("components.pubmed.json_files.MAX_BYTES", len(document) + 1)
    lines = [document, "", "{broken}", document + " " * len(document) * 3, document]
    first, broken, long, last = read(tmp_path, "\n".join(lines))
    assert isinstance(first, FullText) and isinstance(last, FullText)
    assert first.article.origin.startswith("a.json:1#")
    assert last.article.origin.startswith("a.json:5#")
    assert isinstance(broken, Reject) and isinstance(long, Reject)
    assert (broken.origin, broken.reason) == ("a.json:3", "broken-json")
    assert (long.origin, long.reason) == ("a.json:4", "too-large")
    (pretty,) = read(tmp_path, json.dumps([abstract()] * 3, indent=1))
    assert isinstance(pretty, Reject)
    assert (pretty.origin, pretty.reason) == ("a.json", "too-large")


def test_metadata_of_articles_is_no_collection(tmp_path: Path) -> None:
    for name in ("b/c.json", "a.json", "PMC1.1.json", "PMC1.1.xml", "metadata/PMC2.1.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = [path.relative_to(tmp_path).as_posix() for path in find_collections(tmp_path)]
    assert found == ["a.json", "b/c.json"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 20) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["documents", "passages", "infons", "offset", "text", "id", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_gives_records_or_rejects(tmp_path_factory: Any, value: Any) -> None:
    root = tmp_path_factory.mktemp("any")
    found = read(root, value)
    assert found and all(isinstance(item, FullText | Reject) for item in found)


@given(st.binary(max_size=40))
def test_any_bytes_give_one_value_at_least(content: bytes) -> None:
    for place, value in parse_json(content, "x"):
        assert place.startswith("x") and (not isinstance(value, Reject) or value.reason)


def test_real_documents(shared_data: Path) -> None:
    root = shared_data / "bioc_json"
    paths = find_collections(root)
    assert len(paths) == 5
    for path in paths:
        (found,) = read_collection(path, root)
        assert isinstance(found, FullText)
        article = found.article
        assert article.kind == "abstract" and article.pmid.isdigit() and article.year > 2015
        assert path.stem.replace("_", "/", 1) == article.doi
        assert len(article.text) > 1000 and article.journal in ("Mol Cell", "Nat Cell Biol")
