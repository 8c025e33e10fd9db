"""The stage in mode download: from settings to files, a report of what was lost, a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import components.stages.acquire
from components.acquire import bring as module
from components.acquire.bring import bring, link_files, open_bucket
from components.acquire.transfer import NotFetched
from components.cards import Card, load_card
from components.config import AcquireParams, Params
from components.errors import UserError
from components.lineage import read_manifest
from components.profiles.overlay import merge, read_profile
from components.records import Reject, read_records
from components.schema import validate
from tests.components.acquire.conftest import Answer, Site
from tests.components.acquire.s3 import BucketSite

CARDS = Path(__file__).resolve().parents[3] / "data/cards"
Run = Callable[..., Path]


def settings(**changes: Any) -> AcquireParams:
    acquire = {"mode": "download", **changes}
    values = merge(read_profile("demo"), {"acquire": acquire}, "test")
    return validate(Params, values, "test").acquire


def serve_pubmed(site: Site, *, md5: str = "") -> Card:
    """NLM's folders with a file each; returns the card, led there."""
    for folder, number in (("baseline", 1), ("updatefiles", 2)):
        name, content = f"pubmed26n000{number}.xml.gz", b"gz%d" % number
        digest = md5 or hashlib.md5(content).hexdigest()
        site.serve(f"/pubmed/{folder}/", Answer(f'<a href="{name}">{name}</a>'.encode()))
        site.serve(f"/pubmed/{folder}/{name}", Answer(content))
        site.serve(f"/pubmed/{folder}/{name}.md5", Answer(f"MD5({name})= {digest}".encode()))
    card = load_card("pubmed", CARDS)
    source = card.source.model_copy(update={"url": f"{site.url}/pubmed/"})
    return card.model_copy(update={"source": source})


@pytest.fixture
def run_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the stage on a card in an empty folder; returns the raw folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(components.stages.acquire, "bring", partial(bring, allow_loopback=True))

    def run(card: Card, **changes: Any) -> Path:
        monkeypatch.setattr(components.stages.acquire, "load_card", lambda name: card)
        acquire = {"mode": "download", **changes}
        values = merge(read_profile("demo"), {"acquire": acquire}, "test")
        components.stages.acquire.run(validate(Params, values, "test"), card.name)
        return Path("data/raw") / card.name

    return run


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_pubmed_comes_from_nlm_s_listings(site: Site, run_stage: Run) -> None:
    card = serve_pubmed(site)
    folder = run_stage(card)
    files = ["baseline/pubmed26n0001.xml.gz", "updatefiles/pubmed26n0002.xml.gz"]
    expected = [f"{name}{suffix}" for name in files for suffix in ("", ".md5")]
    assert names(folder) == [*expected[:2], "manifest.json", "quarantine.parquet", *expected[2:]]
    manifest = read_manifest(folder)
    assert manifest["counts"] == {"in": 2, "out": 2, "files": 4, "quarantined": 0}
    assert manifest["files"][files[0]]["sha256"] == hashlib.sha256(b"gz1").hexdigest()
    assert card.find(folder, "citations")


def test_a_second_run_fetches_nothing_that_is_whole(site: Site, run_stage: Run) -> None:
    card = serve_pubmed(site)
    before = (run_stage(card) / "manifest.json").read_bytes()
    for path in Path("data/raw").rglob("*"):  # as DVC does before a run
        if path.is_file():
            path.unlink()
    site.asked.clear()
    assert (run_stage(card) / "manifest.json").read_bytes() == before
    assert [path for path, _ in site.asked if path.endswith(".gz")] == []


def test_what_is_lost_is_reported_and_too_much_stops_the_stage(
    site: Site, run_stage: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    card = serve_pubmed(site)
    site.serve("/pubmed/baseline/pubmed26n0001.xml.gz", Answer(status=404))
    folder = run_stage(card, max_quarantined=0.5)
    assert "not to be had: 1 of 2 (not-found 1); data/raw/pubmed/quarantine.parquet names each" in (
        capsys.readouterr().out
    )
    (reject,) = read_records(folder / "quarantine.parquet", Reject)
    assert reject.origin.endswith("/pubmed26n0001.xml.gz") and "404" in reject.detail
    manifest = read_manifest(folder)
    assert (manifest["counts"]["quarantined"], manifest["quarantine"]) == (1, {"not-found": 1})
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match="1 of 2 records were unusable") as caught:
        run_stage(card, max_quarantined=0.4)
    assert "data/raw/pubmed/quarantine.parquet" in caught.value.why
    assert not (folder / "manifest.json").exists()


def test_over_the_budget_the_run_stops_and_the_next_goes_on(site: Site, run_stage: Run) -> None:
    card = serve_pubmed(site)
    with pytest.raises(UserError, match=r"over acquire\.max_gib"):
        run_stage(card, max_gib=100 / 2**30)
    assert not Path("data/raw/pubmed/manifest.json").exists()
    run_stage(card)


