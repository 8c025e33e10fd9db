"""What was read is not read again, and what comes out does not depend on what was read when."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from components.config import IngestPubmedParams
from components.errors import UserError
from components.lineage import QUARANTINE
from components.pubmed import readings
from components.pubmed.readings import AFTER_READING, REPORT, read_unit
from components.pubmed.units import find_units
from components.records import Figure, ImageRecord, Reject, read_records
from tests.components.pubmed.conftest import LONG, article_set, cite, jats, write
from tests.components.pubmed.reading import build
from tests.components.pubmed.test_corpus import bioc
from tests.components.pubmed.test_pmc import picture

FIG = "<fig id='F1'><caption><p>A caption.</p></caption><graphic xlink:href='one'/></fig>"
COPY = " ".join(f"word{n}" for n in range(60))


def abstract(text: str) -> str:
    return f"<AbstractText>{text}</AbstractText>"


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def first_files(root: Path) -> None:
    write(root / "pubmed/baseline/pubmed26n0001.xml.gz", article_set(cite(1), cite(2), cite(3)))
    write(root / "pubmed/baseline/pubmed26n0002.xml.gz", article_set(cite(4), cite(5)))
    write(root / "pmc/PMC7.1/PMC7.1.xml", jats("7", f"<p>{LONG.format('{}')}</p>{FIG}"))
    (root / "pmc/PMC7.1/one.png").write_bytes(picture())


def update_files(root: Path) -> None:
    revised = cite(2, abstract=abstract(LONG.format("revised")))
    deleted = ((3, 1),)
    retracts = cite(9, comments=(("RetractionOf", 4),))
    write(
        root / "pubmed/updates/pubmed26n0003.xml.gz",
        article_set(revised, retracts, deleted=deleted),
    )
    write(root / "pmc/PMC7.2/PMC7.2.xml", jats("7", f"<p>{LONG.format('two')}</p>{FIG}"))
    write(root / "pmc/PMC1008.1/PMC1008.1.xml", jats("1008", f"<p>{LONG.format('8')}</p>"))


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    for name in ("read_citations", "read_articles"):
        read = getattr(readings, name)

        def watched(path: Path, *arguments: object, read: object = read) -> object:
            seen.append(path.name)
            return read(path, *arguments)  # type: ignore[operator]

        monkeypatch.setattr(readings, name, watched)
    return seen


def test_an_update_reads_only_what_is_new_and_equals_a_full_rebuild(
    tmp_path: Path, params: IngestPubmedParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = params.model_copy(update={"near_duplicates": True})
    first_files(tmp_path)
    folders, work = (tmp_path / "pubmed", tmp_path / "pmc"), tmp_path / "work"
    build(*folders, work, params)
    update_files(tmp_path)
    seen = count_reads(monkeypatch)
    updated = build(*folders, work, params)
    assert sorted(seen) == [
        "PMC1008.1.xml", "PMC7.1.xml", "PMC7.2.xml", "pubmed26n0003.xml.gz",
    ]  # fmt: skip  # PMC7.1 shares a unit with PMC7.2
    anew = build(*folders, tmp_path / "anew", params)
    assert files_of(work / "out") == files_of(tmp_path / "anew/out")
    assert updated == anew
    assert [a.pmid for a in updated.articles if a.kind == "abstract"] == ["1", "2", "5"]
    assert Counter(reject.reason for reject in updated.rejects) == {
        "superseded": 2, "deleted": 1, "retracted": 1, "retraction-notice": 1,
        "unused-article": 1, "no-image": 1,
    }  # fmt: skip


def test_a_collection_that_becomes_metadata_leaves_its_reading(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    pubmed, pmc = tmp_path / "pubmed", tmp_path / "pmc"
    for number in (10, 11):
        write(pmc / f"PMC{number}.json", bioc("", str(number), "A title", LONG.format(number)))
    assert len(build(pubmed, pmc, tmp_path / "work", params).articles) == 2
    write(pmc / "PMC10.xml", jats("10"))
    updated = build(pubmed, pmc, tmp_path / "work", params)
    assert updated == build(pubmed, pmc, tmp_path / "anew", params)
    assert files_of(tmp_path / "work/out") == files_of(tmp_path / "anew/out")
    assert [(article.pmcid, article.origin) for article in updated.articles] == [
        ("PMC10", "PMC10.xml#PMC10.1"), ("PMC11", "PMC11.json#PMC11.1"),
    ]  # fmt: skip
    assert not updated.rejects


def test_files_that_go_take_their_readings_with_them(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    first_files(tmp_path)
    folders = tmp_path / "pubmed", tmp_path / "pmc"
    build(*folders, tmp_path / "work", params)
    (tmp_path / "pubmed/baseline/pubmed26n0002.xml.gz").unlink()
    left = build(*folders, tmp_path / "work", params)
    assert [a.pmid for a in left.articles if a.kind == "abstract"] == ["1", "2", "3"]
    assert len(list((tmp_path / "work/readings").rglob(REPORT))) == 2


@pytest.mark.parametrize(
    "change",
    [
        "article",
        "image",
        "metadata",
        "new image",
        "better image",
        "reader",
        "half",
        "broken",
        "cut",
    ],
)
def test_a_unit_is_read_again_when_anything_of_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder = tmp_path / "pmc/PMC7.1"
    body = f"<p>{LONG}</p>{FIG}" + FIG.replace("F1", "F2").replace("one", "two")
    path = write(folder / "PMC7.1.xml", jats("7", body))
    (folder / "one.png").write_bytes(picture())
    (unit,) = find_units(tmp_path / "none", tmp_path / "pmc")
    read = partial(read_unit, unit, tmp_path / "readings", 1000, near_duplicates=False)
    first = read()
    seen = count_reads(monkeypatch)
    assert read() == first and not seen
    if change == "article":
        write(path, jats("7", body.replace("A caption", "Another")))
    elif change == "image":
        (folder / "one.png").write_bytes(picture(colour=9))
    elif change == "metadata":
        write(folder / "PMC7.1.json", '{"is_retracted": true}')
    elif change == "new image":
        (folder / "two.png").write_bytes(picture())
    elif change == "better image":
        (folder / "one.jpg").write_bytes(picture())
    elif change == "broken":
        (tmp_path / "readings" / unit.name / REPORT).write_text("{")
    elif change == "cut":
        (tmp_path / "readings" / unit.name / "articles.parquet").write_bytes(b"")
    elif change == "reader":
        monkeypatch.setattr(readings, "hash_reader", lambda: "another")
    else:
        (tmp_path / "readings" / unit.name / REPORT).unlink()  # killed before the end
    again = read()
    assert seen == ["PMC7.1.xml"]
    assert (again == first) == (change in ("half", "broken", "cut"))


def test_every_module_that_reads_counts_as_the_reader() -> None:
    room = Path(readings.__file__).parent
    reached, waiting = set(), ["medline", "pmc", "bioc", "near_duplicates", "shards"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        text = (room / f"{name}.py").read_text()
        waiting += [
            path.stem
            for path in room.glob("*.py")
            if f"components.pubmed.{path.stem} import" in text and path.stem not in reached
        ]
    assert reached & AFTER_READING <= {"near_duplicates"}  # its library is pinned, its keys golden


def test_one_bad_file_does_not_stop_the_rest(
    tmp_path: Path, params: IngestPubmedParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_files(tmp_path)
    bad = tmp_path / "pubmed/baseline/pubmed26n0002.xml.gz"
    whole = bad.read_bytes()
    bad.write_bytes(b"<html>Not found</html>")
    folders = tmp_path / "pubmed", tmp_path / "pmc"
    with pytest.raises(UserError, match=r"1 of 3 .*\n.*pubmed26n0002"):
        build(*folders, tmp_path / "work", params)
    lenient = params.model_copy(update={"max_unreadable_files": 1})
    built = build(*folders, tmp_path / "lenient", lenient)
    assert len(built.articles) == 4
    (told,) = (reject for reject in built.rejects if reject.reason == "unreadable")
    assert told.origin == "baseline/pubmed26n0002.xml.gz" and "root is <html>" in told.detail
    bad.write_bytes(whole)
    seen = count_reads(monkeypatch)
    assert len(build(*folders, tmp_path / "work", params).articles) == 6
    assert seen == ["pubmed26n0002.xml.gz"]


def test_what_says_nearly_the_same_is_left_out(tmp_path: Path, params: IngestPubmedParams) -> None:
    changed = COPY.replace("word30", "other")
    texts = {1: COPY, 2: changed, 3: COPY, 4: " ".join(f"else{n}" for n in range(60))}
    write(
        tmp_path / "pubmed/pubmed26n0001.xml",
        article_set(*(cite(n, abstract=abstract(text)) for n, text in texts.items())),
    )
    for wanted, left in ((True, ["1", "4"]), (False, ["1", "2", "4"])):
        found = build(
            tmp_path / "pubmed", tmp_path / "none", tmp_path / "work",
            params.model_copy(update={"near_duplicates": wanted}),
        )  # fmt: skip
        assert [article.pmid for article in found.articles] == left
    told = {reject.reason: reject.detail for reject in found.rejects}
    assert told == {"duplicate": "same text as pubmed26n0001.xml#1.1"}


def test_figures_that_all_repeat_one_text_are_told(
    tmp_path: Path, params: IngestPubmedParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MAX_CHARS", 100_000)
    figure = "<fig><label>Figure 1</label><caption><p>A caption.</p></caption></fig>"
    text = f"<p>{LONG} {' '.join(f'In case {n} see Figure 1.' for n in range(300))}</p>"
    for number, num_figures in ((1, 1), (2, 200)):
        write(tmp_path / f"pmc/PMC{number}.xml", jats(str(number), text + figure * num_figures))
    found = build(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", params)
    assert [article.pmcid for article in found.articles] == ["PMC1"]
    assert [(r.origin, r.reason) for r in found.faults] == [("PMC2.xml#PMC2.1", "too-large")]


def test_only_what_may_be_sold(tmp_path: Path, params: IngestPubmedParams) -> None:
    lines = {1: "(c) Us.", 2: "Published under CC BY 4.0.", 3: "", 4: "This is CC BY-NC-ND."}
    element = "<CopyrightInformation>{}</CopyrightInformation>"
    citations = (
        cite(n, abstract=abstract(LONG.format(n)) + element.format(line))
        for n, line in lines.items()
    )
    write(tmp_path / "pubmed/a.xml", article_set(*citations))
    for number, code in ((5, "CC BY-NC"), (6, "CC BY-SA"), (7, "CC0"), (8, "TDM")):
        write(
            tmp_path / f"pmc/PMC{number}.1.xml", jats(str(number), f"<p>{LONG.format(number)}</p>")
        )
        write(tmp_path / f"pmc/PMC{number}.1.json", f'{{"license_code": "{code}"}}')
    found = build(
        tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work",
        params.model_copy(update={"licences": "commercial-only"}),
    )  # fmt: skip
    assert [a.pmid or a.pmcid for a in found.articles] == ["2", "PMC6", "PMC7"]
    assert Counter(reject.reason for reject in found.rejects) == {"licence": 5}
    shutil.rmtree(tmp_path / "work")


def test_a_figure_is_held_to_its_own_licence(tmp_path: Path, params: IngestPubmedParams) -> None:
    link = "<permissions><license xlink:href='https://creativecommons.org/licenses/{}/4.0/'/>"
    article, own = (link.format(code) + "</permissions>" for code in ("by", "by-nc"))
    by_leave = FIG.replace("A caption.", "Reproduced with permission from Elsevier.")
    figures = (
        FIG
        + by_leave.replace("F1", "F2")
        + FIG.replace("F1", "F3").replace("<graphic", f"{own}<graphic")
    )
    lost = FIG.replace("F1", "F4").replace("one", "none").replace("<graphic", f"{own}<graphic")
    write(tmp_path / "pmc/PMC7.xml", jats("7", f"<p>{LONG}</p>{figures}{lost}", front=article))
    (tmp_path / "pmc/one.png").write_bytes(picture())
    folders = tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work"
    everything = build(*folders, params)
    assert [figure.id[-2:] for figure in everything.figures] == ["F1", "F2", "F3"]
    sold = build(*folders, params.model_copy(update={"licences": "commercial-only"}))
    assert [(figure.id, figure.licence) for figure in sold.figures] == [("PMC7.1/F1", "CC BY 4.0")]
    assert [(r.origin[-2:], r.reason, r.detail) for r in sold.rejects] == [
        ("F2", "licence", "unknown"), ("F3", "licence", "CC BY-NC 4.0"), ("F4", "no-image", "none"),
    ]  # fmt: skip
    assert sold.faults == []


def test_fingerprints_of_other_code_are_taken_again(
    tmp_path: Path, params: IngestPubmedParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_files(tmp_path)
    params = params.model_copy(update={"near_duplicates": True})
    build(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", params)
    monkeypatch.setattr(readings, "_hash_fingerprints", lambda: "another")
    build(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", params)
    names = {path.name for path in (tmp_path / "work").rglob("bands-*")}
    assert names == {"bands-another.parquet"}


def test_a_corpus_without_figures_has_shards_of_no_rows(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    write(tmp_path / "pubmed/a.xml", article_set(cite(1)))
    build(tmp_path / "pubmed", tmp_path / "none", tmp_path / "work", params)
    for kind, folder in ((Figure, "figures"), (ImageRecord, "images"), (Reject, QUARANTINE)):
        assert list(read_records(tmp_path / "work/out" / folder, kind)) == []


def test_odd_names_of_files_and_folders(tmp_path: Path, params: IngestPubmedParams) -> None:
    root = tmp_path / "a [1] {x} year=2000 \u00e4*"
    write(root / "pubmed/{b} [2].xml", article_set(cite(1), cite(2, abstract="")))
    write(root / "pmc/PMC7.1/PMC7.1.xml", jats("7", f"<p>{LONG.format('7')}</p>{FIG}"))
    (root / "pmc/PMC7.1/one.png").write_bytes(picture())
    params = params.model_copy(update={"near_duplicates": True})
    found = build(root / "pubmed", root / "pmc", root / "work", params)
    assert [a.origin for a in found.articles] == ["{b} [2].xml#1.1", "PMC7.1/PMC7.1.xml#PMC7.1"]
    assert len(found.figures) == len(found.images) == 1


@pytest.mark.parametrize("name", ["A" * 300 + "/B", "\u56fe" * 150], ids=["folder", "file"])
def test_a_graphic_whose_name_is_too_long_for_a_file_is_no_image(
    tmp_path: Path, params: IngestPubmedParams, name: str
) -> None:
    figure = FIG.replace("one", name)
    path = tmp_path / "pmc/PMC7.1/PMC7.1.xml"
    write(path, jats("7", f"<p>{LONG.format('{}')}</p>{figure}"))
    for _ in range(2):  # what is noted of it is looked up again
        built = build(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", params)
        assert [reject.reason for reject in built.rejects] == ["no-image"]
        assert len(built.articles) == 1
