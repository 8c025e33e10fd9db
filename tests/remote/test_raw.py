"""Raw files in a bucket of one's own: brought as from a folder, resumed, checked, refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.acquire.place import place_sample
from components.acquire.transfer import Terms
from components.cards import load_card
from components.checking.dataset import find_raw
from components.checking.listing import list_datasets
from components.cli import run_command
from components.config import Params, load_params
from components.doctor_services import examine_services
from components.errors import UserError
from components.lineage import hash_file, read_manifest
from components.profiles.overlay import merge, read_profile, write_params
from components.raw_files import REFERENCE
from components.records import Reject, read_records
from components.sample.settings import SampleSettings
from components.schema import validate
from components.stages.acquire import run
from flows.cli import build_parser
from tests.components.training.s3_line import Line
from tests.remote.conftest import Server, access

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("remote")]
SOURCES = ("vqa_rad", "pneumoniamnist", "medmcqa")
PREFIX = "study/raw"
LARGE = 3 << 20


@dataclass(frozen=True)
class Raw:
    """A project without products, the same raw files in a folder and in a bucket, the line."""

    folder: Path
    address: str
    line: Line
    bucket: str

    def put(self, key: str, content: bytes) -> None:
        self.line.client.put_object(Bucket=self.bucket, Key=f"{PREFIX}/{key}", Body=content)

    def acquire(self, source: str, root: str, **changes: Any) -> Path:
        """What the stage brings, and where."""
        own = {"mode": "local", "root": root, "max_quarantined": 0.9, **changes}
        values = merge(read_profile("demo"), {"acquire": own}, "test")
        run(validate(Params, values, "test"), source)
        return Path("data/raw") / source


@pytest.fixture
def raw(
    server: Server,
    line: Line,
    bucket: str,
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Raw:
    """Three small sets under a prefix, and a project that has their cards."""
    (tmp_path / "none").touch()
    for name, value in access(server, tmp_path / "none").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", line.address)
    settings = SampleSettings(num_images=4, num_texts=6, image_px=32, seed=1)
    made = Raw(tmp_path / "user", f"s3://{bucket}/{PREFIX}", line, bucket)
    for source in SOURCES:
        card = load_card(source, repository / "data/cards")
        for path in place_sample(card, made.folder / card.folders[-1], settings):
            made.put(path.relative_to(made.folder).as_posix(), path.read_bytes())
    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository / "data/cards", "data/cards")
    Path("dvc.yaml").touch()
    line.asked.clear()
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between attempts, and few are made."""
    monkeypatch.setattr(Terms.__init__, "__defaults__", (8 << 30, 1, 60.0, 60.0, None, *TIMELESS))


TIMELESS: tuple[Callable[..., Any], ...] = (lambda _: None, lambda: 0.0)