@pytest.mark.services
def test_articles_come_from_the_bucket(bucket_site: BucketSite, run_stage: Run) -> None:
    bucket_site.put_article("PMC1.1")
    bucket_site.put_article("PMC2.3", {"gr1.jpg": b"1", "gr2.jpg": b"2"}, graphics=["gr1", "lost"])
    Path("list.txt").write_text("PMC1\nPMC2\n")
    card = load_card("pmc_oa", CARDS)
    pmc = {"articles": "list.txt", "endpoint": bucket_site.endpoint}
    folder = run_stage(card, pmc=pmc, max_quarantined=0.2)
    assert names(folder) == [
        "PMC1.1/PMC1.1.json", "PMC1.1/PMC1.1.xml", "PMC1.1/gr1.jpg",
        "PMC2.3/PMC2.3.json", "PMC2.3/PMC2.3.xml", "PMC2.3/gr1.jpg",
        "manifest.json", "quarantine.parquet",
    ]  # fmt: skip
    assert read_manifest(folder)["counts"] == {"in": 5, "out": 4, "files": 6, "quarantined": 1}
    assert len(card.find(folder, "articles")) == 2


@pytest.mark.services
@pytest.mark.parametrize("mode", ["local", "download"])
def test_images_of_conversations_come_where_settings_and_card_say_so(
    bucket_site: BucketSite, run_stage: Run, mode: str
) -> None:
    user = Path("user/biomed_vital")
    user.mkdir(parents=True)
    turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]
    records = [{"id": "1", "image": "1_F1.jpg", "conversations": turns}]
    (user / "BioMed-VITAL-instructions-60K.json").write_text(json.dumps(records))
    line = {
        "pair_id": "1_F1",
        "pmc_tar_url": "https://h/PMC1.tar.gz",
        "image_file_path": "PMC1/gr1.jpg",
    }
    (user / "PMC_image_urls.jsonl").write_text(json.dumps(line))
    bucket_site.put_article("PMC1.1")
    card, pmc = load_card("biomed_vital", CARDS), {"endpoint": bucket_site.endpoint}
    folder = run_stage(card, mode=mode, root="user", images=False, pmc=pmc)
    assert (names(folder)[:2], bucket_site.asked) == (
        ["BioMed-VITAL-instructions-60K.json", "PMC_image_urls.jsonl"], [],
    )  # fmt: skip
    folder = run_stage(card, mode=mode, root="user", images=True, pmc=pmc)
    assert {"image_keys.jsonl", "images/1_F1.jpg"} <= set(names(folder))
    assert read_manifest(folder)["counts"] == {"in": 3, "out": 3, "files": 4, "quarantined": 0}


def test_what_nobody_may_fetch_is_taken_from_root_or_told(tmp_path: Path) -> None:
    card = load_card("biomed_vital", CARDS)
    with pytest.raises(UserError, match="cannot be downloaded by itself"):
        bring(card, settings(), tmp_path / "raw", tmp_path / "store")
    (tmp_path / "user/biomed_vital").mkdir(parents=True)
    (tmp_path / "user/biomed_vital/few.json").write_text("[]")
    root = str(tmp_path / "user")
    haul = bring(card, settings(root=root), tmp_path / "raw", tmp_path / "store")
    assert [path.name for path in haul.files] == ["few.json"]


@pytest.mark.parametrize("url", ["http://ftp.ncbi.nlm.nih.gov/pubmed/", "http://127.0.0.1:9/p/"])
def test_citations_come_over_https_alone(tmp_path: Path, url: str) -> None:
    card = load_card("pubmed", CARDS)
    card = card.model_copy(update={"source": card.source.model_copy(update={"url": url})})
    with pytest.raises(NotFetched, match="was not downloaded") as caught:
        bring(card, settings(), tmp_path / "raw", tmp_path / "store")
    assert caught.value.reason == "host-not-allowed"


@pytest.mark.parametrize(
    "endpoint", ["http://example.org", "127.0.0.1:9000", "https://", "ftp://x"]
)
def test_a_bucket_is_read_over_https_alone(tmp_path: Path, endpoint: str) -> None:
    changed = settings(pmc={"endpoint": endpoint})
    with pytest.raises(UserError, match=r"acquire\.pmc\.endpoint"):
        open_bucket(changed, tmp_path, allow_loopback=True)
    with pytest.raises(UserError, match=r"acquire\.pmc\.endpoint"):
        open_bucket(settings(pmc={"endpoint": "http://127.0.0.1:9"}), tmp_path)


def test_the_demo_asks_nobody(tmp_path: Path) -> None:
    values = validate(Params, read_profile("demo"), "test").acquire
    assert (values.mode, values.images) == ("sample", False)
    assert (values.medline.newest, values.pmc.num_articles) == (1, 20)  # and else asks for little


def test_files_are_linked_and_where_that_fails_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store/a/f"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (linked,) = link_files([path, path], tmp_path / "store", tmp_path / "raw")
    assert linked.stat().st_ino == path.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(module.os, "link", refuse)
    (copied,) = link_files([path], tmp_path / "store", tmp_path / "raw")
    assert (copied.read_bytes(), copied.stat().st_ino != path.stat().st_ino) == (b"x", True)
