"""Products in a bucket: pushed, pulled to a second clone, and every fault told in one sentence."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from components.errors import UserError
from components.remote import set_remote, try_remote
from tests.components.training.s3_line import Line
from tests.pipeline.conftest import Project
from tests.remote.conftest import STAGES, Server

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("remote")]
Done = subprocess.CompletedProcess[str]
PRODUCTS = ("data/raw", "data/examples")
OBJECT = re.compile(r"PUT /.*/files/md5/[0-9a-f]{2}/[0-9a-f]{30}")
slow = partial(pytest.param, marks=pytest.mark.slow)  # one of a kind is tried in `make test`
LATE_CLOCK = """
import datetime
import botocore.auth, botocore.compat
def late(remove_tzinfo=True):
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
    return now.replace(tzinfo=None) if remove_tzinfo else now
botocore.auth.get_current_datetime = late
"""


def read_products(root: Path) -> dict[str, str]:
    """The hash of every file that the finished stages made."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in PRODUCTS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def assert_told(done: Done, *words: str) -> None:
    """One error with its cause and the next command, and no traceback."""
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    last = said[said.index("\nerror: ") + 1 :]
    assert re.fullmatch(r"error: .+\n( +why: +.+\n)? +next: .+\n", last), last
    for word in words:
        assert word in last, last


def assert_fine(done: Done) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def list_sent(line: Line) -> list[str]:
    """The objects that were sent, with those that failed."""
    return [asked for asked in line.asked if OBJECT.match(asked)]


def test_a_second_clone_has_all_and_runs_nothing(here: Project, there: Project, line: Line) -> None:
    assert_fine(here.biomedgpt("push"))
    assert read_products(there.root) == {}
    assert_fine(there.biomedgpt("pull", *STAGES, "acquire@pneumoniamnist", "acquire@vqa_rad"))
    made = read_products(here.root)
    assert len(made) > 40
    assert read_products(there.root) == made
    again = there.dvc("repro", *STAGES)
    assert_fine(again)
    assert "Running stage" not in again.stdout
    assert again.stdout.count("didn't change, skipping") == 4
    assert (there.root / "dvc.lock").read_bytes() == (here.root / "dvc.lock").read_bytes()
    assert not [key for key in line.asked if key.startswith("DELETE")]


def test_any_product_is_fetched_alone_and_checked_out_without_the_server(
    here: Project, there: Project, line: Line
) -> None:
    assert_fine(here.dvc("push", "--quiet", *STAGES))
    assert_fine(there.dvc("pull", "--quiet", "data/examples/vqa_rad"))
    assert {name.split("/")[2] for name in read_products(there.root)} == {"vqa_rad"}
    assert_fine(there.dvc("fetch", "--quiet", "prepare@pneumoniamnist"))
    line.fail(503, "GET")
    line.fail(503, "HEAD")
    assert_fine(there.dvc("checkout", "--quiet", "prepare@pneumoniamnist"))
    examples = {k: v for k, v in read_products(here.root).items() if "/examples/" in k}
    assert read_products(there.root) == examples


def test_a_bucket_is_tried_before_it_is_used(
    finished: Project, server: Server, bucket: str, line: Line, tmp_path: Path
) -> None:
    subprocess.run(["git", "clone", "--quiet", finished.root, tmp_path / "new"], check=True)
    new = Project(tmp_path / "new", finished.environment)
    before = (new.root / ".dvc/config").read_text()
    wrong = new.biomedgpt("remote", "s3://no-such-bucket/dvc", "--endpoint", line.address)
    assert_told(Done("", wrong.returncode, "", "\n" + wrong.stderr), "NoSuchBucket", "aws s3 mb")
    assert (new.root / ".dvc/config").read_text() == before
    line.asked.clear()
    assert_fine(new.biomedgpt("remote", f"s3://{bucket}/dvc", "--endpoint", line.address))
    assert [asked.split()[0] for asked in line.asked] == ["PUT", "GET", "GET", "DELETE"]
    config = (new.root / ".dvc/config").read_text()
    for setting in (f"url = s3://{bucket}/dvc", "verify = true", f"endpointurl = {line.address}"):
        assert setting in config
    assert "Contents" not in server.client().list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("address", ["bucket/prefix", "s3://", "https://bucket", "s3:///x"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(UserError, match="is no address of a bucket"):
        set_remote(address)


@pytest.mark.parametrize(
    ("address", "endpoint", "words"),
    [
        ("s3://bucket/x", "127.0.0.1:9000", "is no address of a server"),
        ("s3://bucket/x", "http://me:canary-1234@127.0.0.1:9000", "looks like a secret"),
        ("s3://me:canary-1234@bucket/x", "", "looks like a secret"),
        ("s3://bucket/\xfcber", "", "holds a letter"),
        ("s3://bucket/a\tb", "", "holds a letter"),
    ],
)
def test_what_cannot_stand_in_dvc_s_settings_is_refused_before_the_trial(
    address: str, endpoint: str, words: str
) -> None:
    with pytest.raises(UserError, match=words) as refused:
        set_remote(address, endpoint)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, ("SignatureDoesNotMatch", "check AWS_ACCESS_KEY")),
        # each server in its own words
        slow({"AWS_ACCESS_KEY_ID": "unknown"}, ("check AWS_ACCESS_KEY_ID",)),
        slow(
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, ("credentials", "AWS_PROFILE")
        ),
        slow({"AWS_PROFILE": "nobody"}, ("nobody", "aws configure --profile")),
    ],
)
def test_wrong_credentials_are_told(
    here: Project, changes: dict[str, str], words: tuple[str, ...]
) -> None:
    assert_told(here.biomedgpt("push", *STAGES, **changes), *words)


