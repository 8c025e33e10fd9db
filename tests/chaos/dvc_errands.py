"""Push products to a bucket and pull them to another clone, as `biomedgpt push` and `pull` do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from components.errors import UserError
from components.lineage import hash_file
from tests.chaos.s3_errands import Errand
from tests.chaos.world import md5
from tests.components.training.s3_line import Line
from tests.pipeline.conftest import Project

STAGES = ("prepare@pneumoniamnist",)
OBJECTS = "files/md5/"


def name_object(key: str) -> str:
    """The hash that an object's key tells; ".dir" is not part of it."""
    return key.removeprefix(OBJECTS).replace("/", "").removesuffix(".dir")


class Push(Errand):
    """Push what a stage made."""

    def __init__(self, line: Line, bucket: str, folder: Path, project: Project) -> None:
        super().__init__(line, bucket, folder)
        self.project = project
        lock = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]
        self.outs = [out for stage in STAGES for out in lock[stage]["outs"]]

    def settle(self, root: Path) -> None:
        """Let a project push to the present prefix, by the line."""
        (root / ".dvc/config").write_text(
            f"[core]\nanalytics = false\ncheck_update = false\nremote = store\n"
            f"['remote \"store\"']\nurl = {self.address()}\n"
            f"endpointurl = {self.line.address}\nverify = true\n"
        )

    def run(self, project: Project, word: str) -> str:
        """The command; UserError with what it told, where it ended in a plain error."""
        site = str(self.folder / "site")
        done = project.biomedgpt(word, *STAGES, DVC_SITE_CACHE_DIR=site)
        said = done.stdout + done.stderr
        if done.returncode == 2 and "Traceback" not in said:
            raise UserError(said[said.rindex("error: ") :])
        if done.returncode:
            raise RuntimeError(said)
        return ""

    def do(self) -> str:
        """Push."""
        self.settle(self.project.root)
        return self.run(self.project, "push")

    def list_amiss(self) -> Iterator[str]:
        """Objects that are others than their name tells, and folders without one of their files."""
        scratch = self.folder / "object"
        held = self.held()
        for key, body in held.items():
            scratch.write_bytes(body)
            if md5(scratch) != name_object(key):
                yield f"{key} holds other bytes"
            elif key.endswith(".dir"):
                names = {name_object(name) for name in held}
                files = (entry["md5"] for entry in yaml.safe_load(body))
                yield from (f"{key} lacks {name}" for name in files if name not in names)

    def list_wanting(self) -> Iterator[str]:
        """Products that are not there."""
        yield from self.list_amiss()
        names = {name_object(key) for key in self.held()}
        for out in self.outs:
            if out["md5"].removesuffix(".dir") not in names:
                yield f"{out['path']} is not there"


class Pull(Push):
    """Pull it to a clone that has none."""

    def __init__(self, line: Line, bucket: str, folder: Path, pushed: Push) -> None:
        super().__init__(line, bucket, folder, pushed.project)
        pushed.begin()
        pushed.do()
        self.pushed = pushed.prefix
        self.wanted = self.hash_outs(self.project.root)

    def hash_outs(self, root: Path) -> dict[str, str]:
        """Every file that the stage made."""
        files = (path for out in self.outs for path in sorted((root / out["path"]).rglob("*")))
        return {path.relative_to(root).as_posix(): hash_file(path)
                for path in files if path.is_file()}  # fmt: skip

    def begin(self) -> None:
        """A new clone."""
        super().begin()
        self.prefix = self.pushed
        root = self.folder / "project"
        subprocess.run(["git", "clone", "--quiet", self.project.root, root], check=True)
        shutil.copy(self.project.root / "dvc.lock", root)
        own = {**self.project.environment, "PYTHONPATH": str(root)}
        self.clone = replace(self.project, root=root, environment=own)

    def do(self) -> str:
        """Pull."""
        self.settle(self.clone.root)
        return self.run(self.clone, "pull")

    def list_amiss(self) -> Iterator[str]:
        """Files that are there and are others, in the project and in its cache."""
        found = self.hash_outs(self.clone.root)
        yield from (f"{name} is another" for name in found if found[name] != self.wanted.get(name))
        cache = self.clone.root / ".dvc/cache/files/md5"
        for path in cache.glob("??/*"):
            key = path.relative_to(cache).as_posix()
            if len(name_object(key)) == 32 and md5(path) != name_object(key):
                yield f"{key} of the cache holds other bytes"

    def list_wanting(self) -> Iterator[str]:
        """Files that are not there."""
        yield from self.list_amiss()
        yield from self.wanted.keys() - self.hash_outs(self.clone.root).keys()
