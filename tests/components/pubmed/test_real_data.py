"""Real citation files and articles, where they are: every record read, and read right."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import pytest

from components.config import IngestPubmedParams
from components.pubmed.medline import Deletion
from components.pubmed.pmc import FullText, read_article
from tests.components.pubmed.reading import Citation, build, read_items

CITATION = re.compile(rb"<MedlineCitation[ >]")
DELETED = re.compile(rb"<DeleteCitation>.*</DeleteCitation>", re.DOTALL)
REMNANTS = ("[,", "()", "[]", " .", " ,", "  ", "\ue000", "\ue001", "\ue002")


def find_files(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "pubmed").rglob("*.xml*"))


def read_known(path: Path) -> dict[str, Citation]:
    return {item.pmid: item for item in read_items(path) if isinstance(item, Citation)}


def read_real(shared_data: Path, file: str) -> FullText:
    root = shared_data / "pmc_oa"
    found = read_article(root / file, root)
    assert isinstance(found, FullText)
    return found


def test_as_many_citations_and_deletions_as_the_files_hold(shared_data: Path) -> None:
    total: Counter[type] = Counter()
    for path in find_files(shared_data):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        found = Counter(type(item) for item in read_items(path))
        num_deleted = sum(part.count(b"<PMID") for part in DELETED.findall(content))
        assert found == Counter({
            Citation: len(CITATION.findall(content)), Deletion: num_deleted,
        }), path.name  # fmt: skip
        total += found
    assert total == {Citation: 800, Deletion: 317}


def test_every_citation_has_title_year_journal_and_language(shared_data: Path) -> None:
    for path in find_files(shared_data):
        for item in read_items(path):
            if isinstance(item, Citation):
                assert item.title and item.year > 1900 and item.language and item.journal
                assert "  " not in item.text and "<" not in item.title


def test_a_retraction_note_and_a_title_in_its_own_language_alone(shared_data: Path) -> None:
    known = read_known(shared_data / "pubmed/baseline/pubmed26n1334.xml.gz")
    note, untitled = known["41578200"], known["41605226"]
    assert note.is_notice and not note.retracted and len(note.retracts) == 1
    assert (untitled.title, untitled.language) == (untitled.vernacular_title, "ger")
    assert untitled.vernacular_title.startswith("Kommentar")


def test_versions_of_a_citation_are_told_apart(shared_data: Path) -> None:
    path = shared_data / "pubmed/baseline/pubmed22n1114.xml.gz"
    found = [item for item in read_items(path) if isinstance(item, Citation)]
    assert Counter(item.version for item in found) == {1: 28, 2: 2, 3: 2, 4: 1}
    assert len({(item.pmid, item.version) for item in found}) == len(found)


@pytest.mark.parametrize(
    ("file", "names", "licence", "year", "figures", "chars"),
    [
        ("1471-2180-11-174.nxml", ("21810267", "PMC3166277", "10.1186/1471-2180-11-174"),
         "CC BY 2.0", 2011, 4, 30_000),
        ("cc11003.nxml", ("", "PMC3363814", "10.1186/cc11003"), "CC BY 2.0", 2012, 0, 2_000),
        ("ehp-116-1694.nxml", ("19079722", "PMC2599765", "10.1289/ehp.11570"),
         "public domain", 2008, 3, 25_000),
        ("pntd.0002065.nxml", ("23469300", "PMC3585041", "10.1371/journal.pntd.0002065"),
         "CC BY", 2013, 1, 20_000),
        ("pone.0000217.nxml", ("17299597", "PMC1790863", "10.1371/journal.pone.0000217"),
         "CC BY", 2007, 3, 30_000),
    ],
)  # fmt: skip
def test_articles(
    shared_data: Path,
    file: str,
    names: tuple[str, str, str],
    licence: str,
    year: int,
    figures: int,
    chars: int,
) -> None:
    found = read_real(shared_data, file)
    article = found.article
    assert (article.pmid, article.pmcid, article.doi) == names
    assert (article.licence, article.year, article.language) == (licence, year, "eng")
    assert len(found.figures) == figures
    assert all(figure.caption and figure.mentions and figure.graphic for figure in found.figures)
    assert len(article.text) > chars
    for remnant in REMNANTS:
        assert remnant not in article.text, remnant


def test_references_and_tables_stay_out_of_the_text(shared_data: Path) -> None:
    article = read_real(shared_data, "pone.0000217.nxml").article
    assert article.sections[:3] == ["Background", "Methodology", "Conclusions/Significance"]
    assert not {"References", "Supporting Information"} & set(article.sections)


def test_the_corpus_adds_up_and_repeats(
    shared_data: Path, tmp_path: Path, params: IngestPubmedParams
) -> None:
    folders = shared_data / "pubmed", shared_data / "pmc_oa"
    corpus = build(*folders, tmp_path / "one", params)
    assert corpus == build(*folders, tmp_path / "two", params)
    counts = corpus.corpus.counts()
    assert (counts["fulltexts"], counts["figures"], counts["deletions"]) == (5, 0, 317)
    assert len({a.pmid for a in corpus.articles if a.kind == "abstract"}) == counts["abstracts"]
    assert corpus.faults == []
    assert Counter(reject.reason for reject in corpus.rejects) == {
        "no-abstract": 99, "language": 11, "superseded": 8, "retraction-notice": 1, "too-short": 1,
        "no-image": 11,
    }  # fmt: skip