def test_a_wrong_clock_is_told(here: Project, tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late/sitecustomize.py").write_text(LATE_CLOCK)
    path = os.pathsep.join([str(tmp_path / "late"), here.environment["PYTHONPATH"]])
    assert_told(here.biomedgpt("push", *STAGES, PYTHONPATH=path), "request time", "timedatectl")


def test_an_expired_token_is_told(here: Project, line: Line) -> None:
    for method in ("GET", "HEAD", "PUT"):  # as AWS answers; the server here issues no tokens
        line.fail(400, method, code="ExpiredToken")
    assert_told(here.biomedgpt("push", *STAGES), "ExpiredToken", "AWS_SESSION_TOKEN")


@pytest.mark.slow
def test_what_passes_is_waited_for(here: Project, there: Project, line: Line) -> None:
    line.fail(500, "PUT", times=1)
    line.fail(503, "PUT", times=1)
    line.reset("PUT", times=1)
    line.delay(2.0, "PUT", times=1)
    assert_fine(here.biomedgpt("push", *STAGES))
    line.fail(503, "GET", times=1)
    line.reset("GET", times=1)
    assert_fine(there.biomedgpt("pull", *STAGES))
    examples = {k: v for k, v in read_products(here.root).items() if "/examples/" in k}
    assert read_products(there.root) == examples
    assert [fault.times for fault in line.faults] == [0] * 6


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "InternalError"),
        slow("503", "SlowDown"),
        slow("reset", "Connection"),
        slow("closed", "Could not connect"),
    ],
)
def test_a_server_that_stays_down_is_told(
    here: Project, line: Line, fault: str, words: str
) -> None:
    for method in ("GET", "HEAD", "PUT"):
        if fault == "reset":
            line.reset(method)
        elif fault != "closed":
            line.fail(int(fault), method)
    if fault == "closed":
        config = here.root / ".dvc/config"
        config.write_text(config.read_text().replace(line.address, "http://127.0.0.1:9"))
    assert_told(here.biomedgpt("push", *STAGES), "goes on where it stopped", words)