def hash_all(folder: Path) -> dict[str, str]:
    """Each file but the manifest, whose settings name the root: its hash."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in files
        if path.name != "manifest.json"
    }


def list_got(line: Line, bucket: str) -> list[str]:
    """The objects that were asked for, in order."""
    begin = f"GET /{bucket}/"
    return [asked.removeprefix(begin) for asked in line.asked if asked.startswith(begin + "study")]


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_files_come_as_from_a_folder(raw: Raw, source: str) -> None:
    copied = hash_all(raw.acquire(source, str(raw.folder)))
    shutil.rmtree("data/raw")
    fetched = raw.acquire(source, raw.address)
    assert hash_all(fetched) == copied and len(copied) > 1
    manifest = read_manifest(fetched)
    assert manifest["counts"]["in"] == manifest["counts"]["files"] == len(copied) - 1
    assert not list(Path("data").rglob("*.partial"))


def test_a_second_run_fetches_only_what_changed(raw: Raw) -> None:
    before = hash_all(raw.acquire("vqa_rad", raw.address))
    shutil.rmtree("data/raw")  # as DVC does before a run
    raw.line.asked.clear()
    assert hash_all(raw.acquire("vqa_rad", raw.address)) == before
    assert list_got(raw.line, raw.bucket) == []
    key = next(path.relative_to(raw.folder) for path in sorted(raw.folder.rglob("*.jpg")))
    raw.put(key.as_posix(), b"another picture")
    shutil.rmtree("data/raw")
    after = hash_all(raw.acquire("vqa_rad", raw.address))
    assert list_got(raw.line, raw.bucket) == [f"{PREFIX}/{key.as_posix()}"]
    assert [name for name in after if after[name] != before[name]] == [
        Path(*key.parts[1:]).as_posix()
    ]


def test_what_broke_off_goes_on_and_nothing_is_half_placed(raw: Raw, impatient: None) -> None:
    body = os.urandom(LARGE)
    name = load_card("pneumoniamnist").folders[0] + "/pneumoniamnist.npz"
    raw.put(name, body)
    raw.line.cut(1 << 20, name, times=2)
    raw.line.fail(503, "GET", name, times=100)
    with pytest.raises(UserError, match=f"s3://{raw.bucket}/{PREFIX}/{name} was not") as caught:
        raw.acquire("pneumoniamnist", raw.address)
    assert "503" in caught.value.why and "goes on from there" in caught.value.next_command
    assert not Path("data/raw/pneumoniamnist").exists()
    partial = Path("data/downloads/pneumoniamnist/pneumoniamnist.npz.partial")
    assert partial.stat().st_size == 2 << 20
    raw.line.faults.clear()
    raw.line.ranges.clear()
    folder = raw.acquire("pneumoniamnist", raw.address)
    assert raw.line.ranges == [f"bytes={2 << 20}-"]
    assert (folder / "pneumoniamnist.npz").read_bytes() == body


def test_what_the_line_damages_is_not_taken(raw: Raw, impatient: None) -> None:
    raw.line.flip(".npz")
    with pytest.raises(UserError, match="was not fetched") as caught:
        raw.acquire("pneumoniamnist", raw.address)
    assert "its md5 is" in caught.value.why
    assert not Path("data/raw/pneumoniamnist").exists()
    assert raw.acquire("pneumoniamnist", raw.address).is_dir()


@pytest.mark.parametrize(
    ("fault", "why", "command"),
    [
        ("no bucket", "NoSuchBucket", "make the bucket"),
        ("wrong key", "InvalidAccessKey|403", "check AWS_ACCESS_KEY_ID|credentials"),
        ("no key", "Credentials", "set AWS_PROFILE"),
        ("expired", "ExpiredToken", "AWS_SESSION_TOKEN"),
        ("down", "503", "see whether the server"),
    ],
)
def test_a_refusal_names_bucket_cause_and_next_command(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, fault: str, why: str, command: str
) -> None:
    address = raw.address
    if fault == "no bucket":
        address = "s3://biomedgpt-no-such-bucket/raw"
    elif fault == "wrong key":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    elif fault == "no key":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    elif fault == "expired":
        raw.line.fail(400, "GET", code="ExpiredToken")
    else:
        raw.line.fail(503, "GET")
    with pytest.raises(UserError, match=f"{address} could not be") as caught:
        raw.acquire("vqa_rad", address)
    assert any(words in caught.value.why for words in why.split("|"))
    assert any(words in caught.value.next_command for words in command.split("|"))


def test_a_bucket_that_vanishes_in_mid_run_is_told(raw: Raw, impatient: None) -> None:
    def vanish(asked: str) -> None:
        if asked.endswith(".jpg"):
            for fault in ("GET", "HEAD"):
                raw.line.fail(404, fault, code="NoSuchBucket")

    raw.line.watch = vanish
    with pytest.raises(UserError, match=f"{raw.address}/.*jpg was not fetched") as caught:
        raw.acquire("vqa_rad", raw.address, workers=1)
    assert "NoSuchBucket" in caught.value.why and "make the bucket" in caught.value.next_command
    assert not Path("data/raw/vqa_rad").exists()


def test_missing_files_are_told_as_those_of_a_folder(raw: Raw) -> None:
    with pytest.raises(UserError, match="SLAKE") as caught:
        raw.acquire("slake", raw.address)
    card = load_card("slake")
    assert f"{raw.address}/{card.folders[0]}" in caught.value.what
    assert caught.value.next_command == card.source.how_to_get


def test_records_that_may_not_be_copied_are_refused(raw: Raw) -> None:
    raw.put("mednli/mli_train_v1.jsonl", b"{}")
    raw.line.asked.clear()
    with pytest.raises(UserError, match=r"MedNLI .* is not fetched from s3://") as caught:
        raw.acquire("mednli", raw.address)
    assert "credentialed" in caught.value.why and "disk" in caught.value.next_command
    assert raw.line.asked == []
    assert [path for path in Path("data/downloads").rglob("*") if path.is_file()] == []
    assert not Path("data/raw/mednli", REFERENCE).exists()


def test_names_that_can_be_no_file_s_are_counted(raw: Raw) -> None:
    pictures = next(raw.folder.rglob("*.jpg")).parent.relative_to(raw.folder).as_posix()
    before = hash_all(raw.acquire("vqa_rad", raw.address))
    raw.put(f"{pictures}/{'x' * 210}.jpg", b"")
    shutil.rmtree("data/raw")
    brought = raw.acquire("vqa_rad", raw.address)
    rejects = list(read_records(brought / "quarantine.parquet", Reject))
    assert [reject.reason for reject in rejects] == ["unsafe-name"]
    assert all(reject.origin.startswith(f"{raw.address}/{pictures}/") for reject in rejects)
    assert hash_all(brought).keys() == before.keys()


def test_use_writes_the_bucket_and_notices_changes(raw: Raw) -> None:
    first = write_params("real", raw=raw.address)
    assert (first.acquire.mode, first.acquire.root) == ("local", raw.address)
    assert write_params("real", raw=raw.address + "/").acquire == first.acquire
    raw.put("vqa_rad/more.json", b"[]")
    changed = write_params("real", raw=raw.address).acquire
    assert changed.state != first.acquire.state != "" and changed.root == raw.address
    text = Path("params.yaml").read_text()
    for address, words in (
        (f"s3://{raw.bucket}/empty", "holds nothing"),
        ("s3://biomedgpt-no-such-bucket/x", "could not be listed"),
        ("s3://", "no address of a bucket"),
        ("s3://user:pass@bucket/x", "no address of a bucket"),
    ):
        with pytest.raises(UserError, match=words):
            write_params("real", raw=address)
    assert Path("params.yaml").read_text() == text


def test_data_sets_and_the_doctor_know_the_bucket(
    raw: Raw, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params("real", raw=raw.address)
    params = load_params()
    cards = [load_card(name) for name in (*SOURCES, "slake", "mednli")]
    listed = {row.card.name: row for row in list_datasets(cards, params.acquire)}
    assert [row.state for row in listed.values()] == ["found"] * 3 + ["missing"] * 2
    assert listed["vqa_rad"].where.startswith(raw.address)
    assert "is not fetched from" in listed["mednli"].where
    assert run_command(build_parser(), ["datasets", "vqa_rad"]) == 0
    assert f"found ({raw.address}/" in capsys.readouterr().out
    found = [f for f in examine_services(Path(), params) if f.subject == "s3"]
    assert [f.words for f in found] == [f"acquire.root, {raw.address}: answers"]
    raw.line.fail(503, "GET")
    with pytest.raises(UserError, match="could not be listed"):
        list_datasets(cards, params.acquire)
    assert {f.level for f in examine_services(Path(), params) if f.subject == "s3"} == {"WARN"}


def test_check_looks_at_what_was_brought(raw: Raw) -> None:
    card = load_card("vqa_rad")
    with pytest.raises(UserError, match="no files of vqa_rad are on this machine") as caught:
        find_raw(card, raw.address, "my_data")
    assert "dvc repro acquire@vqa_rad" in caught.value.next_command
    brought = raw.acquire("vqa_rad", raw.address)
    assert find_raw(card, raw.address, "my_data") == brought


def test_a_set_of_one_s_own_begins_on_the_disk(
    raw: Raw, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params("real", raw=raw.address)
    assert run_command(build_parser(), ["new-dataset", "mine", "--task", "vqa"]) == 0
    shown = capsys.readouterr().out
    assert "my_data/mine" in shown and "set acquire.root to my_data" in shown
    assert not Path("s3:").exists()
    assert json.dumps(str(raw.address)) not in shown
