"""Publish and get over S3: a real server on this machine, and a line that fails when told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from components.acquire.transfer import Terms
from components.artifacts import publishing
from components.artifacts.address import parse_address
from components.artifacts.fetching import UNFINISHED, fetch
from components.artifacts.manifest import Manifest
from components.artifacts.places import TRIED, BucketPlace
from components.artifacts.publishing import Published, publish
from components.artifacts.versions import list_names, object_key, read_version
from components.config import load_params
from components.errors import UserError
from components.tracing.products import read_products
from tests.components.artifacts.project import MODEL, list_files
from tests.components.training.s3_line import BUCKET, Line, line, s3_address

__all__ = ["line", "s3_address"]
pytestmark = pytest.mark.services
PLACE = f"s3://{BUCKET}/some/shared"
ADDRESS = parse_address(f"{PLACE}/vqa")
IMPATIENT = Terms(retries=1, sleep=lambda _: None)


def publish_here() -> Published:
    return publish(MODEL, ADDRESS, read_products(), load_params())


def few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a request after two, so that a test of a dead server takes a second."""
    monkeypatch.setattr(BucketPlace.__init__, "__kwdefaults__", {"attempts": 2, "timeout_s": 5.0})


def test_what_is_got_is_what_was_published_and_the_manifest_goes_last(
    line: Line, project: Path
) -> None:
    done = publish_here()
    puts = [asked for asked in line.asked if asked.startswith("PUT")]
    assert puts[-1].endswith("/some/shared/artifacts/vqa/v1.json") and len(puts) == 2 + 10
    assert all(asked.endswith(f"/some/shared/{TRIED}") for asked in puts[:2])
    folder, manifest = fetch(ADDRESS)
    assert manifest == done.manifest
    held = list_files(folder)
    assert {name: of.sha256 for name, of in manifest.files.items()}.items() <= held.items()
    assert list_names(BucketPlace(PLACE)) == {"vqa": [1]}
    assert publish_here().num_sent == 0


def test_two_publishers_at_once_get_two_versions(line: Line, project: Path) -> None:
    first = publish_here().manifest
    gate, versions = threading.Barrier(4), []

    def claim(draft: Manifest) -> None:
        place = BucketPlace(PLACE)
        gate.wait()
        versions.append(publishing._claim(place, draft, 1).version)

    drafts = [first.model_copy(update={"title": f"of {number}"}) for number in range(4)]
    threads = [threading.Thread(target=claim, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [2, 3, 4, 5]


def test_who_was_written_over_takes_the_next_version(line: Line, project: Path) -> None:
    other = publish(MODEL, parse_address("../beside/vqa"), read_products(), load_params()).manifest
    theirs = other.model_copy(update={"title": "of another"})
    key = "some/shared/artifacts/vqa/v1.json"

    def write_over(asked: str) -> None:
        if asked == f"GET /{BUCKET}/{key}":  # as a server does that looked before both wrote
            line.client.put_object(Bucket=BUCKET, Key=key, Body=theirs.dump())
            line.watch = lambda _: None

    line.watch = write_over
    assert publish_here().manifest.version == 2
    assert read_version(BucketPlace(PLACE), "vqa", 1).title == "of another"


def test_a_publication_that_breaks_off_is_nowhere_and_goes_on(
    line: Line, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_attempts(monkeypatch)
    line.delay(0.0, "PUT", times=3)  # the trial of the server, and the first object
    line.fail(503, "PUT", times=2)  # both attempts at the second
    with pytest.raises(UserError, match="could not be written") as caught:
        publish_here()
    assert "503" in caught.value.why and "it goes on" in caught.value.next_command
    assert list_names(BucketPlace(PLACE)) == {}
    with pytest.raises(UserError, match="there is no vqa"):
        fetch(ADDRESS)
    assert publish_here().manifest.version == 1
    assert fetch(ADDRESS)[1].version == 1


def test_an_answer_that_was_lost_makes_no_second_version(line: Line, project: Path) -> None:
    first = publish_here().manifest
    key = f"{PLACE.removeprefix(f's3://{BUCKET}/')}/artifacts/vqa/v2.json"
    second = first.model_copy(update={"version": 2, "title": "again"})
    line.client.put_object(Bucket=BUCKET, Key=key, Body=second.dump())  # arrived, unheard
    place = BucketPlace(PLACE)
    assert not place.create(second.dump(), "artifacts/vqa/v2.json")
    assert place.read("artifacts/vqa/v2.json") == second.dump()
    assert list_names(place) == {"vqa": [1, 2]}


def test_what_was_damaged_on_the_way_is_nobody_elses_version(line: Line, project: Path) -> None:
    line.flip("v1.json")
    with pytest.raises(UserError, match=r"v1\.json could not be read") as caught:
        publish_here()
    assert "md5" in caught.value.why
    line.flip("v1.json")
    with pytest.raises(UserError, match=r"v1\.json could not be read"):
        fetch(ADDRESS)
    assert publish_here().manifest.version == 1
    assert list_names(BucketPlace(PLACE)) == {"vqa": [1]}


def test_a_get_passes_over_a_busy_server_and_goes_on_after_a_dead_one(
    line: Line, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_attempts(monkeypatch)
    manifest = publish_here().manifest
    key = object_key(manifest.files["model.safetensors"].sha256)
    line.fail(503, "GET", key, times=20)
    with pytest.raises(UserError, match="could not be fetched") as caught:
        fetch(ADDRESS, terms=IMPATIENT)
    assert "503" in caught.value.why and "goes on" in caught.value.next_command
    unfinished = Path(f"vqa-v1{UNFINISHED}")
    kept = list_files(unfinished)
    assert "config.json" in kept and not Path("vqa-v1").exists()
    line.faults.clear()
    line.asked.clear()
    line.fail(503, "GET", key, times=1)
    fetch(ADDRESS, terms=IMPATIENT)
    assert not [asked for asked in line.asked if manifest.files["config.json"].sha256 in asked]
    assert (
        list_files(Path("vqa-v1"))["model.safetensors"]
        == manifest.files["model.safetensors"].sha256
    )


def test_a_damaged_object_is_named(line: Line, project: Path) -> None:
    manifest = publish_here().manifest
    of = manifest.files["model.safetensors"]
    line.client.put_object(
        Bucket=BUCKET, Key=f"some/shared/{object_key(of.sha256)}", Body=b"x" * of.bytes
    )
    with pytest.raises(UserError, match="is damaged"):
        fetch(ADDRESS, terms=IMPATIENT)
    assert not Path("vqa-v1").exists()


def test_refusals_and_slips_say_what_to_check(
    line: Line, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_attempts(monkeypatch)
    line.fail(403, "PUT")
    with pytest.raises(UserError, match="could not be written") as caught:
        publish_here()
    assert "403" in caught.value.why and "s3:PutObject" in caught.value.next_command
    with pytest.raises(UserError, match="could not be listed") as caught:
        fetch(parse_address("s3://no-such-bucket/vqa"))
    assert "NoSuchBucket" in caught.value.why and "make the bucket" in caught.value.next_command