@pytest.mark.slow
def test_nothing_is_half_published_and_the_rest_is_sent_again(
    here: Project, there: Project, line: Line, server: Server, bucket: str
) -> None:
    line.delay(0.0, "PUT", times=2)  # two arrive, then
    line.fail(500, "PUT")
    assert_told(here.biomedgpt("push", *STAGES), "goes on where it stopped")
    held = [item["Key"] for item in server.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(held) == 2
    assert not [key for key in held if key.endswith(".dir")]  # the list of a folder comes last
    assert_told(there.biomedgpt("pull", *STAGES), "biomedgpt push where they were made")
    assert read_products(there.root) == {}
    line.faults.clear()
    line.asked.clear()
    assert_fine(here.biomedgpt("push", *STAGES))
    sent = list_sent(line)
    assert len(sent) == len(set(sent)) > 2
    assert not {key for key in held if any(asked.endswith(key) for asked in sent)}
    assert_fine(there.biomedgpt("pull", *STAGES))
    assert read_products(there.root).keys() <= read_products(here.root).keys()


def test_a_pull_that_broke_off_goes_on(here: Project, there: Project, line: Line) -> None:
    assert_fine(here.dvc("push", "--quiet", *STAGES))
    objects = sorted({asked.split()[1] for asked in list_sent(line) if ".dir" not in asked})
    line.fail(500, "GET", objects[0])
    assert there.biomedgpt("pull", *STAGES).returncode == 2
    line.faults.clear()
    line.asked.clear()
    assert_fine(there.biomedgpt("pull", *STAGES))
    fetched = {asked.split()[1] for asked in line.asked if asked.startswith("GET")}
    assert fetched & set(objects) == {objects[0]}


def test_a_bucket_that_vanishes_is_told(
    here: Project, line: Line, server: Server, bucket: str
) -> None:
    client, num_put = server.client(), 0
    with (here.root / ".dvc/config").open("a") as config:
        config.write("jobs = 1\n")  # nothing else is under way when it goes

    def remove(asked: str) -> None:
        nonlocal num_put
        num_put += asked.startswith("PUT")
        if num_put == 3:
            for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=item["Key"])
            client.delete_bucket(Bucket=bucket)

    line.watch = remove
    assert_told(here.biomedgpt("push", *STAGES), "NoSuchBucket", "make the bucket")


def test_what_is_damaged_in_the_bucket_is_not_taken(
    here: Project, there: Project, line: Line, server: Server, bucket: str
) -> None:
    assert_fine(here.dvc("push", "--quiet", *STAGES))
    damaged = here.root / "data/examples/vqa_rad/examples.parquet"
    digest = hashlib.md5(damaged.read_bytes(), usedforsecurity=False).hexdigest()
    key = f"dvc/files/md5/{digest[:2]}/{digest[2:]}"
    server.client().put_object(Bucket=bucket, Key=key, Body=b"other bytes")
    assert_told(there.biomedgpt("pull", *STAGES), "biomedgpt push where they were made")
    assert not (there.root / "data/examples/vqa_rad/examples.parquet").exists()
    # DVC takes a folder whose list is there for whole: both go, and are sent again
    held = [item["Key"] for item in server.client().list_objects_v2(Bucket=bucket)["Contents"]]
    for gone in (key, *(name for name in held if name.endswith(".dir"))):
        server.client().delete_object(Bucket=bucket, Key=gone)
    assert_fine(here.biomedgpt("push", *STAGES))
    assert_fine(there.biomedgpt("pull", *STAGES))
    assert (there.root / "data/examples/vqa_rad/examples.parquet").exists()


@pytest.mark.slow
def test_a_large_file_goes_in_parts(
    here: Project, make_copy: Callable[[str, bool], Project], line: Line
) -> None:
    large = here.root / "large.bin"
    large.write_bytes(os.urandom(1 << 20) * 120)
    assert_fine(here.dvc("add", "--quiet", "large.bin"))
    line.fail(503, "PUT", times=1)  # one of the parts
    assert_fine(here.biomedgpt("push", "large.bin"))
    assert len([asked for asked in line.asked if asked.startswith("POST")]) == 2
    there = make_copy("elsewhere", False)
    shutil.copy(here.root / "large.bin.dvc", there.root)
    assert_fine(there.biomedgpt("pull", "large.bin"))
    assert (there.root / "large.bin").read_bytes() == large.read_bytes()


def test_an_upload_whose_sender_dies_is_not_passed_on(line: Line, bucket: str) -> None:
    host, port = line.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sender:
        sender.sendall(f"PUT /{bucket}/half HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc".encode())
        sender.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            sender.recv(1)
    assert line.asked == []


def test_without_a_bucket_the_way_to_one_is_told(finished: Project) -> None:
    done = finished.biomedgpt("push")
    assert_told(done, "knows no bucket", "biomedgpt remote s3://")


def test_bytes_that_come_back_otherwise_are_told(
    finished: Project, server: Server, bucket: str, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    for name, value in finished.environment.items():
        monkeypatch.setenv(name, value)

    def replace(asked: str) -> None:
        if asked.startswith("GET") and "tried-" in asked:
            key = asked.split("/", 2)[2]
            server.client().put_object(Bucket=bucket, Key=key, Body=b"x" * (1 << 16))

    line.watch = replace
    with pytest.raises(UserError, match="does not give back what was written"):
        try_remote(f"s3://{bucket}/dvc", line.address)
