"""A whole pipeline by way of a bucket: pushed, killed in the midst, pulled elsewhere, no secret.

The secrets with which the bucket is opened are canaries, so that no file may hold them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from components.lineage import hash_file
from tests.canaries import ENVIRONMENT, TEXTS, find_canaries
from tests.components.training.s3_line import Line, open_line
from tests.pipeline.conftest import SMALL, Project, make_project
from tests.remote.conftest import Server, access, serve_rclone
from tests.remote.test_remote import assert_fine, assert_told, list_sent

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.xdist_group("whole")]
pytestmark += [pytest.mark.timeout(1800)]
WHOLE = {**SMALL, "datasets": ["vqa_rad", "iu_xray"], "zero_shot_on": ["vqa_rad"]}
KEY, SECRET = TEXTS["an AWS key"], ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
BROKEN = 'raise ValueError("{}")\n'
REPORT = "components/stages/report.py"
MOST_OBJECTS_OF_A_STAGE = 40


@dataclass(frozen=True)
class Whole:
    """A finished project, the bucket that it is pushed to, and what its commands have shown."""

    project: Project
    line: Line
    bucket: str
    folder: Path

    def clone(self, name: str) -> Project:
        """A second machine, at the same commit."""
        root = self.folder / name / "project"
        subprocess.run(["git", "clone", "--quiet", str(self.project.root), str(root)], check=True)
        own = {"PYTHONPATH": str(root), "DVC_SITE_CACHE_DIR": str(self.folder / name / "site")}
        return replace(self.project, root=root, environment=self.project.environment | own)

    def list_held(self) -> list[str]:
        """The keys that the bucket holds."""
        pages = self.line.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


@pytest.fixture(scope="module")
def canary_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose credentials are canaries; its folder is what the bucket holds."""
    with serve_rclone(tmp_path_factory.mktemp("held"), KEY, SECRET) as made:
        yield made


@pytest.fixture(scope="module")
def whole(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, canary_server: Server
) -> Iterator[Whole]:
    """Every stage ran once, with canaries all around; the report failed with one before."""
    folder = tmp_path_factory.mktemp("whole")
    made = make_project(repository, folder, WHOLE)
    (folder / "none").touch()
    planted = ENVIRONMENT | access(canary_server, folder / "none")
    made = replace(made, environment=made.environment | planted)
    with open_line(canary_server.client(), canary_server.address) as line:
        line.client.create_bucket(Bucket="whole")
        (made.root / ".dvc/config").write_text(
            "[core]\nanalytics = false\ncheck_update = false\nremote = store\n"
            f"['remote \"store\"']\nurl = s3://whole/dvc\nendpointurl = {line.address}\n"
            "verify = true\n"
        )
        run_all(made, folder)
        name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", "add", "--all"], cwd=made.root, check=True)
        subprocess.run(["git", *name, "commit", "--quiet", "-m", "x"], cwd=made.root, check=True)
        yield Whole(made, line, "whole", folder)


def run_all(made: Project, folder: Path) -> None:
    """Run the pipeline; the first time its last stage raises an exception that tells a secret."""
    report = made.root / REPORT
    kept = report.read_text()
    words = TEXTS["a signed query"] + " " + TEXTS["userinfo"]
    report.write_text(kept.replace("    card", f"    {BROKEN.format(words)}    card", 1))
    assert report.read_text() != kept
    first = made.biomedgpt("run")
    assert first.returncode == 1 and "report" in first.stderr, first.stdout + first.stderr
    report.write_text(kept)
    second = made.biomedgpt("run")
    assert_fine(second)
    shown = first.stdout + first.stderr + second.stdout + second.stderr
    (folder / "shown.txt").write_text(shown)
    assert "[hidden]" in shown


def hash_outs(root: Path) -> dict[str, str]:
    """Every file of every product of dvc.lock, by its path: its hash."""
    lock = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    paths = [root / out["path"] for stage in lock.values() for out in stage["outs"]]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return {
        file.relative_to(root).as_posix(): hash_file(file)
        for file in sorted(files)
        if file.is_file()
    }


