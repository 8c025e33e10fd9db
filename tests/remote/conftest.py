"""A real S3 server, a project with a few finished stages, and second machines to pull to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.components.training.s3_line import ELSEWHERE, Line, empty_bucket, open_line
from tests.pipeline.conftest import SMALL, Project, make_project

STAGES = ("prepare@pneumoniamnist", "prepare@vqa_rad")


@dataclass(frozen=True)
class Server:
    """The address of an S3 server, and credentials that it knows."""

    address: str
    key: str
    secret: str

    def client(self) -> Any:
        """Someone who asks the server itself."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """rclone's server, which checks signatures as AWS does; or that of BIOMEDGPT_TEST_S3."""
    if address := os.environ.get(ELSEWHERE):
        yield Server(address, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        return
    with serve_rclone(tmp_path_factory.mktemp("s3"), "a-key", "a-secret") as made:
        yield made


@contextmanager
def serve_rclone(folder: Path, key: str, secret: str) -> Iterator[Server]:
    """rclone's server over a folder, for whoever has these credentials."""
    beside = Path(sys.executable).with_name("rclone")
    rclone = str(beside) if beside.exists() else shutil.which("rclone")
    if rclone is None:
        pytest.skip("needs rclone, which `make install` brings")
    command = [rclone, "serve", "s3", str(folder), "--addr", "127.0.0.1:0"]
    words = ["--auth-key", f"{key},{secret}", "--no-cleanup", "--config", os.devnull]
    process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        found = next(filter(None, (re.search(r"on \[(http://[^/]+)/", line) for line in lines)))
        yield Server(found.group(1), key, secret)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    """A line to the server that fails when told."""
    with open_line(server.client(), server.address) as made:
        yield made


@pytest.fixture
def bucket(server: Server) -> Iterator[str]:
    """An empty bucket, gone when the test ends."""
    client, name = server.client(), f"biomedgpt-tests-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    if name in {held["Name"] for held in client.list_buckets()["Buckets"]}:
        empty_bucket(client, name)
        client.delete_bucket(Bucket=name)


@pytest.fixture(scope="session")
def finished(repository: Path, tmp_path_factory: pytest.TempPathFactory, server: Server) -> Project:
    """A project of two data sets, prepared and committed; tests take copies."""
    made = make_project(repository, tmp_path_factory.mktemp("finished"), SMALL)
    done = made.dvc("repro", "--quiet", *STAGES)
    assert done.returncode == 0, done.stderr
    name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "add", "--all"], cwd=made.root, check=True)
    subprocess.run(["git", *name, "commit", "--quiet", "-m", "x"], cwd=made.root, check=True)
    nothing = made.root.parent / "no-settings"
    nothing.touch()
    return replace(made, environment=made.environment | access(server, nothing))


def access(server: Server, nothing: Path) -> dict[str, str]:
    """An environment with the server's credentials, and none of this machine's own settings.

    ``nothing`` is an empty file.
    """
    return {
        "AWS_ACCESS_KEY_ID": server.key,
        "AWS_SECRET_ACCESS_KEY": server.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(nothing),
        "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",  # a server that is down is given up in seconds
    }


@pytest.fixture
def make_copy(
    finished: Project, line: Line, bucket: str, tmp_path: Path
) -> Callable[[str, bool], Project]:
    """Makes ``name``: the finished project, or a clone of it that has no product yet.

    Both push to the bucket by the line.
    """
    remote = (
        f"[core]\nanalytics = false\ncheck_update = false\nremote = store\n"
        f"['remote \"store\"']\nurl = s3://{bucket}/dvc\nendpointurl = {line.address}\n"
        f"verify = true\n"
    )

    def make(name: str, has_products: bool) -> Project:
        root = tmp_path / name / "project"
        if has_products:
            shutil.copytree(finished.root, root)
        else:
            command = ["git", "clone", "--quiet", str(finished.root), str(root)]
            subprocess.run(command, check=True)
        (root / ".dvc/config").write_text(remote)
        own = {"PYTHONPATH": str(root), "DVC_SITE_CACHE_DIR": str(tmp_path / name / "site")}
        return Project(root, finished.environment | own)

    return make


@pytest.fixture
def here(make_copy: Callable[[str, bool], Project]) -> Project:
    """The machine on which the products were made."""
    return make_copy("here", True)


@pytest.fixture
def there(make_copy: Callable[[str, bool], Project]) -> Project:
    """Another one, with the sources and dvc.lock alone."""
    return make_copy("there", False)
