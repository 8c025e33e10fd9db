"""Articles of PMC's bucket: versions, metadata of all sorts, figures, inventories, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.acquire.articles import (
    Wanted,
    fetch_article,
    fetch_articles,
    read_graphics,
    read_wanted,
)
from components.acquire.parallel import Haul, fetch_one
from components.acquire.pmc_bucket import (
    BUCKET,
    INVENTORY,
    PmcBucket,
    read_address,
    read_md5s,
)
from components.acquire.stored import is_file_name
from components.acquire.transfer import NotFetched, Terms
from components.config import PmcParams
from components.errors import UserError
from components.pubmed.metadata import read_flag
from components.pubmed.pmc import FullText, read_article
from components.storage import PublicBucket, StoredObject
from tests.components.acquire.conftest import Answer, Site
from tests.components.acquire.s3 import FIGURE, BucketSite, Fault

services = pytest.mark.services
ALL = None


def settings(**changes: Any) -> PmcParams:
    values = {"articles": "", "num_articles": 0, "figures": "all", "endpoint": ""}
    return PmcParams(**{**values, **changes})


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def fetch(site: BucketSite, folder: Path, *wanted: Wanted) -> Haul:
    haul = Haul()
    for one in wanted:
        haul.add(fetch_one(lambda one: fetch_article(one, folder, site.open()), one))
    return haul


def told(haul: Haul) -> list[tuple[str, str]]:
    return [
        (reject.origin.removeprefix(f"s3://{BUCKET}/"), reject.reason) for reject in haul.rejects
    ]


@services
@pytest.mark.parametrize("beside", [True, False])
def test_the_newest_version_comes_as_the_project_reads_it(
    bucket_site: BucketSite, tmp_path: Path, beside: bool
) -> None:
    bucket_site.put_article("PMC12.9", beside=beside)
    bucket_site.put_article(
        "PMC12.10", {"gr1.jpg": FIGURE, "logo.gif": b"GIF", "s1.pdf": b"%PDF"},
        graphics=["gr1"], beside=beside,
    )  # fmt: skip
    bucket_site.put_article("PMC123.11")
    haul = fetch(bucket_site, tmp_path, Wanted("PMC12", None, ALL))
    expected = [f"PMC12.10/{name}" for name in ("PMC12.10.json", "PMC12.10.xml", "gr1.jpg")]
    assert (names(tmp_path), haul.num_in, haul.rejects) == (expected, 2, [])
    assert [path.relative_to(tmp_path).as_posix() for path in haul.files] == expected
    found = read_article(tmp_path / "PMC12.10/PMC12.10.xml", tmp_path)
    assert isinstance(found, FullText)
    assert (found.article.pmcid, found.article.version) == ("PMC12", 10)
    assert found.article.licence == "CC BY"
    assert bucket_site.signed == []


@services
def test_a_stated_version_and_named_figures(bucket_site: BucketSite, tmp_path: Path) -> None:
    media = {"gr1.jpg": FIGURE, "gr2.png": b"PNG", "gr3.jpg": b"3"}
    for stem in ("PMC1.1", "PMC1.2"):
        bucket_site.put_article(stem, media)
    wanted = Wanted("PMC1", 1, ("gr2", "gr9.jpg", "GR3.TIF"))
    haul = fetch(bucket_site, tmp_path, wanted, Wanted("PMC1", 3, ()), Wanted("PMC2", None, ()))
    assert names(tmp_path) == [
        f"PMC1.1/{n}" for n in ("PMC1.1.json", "PMC1.1.xml", "gr2.png", "gr3.jpg")
    ]
    assert told(haul) == [
        ("PMC1.1/gr9.jpg", "figure-not-in-bucket"),
        ("PMC1.3", "no-such-version"),
        ("PMC2", "not-in-bucket"),
    ]
    assert (haul.num_in, haul.rejects[1].detail) == (6, "there are 1, 2")


@services
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_pmc_openaccess": False}, "not-open-access"),
        ({"is_pmc_openaccess": "no"}, "not-open-access"),
        ({"is_pmc_openaccess": ...}, "access-not-stated"),
        ({"is_pmc_openaccess": None}, "access-not-stated"),
        ({"is_pmc_openaccess": {}}, "access-not-stated"),
        ({"xml_url": f"s3://{BUCKET}/PMC1.1/PMC1.1.xml?md5={'0' * 32}"}, "wrong-md5"),
        ({"is_pmc_openaccess": "yes"}, None),
        ({"xml_url": ..., "media_urls": ..., "license_code": ..., "version": ...}, None),
        ({"xml_url": 7, "media_urls": [None, 3, "http://["], "license_code": None}, None),
        ({"media_urls": "none"}, None),
    ],
)
def test_metadata_with_missing_and_odd_fields(
    bucket_site: BucketSite, tmp_path: Path, changes: dict[str, Any], reason: str | None
) -> None:
    bucket_site.put_article("PMC1.1", **changes)
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert [r for _, r in told(haul)] == ([reason] if reason else [])
    assert len(haul.files) == (0 if reason else 3)


@services
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not-found"),
        (b"{broken", "broken-metadata"),
        (b"[]", "broken-metadata"),
        (b"[" * 100_000, "broken-metadata"),
        (b"\xff\xfe", "broken-metadata"),
    ],
)
def test_an_article_without_metadata_that_can_be_read_is_lost(
    bucket_site: BucketSite, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    bucket_site.put("PMC1.1/PMC1.1.xml", b"<article/>")
    if content is not None:
        bucket_site.put("metadata/PMC1.1.json", content)
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert [r for _, r in told(haul)] == [reason]


@services
def test_an_article_without_xml_and_one_whose_xml_is_broken(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    bucket_site.put_article("PMC1.1")
    bucket_site.client.delete_object(Bucket=BUCKET, Key="PMC1.1/PMC1.1.xml")
    bucket_site.put_article("PMC2.1", xml_url=None)
    bucket_site.put("PMC2.1/PMC2.1.xml", b"<article><fig>")
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL), Wanted("PMC2", None, ALL))
    assert told(haul) == [("PMC1.1", "no-xml"), ("PMC2.1/figures", "broken-xml")]
    assert (haul.num_in, len(haul.files)) == (3, 2)


@services
def test_names_that_lead_outside_are_no_files(bucket_site: BucketSite, tmp_path: Path) -> None:
    bucket_site.put_article("PMC1.1", graphics=["../../up.jpg", "gr1", "/etc/x.jpg"])
    for name in ("../../up.jpg", "a/up.jpg", "..", "a\\b.jpg"):
        bucket_site.put(f"PMC1.1/{name}", b"bad")
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert [r for _, r in told(haul)] == ["figure-not-in-bucket"] * 2
    assert names(tmp_path) == [f"PMC1.1/{n}" for n in ("PMC1.1.json", "PMC1.1.xml", "gr1.jpg")]


@services
def test_faults_of_the_line_are_sat_out(bucket_site: BucketSite, tmp_path: Path) -> None:
    big = FIGURE * 20_000
    bucket_site.put_article("PMC1.1", {"gr1.jpg": big})
    busy = Fault(503, headers={"Retry-After": "9"})
    bucket_site.fail("PMC1.1/gr1.jpg", Fault(cut=100_000), busy, Fault(cut=50_000))
    bucket_site.fail("", Fault(500), Fault(cut=10))
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert (haul.rejects, len(haul.files)) == ([], 3)
    assert (tmp_path / "PMC1.1/gr1.jpg").read_bytes() == big
    ranges = [line.split("bytes=")[1] for line in bucket_site.asked if "bytes=" in line]
    assert len(ranges) == 3 and ranges[0] == ranges[1] != "0-"
    assert 9.0 in bucket_site.pauses


@services
def test_a_figure_that_changes_between_two_attempts_is_not_glued(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    bucket_site.put_article("PMC1.1", {"gr1.jpg": b"one" * 90_000}, media_urls=[])
    bucket_site.fail("PMC1.1/gr1.jpg", Fault(cut=100_000), *[Fault(503)] * 4)
    wanted = Wanted("PMC1", None, ALL)
    haul = fetch(bucket_site, tmp_path, wanted)
    assert told(haul) == [("PMC1.1/gr1.jpg", "server-failed")]
    bucket_site.put("PMC1.1/gr1.jpg", b"two" * 90_000)
    assert fetch(bucket_site, tmp_path, wanted).rejects == []
    assert (tmp_path / "PMC1.1/gr1.jpg").read_bytes() == b"two" * 90_000


@services
def test_a_refusal_is_not_asked_again(bucket_site: BucketSite, tmp_path: Path) -> None:
    bucket_site.put_article("PMC1.1")
    bucket_site.fail("PMC1.1/gr1.jpg", Fault(403))
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert told(haul) == [("PMC1.1/gr1.jpg", "refused")]
    assert (bucket_site.pauses, len(haul.files)) == ([], 2)


@services
def test_what_is_there_and_the_same_is_not_fetched_again(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    bucket_site.put_article("PMC1.1")
    fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    bucket_site.asked.clear()
    haul = fetch(bucket_site, tmp_path, Wanted("PMC1", None, ALL))
    assert len(haul.files) == 3
    assert [line for line in bucket_site.asked if "list-type" not in line] == []


@services
def test_a_list_is_fetched_side_by_side(bucket_site: BucketSite, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(
        "# a comment\nPMC3\n2.1 gr1.jpg\n\npmc2.2\nPMC3\nno article\nPMC9 ../up\nPMC4\n"
    )
    for stem in ("PMC2.1", "PMC2.2", "PMC3.1"):
        bucket_site.put_article(stem)
    wanted = settings(articles=str(listed), figures="none")
    haul = fetch_articles(wanted, tmp_path / "store", bucket_site.open(), 3)
    assert names(tmp_path / "store") == [
        "PMC2.1/PMC2.1.json", "PMC2.1/PMC2.1.xml", "PMC2.1/gr1.jpg",
        "PMC2.2/PMC2.2.json", "PMC2.2/PMC2.2.xml", "PMC3.1/PMC3.1.json", "PMC3.1/PMC3.1.xml",
    ]  # fmt: skip
    assert told(haul) == [
        ("list.txt#7", "not-an-article"),
        ("list.txt#8", "not-an-article"),
        ("PMC4", "not-in-bucket"),
    ]
    assert haul.num_in == len(haul.rejects) + 4
    few = settings(articles=str(listed), num_articles=1)
    assert fetch_articles(few, tmp_path / "few", bucket_site.open(), 3).num_in == 2 + 2


@services
def test_a_list_of_dead_addresses_is_a_list_of_articles(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    bucket_site.put_article("PMC7.1", {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"})
    lines = [
        {
            "pair_id": f"1_F{n}",
            "pmc_tar_url": "https://h/PMC7.tar.gz",
            "image_file_path": f"PMC7/{n}.jpg",
        }
        for n in "abx"
    ]
    listed = tmp_path / "urls.jsonl"
    listed.write_text("\n".join(map(json.dumps, lines)))
    haul = fetch_articles(settings(articles=str(listed)), tmp_path / "s", bucket_site.open(), 2)
    assert [path.name for path in haul.files] == ["PMC7.1.json", "PMC7.1.xml", "a.jpg", "b.jpg"]
    assert told(haul) == [("PMC7.1/x.jpg", "figure-not-in-bucket")]


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "nonsense\n"])
def test_a_list_that_is_missing_or_names_nothing_is_an_error(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "list.txt"
    if text is not None:
        path.write_text(text)
    bucket: Any = None
    with pytest.raises(UserError, match=r"acquire\.pmc\.articles"):
        fetch_articles(settings(articles=str(path)), tmp_path, bucket, 1)


def test_figures_of_a_list_add_up(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("PMC1 a.jpg b.jpg\nPMC1 b.jpg c.jpg\nPMC2 a.jpg\nPMC2\nPMC2 c.jpg\n")
    wanted, rejects = read_wanted(path, None)
    assert wanted == [
        Wanted("PMC1", None, ("a.jpg", "b.jpg", "c.jpg")),
        Wanted("PMC2", None, None),
    ]
    assert rejects == []


@services
def test_without_a_list_the_inventory_s_first_articles_come(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    for stem in ("PMC5.1", "PMC5.2", "PMC6.1", "PMC8.1"):
        bucket_site.put_article(stem)
    bucket_site.put_inventory("2026-09-13T01-00Z", ["metadata/PMC99.1.json"])
    bucket_site.put_inventory(
        "2026-09-14T01-00Z",
        ["README.txt", "metadata/PMC5.1.json", "metadata%2FPMC5.2.json", "metadata/PMC6.1.json"],
        ["metadata/PMC8.1.json"],
        a_field_of_tomorrow=1,
    )
    bucket_site.put(f"{INVENTORY}hive/dt=2026/symlink.txt", b"x")
    haul = fetch_articles(settings(num_articles=2), tmp_path, bucket_site.open(), 2)
    assert [path.name for path in haul.files if path.suffix == ".xml"] == [
        "PMC5.2.xml",
        "PMC6.1.xml",
    ]
    assert not any("2026-09-14T01-00Z-1" in line for line in bucket_site.asked)  # not needed
    haul = fetch_articles(settings(), tmp_path, bucket_site.open(), 2)
    assert [path.name for path in haul.files if path.suffix == ".xml"][-1] == "PMC8.1.xml"


@services
def test_an_inventory_that_is_still_written_gives_way_to_the_one_before(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    bucket_site.put_inventory("2026-09-13T01-00Z", ["metadata/PMC5.1.json"])
    bucket_site.put(f"{INVENTORY}2026-09-14T01-00Z/data.csv.gz", b"")
    bucket_site.put(f"{INVENTORY}2026-09-15T01-00Z/manifest.json", b"{half")
    assert list(bucket_site.open().inventory(tmp_path)) == ["PMC5"]


@services
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fileFormat": "ORC"}, "unknown-inventory"),
        ({"fileSchema": "Bucket, Name"}, "unknown-inventory"),
        ({"files": [{"no": "key"}]}, "no-inventory"),
        ({"files": 7}, "no-inventory"),
        ({"fileSchema": "Bucket, VersionId, Key"}, None),
    ],
)
def test_an_inventory_of_another_kind_is_told(
    bucket_site: BucketSite, tmp_path: Path, changes: dict[str, Any], reason: str | None
) -> None:
    bucket_site.put_inventory("2026-09-14T01-00Z", ["metadata/PMC5.1.json"], **changes)
    if reason is None:  # the column of the keys is another: no key stands there
        assert list(bucket_site.open().inventory(tmp_path)) == []
        return
    with pytest.raises(NotFetched) as caught:
        list(bucket_site.open().inventory(tmp_path))
    assert caught.value.reason == reason


@services
def test_no_inventory_and_a_damaged_one_are_told(bucket_site: BucketSite, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="inventory") as caught:
        list(bucket_site.open().inventory(tmp_path))
    assert caught.value.reason == "no-inventory"
    bucket_site.put_inventory("2026-09-14T01-00Z", ["metadata/PMC5.1.json"])
    bucket_site.put(f"{INVENTORY}data/2026-09-14T01-00Z-0.csv.gz", b"damaged")
    with pytest.raises(NotFetched) as caught:
        list(bucket_site.open().inventory(tmp_path))
    assert caught.value.reason == "wrong-md5"


@pytest.mark.parametrize("answer", [Answer(b"x" * 999, drip=True), Answer(slow_head=True)])
def test_a_bucket_that_drips_is_given_up(site: Site, tmp_path: Path, answer: Answer) -> None:
    site.serve(f"/{BUCKET}/PMC1.1/PMC1.1.xml", answer)
    terms = Terms(retries=0, patience_s=0.3, sleep=lambda pause: None)
    bucket = PmcBucket(PublicBucket(BUCKET, endpoint=site.url, timeout_s=10.0), terms)
    stored = StoredObject("PMC1.1/PMC1.1.xml", 999, "")
    with pytest.raises(NotFetched) as caught:
        bucket.fetch(stored, tmp_path / "file")
    assert caught.value.reason == "server-failed"


def test_the_graphics_that_ingestion_wants_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        """<article xmlns:xlink="http://www.w3.org/1999/xlink"><front/><body>
        <graphic xlink:href="equation"/>
        <fig><graphic xlink:href=" gr1 "/><graphic xlink:href="panel"/></fig>
        <fig><alternatives><graphic specific-use="thumbnail" xlink:href="small"/>
        <graphic xlink:href="gr2"/><graphic xlink:href="gr2-large"/></alternatives></fig>
        <supplementary-material xlink:href="s1.jpg"/><supplementary-material xlink:href="s2.pdf"/>
        <fig/><fig><graphic/></fig><fig><p><graphic xlink:href="gr1"/></p></fig></body>
        <response><body><fig><graphic xlink:href="answer"/></fig></body></response>
        <sub-article><fig><graphic xlink:href="theirs"/></fig></sub-article></article>"""
    )
    assert read_graphics(path, "PMC1.1") == (("gr1", "panel", "gr2", "s1.jpg"), [])


@pytest.mark.parametrize("text", ["<article><body>", ""])
def test_what_is_no_article_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    names, (fault,) = read_graphics(path, "PMC1.1")
    assert (names, fault.origin, fault.reason) == ((), "PMC1.1/figures", "broken-xml")


def test_words_of_the_metadata() -> None:
    assert [read_flag(v) for v in (True, "TRUE", "yes", 1)] == [True] * 4
    assert [read_flag(v) for v in (False, "no", 0)] == [False] * 3
    assert [read_flag(v) for v in (None, "", "perhaps", [], 2)] == [None] * 5
    good = f"s3://{BUCKET}/PMC1.1/a%20b.jpg?x=1&md5={'A' * 32}"
    assert read_address(good) == ("a%20b.jpg", "a" * 32)
    assert read_md5s({"media_urls": [good]}) == {"a%20b.jpg": "a" * 32, "a b.jpg": "a" * 32}
    assert read_address(f"s3://{BUCKET}/PMC1.1/a.jpg?md5=short") == ("a.jpg", "")
    assert [is_file_name(n) for n in ("a.jpg", "a b", "é")] == [True] * 3
    assert not any(map(is_file_name, ("", ".", "..", "a/b", "a\\b", "a\0", "a\n", "é" * 150)))
