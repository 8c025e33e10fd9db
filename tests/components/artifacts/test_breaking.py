"""What may go wrong with a bucket of artifacts, one thing after the other, at each place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.acquire.transfer import Terms
from components.artifacts.address import parse_address
from components.artifacts.fetching import UNFINISHED, fetch, hold_folder
from components.artifacts.manifest import Manifest, hash_contents
from components.artifacts.places import BucketPlace, FilePart, FolderPlace
from components.artifacts.publishing import Published, publish
from components.artifacts.versions import list_names, object_key
from components.config import load_params
from components.errors import UserError
from components.tracing.products import read_products
from tests.components.artifacts.project import MODEL, list_files
from tests.components.training.s3_line import BUCKET, Line, empty_bucket, line, s3_address

__all__ = ["line", "s3_address"]
PREFIX = "some/shared"
ADDRESS = parse_address(f"s3://{BUCKET}/{PREFIX}/vqa")
FOLDER = parse_address("../shared/vqa")
IMPATIENT = Terms(retries=1, sleep=lambda _: None)
HOLD = """
import sys, time
from pathlib import Path
from components.artifacts.fetching import hold_folder
with hold_folder(Path("vqa-v1")):
    print("held", flush=True)
    time.sleep(600)
"""


def publish_here(address: object = ADDRESS) -> Published:
    assert isinstance(address, type(ADDRESS))
    return publish(MODEL, address, read_products(), load_params())


def is_whole(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds what its manifest says, and nothing else."""
    held = list_files(folder)
    del held["artifact.json"]
    return held == {name: content.sha256 for name, content in manifest.files.items()}


def test_a_second_get_into_the_same_folder_is_refused_while_the_first_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = publish_here(FOLDER).manifest
    whole, reached, may_go_on = FolderPlace.open, threading.Event(), threading.Event()

    @contextmanager
    def open_and_wait(self: FolderPlace, key: str, begin: int, tag: str) -> Iterator[FilePart]:
        reached.set()
        assert may_go_on.wait(60)
        with whole(self, key, begin, tag) as part:
            yield part  # type: ignore[misc]

    monkeypatch.setattr(FolderPlace, "open", open_and_wait)
    first = threading.Thread(target=fetch, args=(FOLDER,))
    first.start()
    assert reached.wait(60)
    with pytest.raises(UserError, match="another command is bringing") as caught:
        fetch(FOLDER)
    assert "--to" in caught.value.next_command
    assert fetch_beside(may_go_on, first)
    assert is_whole(Path("vqa-v1"), manifest)
    assert fetch(FOLDER)[0] == Path("vqa-v1")
    assert list(Path().glob("vqa-v1.*")) == []


def fetch_beside(may_go_on: threading.Event, first: threading.Thread) -> bool:
    """Let the first go on; another folder can be brought at the same time."""
    may_go_on.set()
    folder, manifest = fetch(FOLDER, Path("beside"))
    first.join()
    return is_whole(folder, manifest)


def test_a_get_that_was_killed_holds_nothing(project: Path) -> None:
    publish_here(FOLDER)
    command = [sys.executable, "-c", HOLD]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another command is bringing"):
            fetch(FOLDER)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert fetch(FOLDER)[0].is_dir()


def test_many_gets_at_once_leave_one_whole_folder(project: Path) -> None:
    manifest = publish_here(FOLDER).manifest
    gate, ended = threading.Barrier(8), []

    def get() -> None:
        gate.wait()
        try:
            ended.append(is_whole(fetch(FOLDER)[0], manifest))
        except UserError as error:
            ended.append("another command is bringing" in error.what)

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [True] * 8
    assert is_whole(Path("vqa-v1"), manifest) and list(Path().glob("vqa-v1.*")) == []


