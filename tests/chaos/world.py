"""A finished small pipeline, and what it takes to do one of its stages over."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from components.lineage import hash_file
from tests.pipeline.conftest import SMALL, Project, make_project

MARK = "BIOMEDGPT_CHAOS"  # in the environment of all that a campaign starts
STARTED = "Running stage '"
LOCK = "dvc.lock"


@dataclass
class World:
    """A project that ran once undisturbed: what it made, and how long each stage took."""

    project: Project
    mark: str
    products: dict[str, dict[str, str]] = field(default_factory=dict)  # stage -> path -> hash
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # path -> hash of its bytes

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def kept(self) -> Path:
        """A copy of it, as the undisturbed run left it."""
        return self.root.with_name("kept")

    def start(self, *words: str, file_bytes: int = 0) -> subprocess.Popen[str]:
        """A command in a process group of its own; no file may grow beyond ``file_bytes``."""
        limit = ["prlimit", f"--fsize={file_bytes}:"] if file_bytes else []
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return subprocess.Popen(
            [*limit, sys.executable, *words],
            cwd=self.root,
            env={**self.project.environment, "PATH": path, MARK: self.mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def processes(self) -> dict[int, str]:
        """Each living process that bears the campaign's mark, with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                marked = f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes()
                ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended since it was listed, or is another user's
                continue
            if marked and not ended:
                found[int(folder.name)] = words
        return found

    def read_products(self) -> dict[str, dict[str, str]]:
        """What DVC's lock says that each stage made."""
        return {
            name: {out["path"]: out["md5"] for out in stage.get("outs", [])}
            for name, stage in read_stages(self.root).items()
        }

    def hash_files(self) -> dict[str, str]:
        """The bytes of all products as they lie there, whatever DVC says of them."""
        places = [self.root / path for outs in self.products.values() for path in outs]
        files = chain.from_iterable(path.rglob("*") if path.is_dir() else [path] for path in places)
        return {
            path.relative_to(self.root).as_posix(): hash_file(path)
            for path in files
            if path.is_file()
        }

    def find_damaged(self) -> list[Path]:
        """The objects of DVC's cache whose bytes are not those that their name tells."""
        objects = (self.root / ".dvc/cache/files/md5").glob("??/*")
        return [path for path in objects if md5(path) != path.parent.name + path.name[:30]]

    def keep(self) -> None:
        """Remember the project as it is."""
        remove(self.kept)
        shutil.copytree(self.root, self.kept, symlinks=True)

    def restore(self) -> None:
        """Make it again what it was, whatever broke."""
        remove(self.root)
        shutil.copytree(self.kept, self.root, symlinks=True)

    def forget(self, stage: str) -> None:
        """Take away what a stage made, and all that could give it back without a run.

        A power cut may have taken it from the books, or all of them, before.
        """
        forgotten = read_stages(self.kept)[stage]
        for out in forgotten.get("outs", []):
            remove(self.root / out["path"])
        if (self.root / LOCK).exists():
            stages = read_stages(self.root)
            stages.pop(stage, None)
            words = yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)
            (self.root / LOCK).write_text(words)
        for run in (self.root / ".dvc/cache/runs").glob("*/*/*"):
            command = run.read_text(errors="replace").partition("\ndeps:")[0]
            if command.split() == ["cmd:", *forgotten["cmd"].split()]:
                remove(run.parent)
        if stage.startswith(("pretrain", "finetune", "instruct")):
            remove(self.root / "data/checkpoints")


def read_stages(root: Path) -> dict[str, Any]:
    """What DVC's lock says of each stage."""
    stages: dict[str, Any] = yaml.safe_load((root / LOCK).read_text())["stages"]
    return stages


def md5(path: Path) -> str:
    """The hash by which DVC names a file's bytes."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def remove(path: Path) -> None:
    """Take a file or a folder away; DVC may have made it read-only."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_world(repository: Path, folder: Path) -> World:
    """Run the small pipeline once, undisturbed."""
    changes: dict[str, Any] = {**SMALL, "datasets": SMALL["datasets"][:3]}
    project = make_project(repository, folder, changes)
    world = World(project, mark=f"{os.getpid()}.{time.time_ns()}")
    running, begun = world.start("-m", "dvc", "repro"), time.monotonic()
    said, stage = [], ""
    for line in running.stdout or ():
        said.append(line)
        now = time.monotonic()
        if line.startswith(STARTED):
            if stage:
                world.seconds[stage] = now - begun
            stage, begun = line[len(STARTED) :].partition("'")[0], now
    world.seconds[stage] = time.monotonic() - begun
    assert running.wait() == 0, "".join(said)
    world.products = world.read_products()
    world.files = world.hash_files()
    world.keep()
    return world


def end_all(world: World) -> None:
    """Kill whatever still bears the mark."""
    for pid in world.processes():
        with suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, signal.SIGKILL)