def kill_push(whole: Whole, num_arrived: int) -> None:
    """Begin to push, and kill DVC and the command when so many objects were sent."""
    command = [sys.executable, "-m", "flows.cli", "push"]
    begun, killed = threading.Event(), threading.Event()
    process = subprocess.Popen(
        command,
        cwd=whole.project.root,
        env=whole.project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def kill(_asked: str) -> None:
        begun.set()
        if len(list_sent(whole.line)) > num_arrived and not killed.is_set():
            killed.set()
            os.killpg(process.pid, signal.SIGKILL)

    whole.line.watch = kill
    try:
        assert process.wait(600) == -signal.SIGKILL
    finally:
        whole.line.watch = lambda _: None
    assert begun.is_set()


def test_a_push_that_was_killed_goes_on_and_a_second_clone_has_all(whole: Whole) -> None:
    kill_push(whole, 20)
    held = whole.list_held()
    assert 10 <= len(held) < 60
    there = whole.clone("too-early")
    assert_told(there.biomedgpt("pull"), "biomedgpt push where they were made")
    whole.line.asked.clear()
    assert_fine(whole.project.biomedgpt("push"))
    sent = list_sent(whole.line)
    assert not [key for key in held if any(asked.endswith(f"/{key}") for asked in sent)]
    held = whole.list_held()
    lock = yaml.safe_load((whole.project.root / "dvc.lock").read_text())["stages"]
    print(f"{len(lock)} stages, {len(held)} objects")
    made = {
        name: sum(out.get("nfiles", 1) for out in stage["outs"]) for name, stage in lock.items()
    }
    later = {name: num for name, num in made.items() if not name.startswith("acquire")}
    assert max(later.values()) <= MOST_OBJECTS_OF_A_STAGE
    assert_fine(whole.project.dvc("status", "--cloud"))
    assert "in sync" in whole.project.dvc("status", "--cloud").stdout
    whole.line.asked.clear()
    assert_fine(whole.project.biomedgpt("push"))
    assert list_sent(whole.line) == []


def test_what_was_pulled_is_the_same_and_nothing_is_run(whole: Whole) -> None:
    assert_fine(whole.project.biomedgpt("push"))
    there = whole.clone("there")
    assert_fine(there.biomedgpt("pull"))
    made = hash_outs(whole.project.root)
    assert hash_outs(there.root) == made and len(made) > 100
    again = there.dvc("repro")
    assert_fine(again)
    assert "Running stage" not in again.stdout
    assert there.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    assert "in sync" in there.dvc("status", "--cloud").stdout
    run = there.biomedgpt("run")
    assert_fine(run)
    assert "stages up to date" in run.stdout and "Prefect" not in run.stdout
    assert (there.root / "dvc.lock").read_bytes() == (whole.project.root / "dvc.lock").read_bytes()


def test_a_clone_that_was_cut_off_while_it_pulled_goes_on(whole: Whole) -> None:
    assert_fine(whole.project.biomedgpt("push"))
    there = whole.clone("cut-off")
    objects = [key for key in whole.list_held() if not key.endswith(".dir")]
    for key in objects[::10]:
        whole.line.reset("GET", key)
    assert_told(there.biomedgpt("pull"), "goes on where it stopped", "connect to the endpoint")
    cache = there.root / ".dvc/cache"
    had = {f"dvc/{file.relative_to(cache).as_posix()}" for file in cache.rglob("*")} & set(objects)
    assert had
    whole.line.faults.clear()
    whole.line.asked.clear()
    assert_fine(there.biomedgpt("pull"))
    got = {a.split()[1].removeprefix("/whole/") for a in whole.line.asked if a.startswith("GET")}
    assert got and not got & had
    assert hash_outs(there.root) == hash_outs(whole.project.root)


def test_nothing_that_the_run_left_holds_a_secret(whole: Whole, canary_server: Server) -> None:
    root = whole.project.root
    assert_fine(whole.project.biomedgpt("push"))
    place = f"{whole.folder}/shared/vqa"
    model = "data/models/finetuned/debug/vqa_rad"
    published = whole.project.biomedgpt("artifacts", "publish", model, place)
    got = whole.project.biomedgpt("get", place, "--to", str(whole.folder / "got"))
    assert_fine(published)
    assert_fine(got)
    wrong = whole.project.dvc("config", "--local", "remote.store.endpointurl", TEXTS["userinfo"])
    assert_fine(wrong)
    failed = whole.project.biomedgpt("push")
    (root / ".dvc/config.local").unlink()  # the one file in which a person wrote it
    assert failed.returncode == 2
    params = root / "params.yaml"
    kept = params.read_text()
    params.write_text(kept.replace("root: ''", f"root: {TEXTS['userinfo']}"))
    refused = [whole.project.biomedgpt(word) for word in ("run", "plan")]
    params.write_text(kept)
    assert all("looks like a secret" in done.stderr for done in refused)
    everything = [published, got, failed, *refused]
    (whole.folder / "more.txt").write_text("".join(d.stdout + d.stderr for d in everything))
    assert (root / ".prefect/prefect.db").is_file() and list((root / "logs").iterdir())
    tests_own = [path for path in root.rglob("*") if path.suffix in (".py", ".pyc", ".md")]
    assert find_canaries([whole.folder], tests_own) == []
    keys = whole.list_held()
    assert not [key for key in keys if find_in(whole.line, whole.bucket, key)]


def find_in(line: Line, bucket: str, key: str) -> bool:
    """Whether an object or its headers hold a canary."""
    answer = line.client.get_object(Bucket=bucket, Key=key)
    content = answer["Body"].read() + repr(answer["Metadata"]).encode() + key.encode()
    return any(core.encode() in content for core in (SECRET, KEY, "canary7Q", "cAnaRy7Q"))