def test_a_lock_is_left_where_nothing_was_brought(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_folder(Path("vqa-v1")):
        raise ZeroDivisionError
    publish_here(FOLDER)
    assert fetch(FOLDER)[0].is_dir()


@pytest.mark.parametrize("said", [10, 1 << 40])
def test_a_manifest_that_lies_about_a_size_is_found_out(project: Path, said: int) -> None:
    manifest = publish_here(FOLDER).manifest
    file = Path("../shared/artifacts/vqa/v1.json")
    values = json.loads(file.read_text())
    values["files"]["model.safetensors"]["bytes"] = said
    file.write_text(json.dumps(values))
    assert hash_contents(manifest.files) == values["content_sha256"]  # its sums are those of before
    with pytest.raises(UserError, match="is damaged") as caught:
        fetch(FOLDER, terms=IMPATIENT)
    assert "model.safetensors" in caught.value.what
    assert not Path("vqa-v1").exists()
    partial = Path(f"vqa-v1{UNFINISHED}/model.safetensors.partial")
    assert not partial.exists() or partial.stat().st_size <= said  # not a byte more than was said


@pytest.mark.services
def test_a_flipped_bit_is_found_in_every_object(line: Line, project: Path) -> None:
    manifest = publish_here().manifest
    for name, content in manifest.files.items():
        key = f"{PREFIX}/{object_key(content.sha256)}"
        kept = line.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        flipped = kept[:-1] + bytes([kept[-1] ^ 1])
        line.client.put_object(Bucket=BUCKET, Key=key, Body=flipped)
        with pytest.raises(UserError, match="is damaged") as caught:
            fetch(ADDRESS, terms=IMPATIENT)
        assert key in caught.value.what and f"({name} of vqa@v1)" in caught.value.what
        assert not Path("vqa-v1").exists()
        line.client.put_object(Bucket=BUCKET, Key=key, Body=kept)
        shutil.rmtree(f"vqa-v1{UNFINISHED}")
    assert is_whole(fetch(ADDRESS)[0], manifest)


@pytest.mark.services
def test_a_download_that_breaks_off_goes_on_and_a_cut_object_is_told(
    line: Line, project: Path
) -> None:
    manifest = publish_here().manifest
    content = manifest.files["model.safetensors"]
    key = f"{PREFIX}/{object_key(content.sha256)}"
    line.cut(content.bytes // 2, key)
    folder, _ = fetch(ADDRESS, terms=IMPATIENT)
    assert line.ranges == [f"bytes={content.bytes // 2}-"]
    assert is_whole(folder, manifest)
    folder.rename("brought")
    line.client.put_object(Bucket=BUCKET, Key=key, Body=b"x" * 100)
    with pytest.raises(UserError, match="is damaged") as caught:
        fetch(ADDRESS, terms=IMPATIENT)
    assert f"it has 100 bytes, not {content.bytes}" in caught.value.why


@pytest.mark.services
def test_a_bucket_that_vanishes_between_weights_and_manifest_holds_no_version(
    line: Line, project: Path
) -> None:
    def vanish(asked: str) -> None:
        if asked.startswith("PUT") and "/artifacts/" in asked:
            empty_bucket(line.client, BUCKET)
            line.client.delete_bucket(Bucket=BUCKET)

    line.watch = vanish
    with pytest.raises(UserError, match=r"artifacts/vqa/v1\.json could not be written") as caught:
        publish_here()
    assert "NoSuchBucket" in caught.value.why and "make the bucket" in caught.value.next_command
    line.watch = lambda _: None
    with pytest.raises(UserError, match="could not be listed"):
        fetch(ADDRESS)
    line.client.create_bucket(Bucket=BUCKET)
    assert publish_here().manifest.version == 1
    assert fetch(ADDRESS)[0].is_dir()


def is_upload(asked: str) -> bool:
    """Whether it is one of a content or of a manifest."""
    return asked.startswith("PUT") and ("/objects/" in asked or "/artifacts/" in asked)


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(900)
def test_a_publish_that_is_killed_at_each_upload_is_nowhere_until_its_last(
    line: Line, project: Path, repository: Path
) -> None:
    command = [sys.executable, "-m", "flows.cli", "artifacts", "publish", str(MODEL), str(ADDRESS)]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    num_killed = 0
    while True:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def kill(asked: str, pid: int = process.pid) -> None:
            if is_upload(asked):  # it arrives, and nobody hears the answer
                os.kill(pid, signal.SIGKILL)

        line.watch = kill
        if process.wait(120) == 0:
            break
        assert process.returncode == -signal.SIGKILL
        num_killed += 1
        assert num_killed <= 10
        if num_killed < 10:
            assert list_names(BucketPlace(ADDRESS.place)) == {}
            with pytest.raises(UserError, match="there is no vqa"):
                fetch(ADDRESS)
    sent = [asked for asked in line.asked if is_upload(asked)]
    assert num_killed == 10 == len(set(sent)) == len(sent)  # each of them once
    assert list_names(BucketPlace(ADDRESS.place)) == {"vqa": [1]}
    folder, manifest = fetch(ADDRESS)
    assert is_whole(folder, manifest)
