"""Sample citations and articles: one literature in two sources, with every signal of NLM's."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from components.pubmed.medline import Deletion
from components.pubmed.raw_files import find_citation_files
from components.sample.facts import DISEASES
from components.sample.papers import imagine_paper
from tests.components.pubmed.reading import Built, Citation, plain_params, read_items
from tests.components.pubmed.reading import build as build_all
from tests.components.sample.conftest import SMALL, Make, read_json


def build(pubmed: Path, pmc: Path, work: Path, keep_retracted: bool = False) -> Built:
    params = plain_params(keep_retracted=keep_retracted, max_quarantined=0.0)
    corpus = build_all(pubmed, pmc, work, params)
    assert corpus.faults == []
    return corpus


def read_all(folder: Path) -> dict[str, list[Citation | Deletion]]:
    found: dict[str, list[Citation | Deletion]] = {}
    for path in find_citation_files(folder):
        items = list(read_items(path))
        found[path.name] = [i for i in items if isinstance(i, Citation | Deletion)]
        assert len(found[path.name]) == len(items)
    return found


@pytest.fixture
def literature(make: Make) -> tuple[Path, Path]:
    """Four notices and seven articles: one of each kind."""
    sizes = {"num_images": 14, "num_texts": 200}
    return make("pubmed", "pubmed", **sizes), make("pmc_oa", "pmc", **sizes)


def test_the_first_file_has_the_old_root_and_the_others_todays(make: Make) -> None:
    roots = {
        path.name: next(
            root
            for root in (b"<MedlineCitationSet>", b"<PubmedArticleSet>")
            if root in gzip.decompress(path.read_bytes())
        )
        for path in make("pubmed").rglob("*.gz")
    }
    assert roots.pop("medline16n0001.xml.gz") == b"<MedlineCitationSet>"
    assert set(roots.values()) == {b"<PubmedArticleSet>"} and len(roots) == 3


@pytest.mark.parametrize("seed", range(5))
def test_updates_revise_and_delete_what_the_baseline_holds(make: Make, seed: int) -> None:
    found = read_all(make("pubmed", num_texts=60, seed=seed))
    update = found.pop("pubmed26n0003.xml.gz")
    baseline = {i.pmid: i for items in found.values() for i in items if isinstance(i, Citation)}
    revised = [item for item in update if isinstance(item, Citation)]
    deleted = {item.pmid for item in update if isinstance(item, Deletion)}
    assert revised and all(item.text != baseline[item.pmid].text for item in revised)
    assert deleted and deleted <= set(baseline)
    assert not deleted & {item.pmid for item in revised}


def test_a_paper_follows_from_the_seed_and_its_number_alone() -> None:
    papers = [imagine_paper(SMALL, number) for number in range(1, 30)]
    larger = replace(SMALL, num_texts=500, image_px=64)
    assert [imagine_paper(larger, number) for number in range(1, 30)] == papers
    others = [imagine_paper(replace(SMALL, seed=4), number) for number in range(1, 30)]
    assert sum(one.title == other.title for one, other in zip(papers, others, strict=True)) < 5


def test_retractions_and_doubts_come_by_each_signal(
    literature: tuple[Path, Path], tmp_path: Path
) -> None:
    found = [i for items in read_all(literature[0]).values() for i in items]
    citations = [item for item in found if isinstance(item, Citation)]
    notices = [item for item in citations if item.is_notice]
    named = {pmid for notice in notices for pmid in notice.retracts}
    typed = {c.pmid for c in citations if "Retracted Publication" in c.publication_types}
    tied = {c.pmid for c in citations if c.retracted} - typed
    assert (len(typed), len(tied), len(named - typed - tied)) == (1, 1, 1)
    assert {c.pmid for c in citations if c.concern} == {p for c in citations for p in c.doubts}
    corpus = build(*literature, tmp_path)
    gone = {r.origin.rpartition("#")[2] for r in corpus.rejects if r.reason == "retracted"}
    assert {f"{pmid}.1" for pmid in named} <= gone
    assert sum(reject.reason == "retraction-notice" for reject in corpus.rejects) == len(notices)


def test_a_paper_is_the_same_in_both_sources(literature: tuple[Path, Path], tmp_path: Path) -> None:
    corpus = build(*literature, tmp_path, keep_retracted=True)
    printed = {a.pmcid: a for a in corpus.articles if a.kind == "fulltext"}
    cited = {a.pmcid: a for a in corpus.articles if a.kind == "abstract" and a.pmcid}
    assert len(printed) == 7 and len(cited) > 3
    for pmcid, abstract in cited.items():
        article = printed[pmcid]
        assert (article.pmid, article.doi) == (abstract.pmid, abstract.doi)
        title = abstract.title.removeprefix("RETRACTED: ").strip(".[]")
        assert (article.title, article.year) == (title, abstract.year)
        assert article.journal == abstract.journal


def test_one_article_is_revised_one_retracted_and_one_lacks_a_picture(
    literature: tuple[Path, Path], tmp_path: Path
) -> None:
    _, pmc = literature
    records = {path.stem: read_json(path) for path in pmc.rglob("*.json")}
    assert [stem for stem, record in records.items() if record["version"] == 2] == ["PMC90000002.2"]
    retracted = [stem for stem, record in records.items() if record["is_retracted"]]
    assert retracted == ["PMC90000007.1"]
    corpus = build(tmp_path / "no citations", pmc, tmp_path)
    bare = [reject.origin for reject in corpus.rejects if reject.reason == "no-image"]
    assert len(bare) == 1 and "#PMC90000005.1/" in bare[0]
    versions = {a.pmcid: a.version for a in corpus.articles if a.kind == "fulltext"}
    assert versions["PMC90000002"] == 2 and "PMC90000007" not in versions
    assert all(figure.mentions and figure.caption for figure in corpus.figures)
    licences = {a.pmcid: a.licence for a in corpus.articles if a.kind == "fulltext"}
    assert all(records[f"{p}.{versions[p]}"]["license_code"] == licences[p] for p in licences)


def test_every_tenth_article_is_a_package_of_before(make: Make, tmp_path: Path) -> None:
    folder = make("pmc_oa", num_images=20)
    assert [path.parent.name for path in folder.rglob("*.nxml")] == ["PMC90000010"]
    assert not list((folder / "PMC90000010").glob("*.json"))
    corpus = build(tmp_path / "no citations", folder, tmp_path)
    (package,) = [article for article in corpus.articles if article.pmcid == "PMC90000010"]
    figures = [figure for figure in corpus.figures if figure.pmcid == "PMC90000010"]
    assert package.version == 1 and package.licence.startswith("CC BY")
    assert figures and all(figure.image_id for figure in figures)


def test_abstracts_state_facts_of_their_own_disease(
    literature: tuple[Path, Path], tmp_path: Path
) -> None:
    signs = {disease.name: disease for disease in DISEASES}
    stated: Counter[str] = Counter()
    for article in build(*literature, tmp_path).articles:
        for name, disease in signs.items():
            if f"the typical sign of {name} is" in article.text.lower():
                assert f"the typical sign of {name} is {disease.sign}" in article.text.lower()
                stated[name] += 1
    assert len(stated) > 8
