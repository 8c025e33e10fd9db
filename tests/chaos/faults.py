"""The faults of a campaign: each strikes a running stage, and takes its own traces away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.chaos.world import World

# What a power cut may take: of files written just before it, the end of what was not yet on disk.
UNWRITTEN_S = 2.0
Strike = Callable[[World, subprocess.Popen[str], random.Random], None]


def is_stage(words: str) -> bool:
    """Whether a command line is a stage's."""
    return " -m components.stages." in words


def is_dvc(words: str) -> bool:
    """Whether it is DVC's."""
    return " -m dvc " in words


def send(world: World, number: signal.Signals, wanted: Callable[[str], bool]) -> None:
    """A signal to each process of the campaign whose command line is wanted."""
    for pid, words in world.processes().items():
        if wanted(words):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def kill_stage(world: World, _running: subprocess.Popen[str], _chance: random.Random) -> None:
    """The kernel ends the stage: no memory was left."""
    send(world, signal.SIGKILL, is_stage)


def end_stage(world: World, _running: subprocess.Popen[str], _chance: random.Random) -> None:
    """Somebody asks the stage to end."""
    send(world, signal.SIGTERM, is_stage)


def kill_caller(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> None:
    """DVC, or the flow, is killed; its stage is not."""
    running.kill()


def end_caller(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> None:
    """A service manager stops DVC, or the flow."""
    running.terminate()


def interrupt(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> None:
    """Ctrl-C in the terminal: the whole group hears it."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGINT)


def cut_power(world: World, _running: subprocess.Popen[str], chance: random.Random) -> None:
    """All processes stop at once; what was written last is on the disk only in part."""
    send(world, signal.SIGKILL, lambda _: True)
    for path in written_since(world.root, time.time() - UNWRITTEN_S):
        size = path.stat().st_size
        if size and chance.random() < 0.5:
            path.chmod(0o644)
            os.truncate(path, chance.randrange(size))


def written_since(root: Path, moment: float) -> Iterator[Path]:
    """Files of products, cache and lock that were written after a moment."""
    for path in sorted([root / "dvc.lock", *root.glob("data/**/*"), *root.glob(".dvc/cache/**/*")]):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime > moment:
            yield path


def take_memory(world: World, _running: subprocess.Popen[str], chance: random.Random) -> None:
    """The stage may take hardly more address space than it has: allocations fail."""
    for pid, words in world.processes().items():
        if is_stage(words):
            with suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
                room = chance.randrange(1, 16) << 20
                command = [
                    "prlimit",
                    f"--pid={pid}",
                    f"--as={pages * os.sysconf('SC_PAGE_SIZE') + room}",
                ]
                subprocess.run(command, check=False, capture_output=True)


STRIKES: dict[str, Strike] = {
    "SIGKILL of the stage": kill_stage,
    "SIGTERM of the stage": end_stage,
    "SIGKILL of the caller": kill_caller,
    "SIGTERM of the caller": end_caller,
    "SIGINT of all": interrupt,
    "power cut": cut_power,
    "no memory": take_memory,
}
DISK_FULL = "disk full"  # struck before the stage starts: see campaign.py
