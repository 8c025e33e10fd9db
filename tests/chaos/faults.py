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

from flows.torn import LOOKED
from tests.chaos.world import World

# What a power cut may take: of files written just before it, the end of what was not yet on disk.
UNWRITTEN_S = 2.0
WRITTEN = ("dvc.lock", ".dvc/tmp/rwlock", "data/**/*", ".dvc/cache/**/*")
Strike = Callable[[World, subprocess.Popen[str], random.Random], int]  # how many were hit


def is_stage(words: str) -> bool:
    """Whether a command line is a stage's."""
    return " -m components.stages." in words


def is_dvc(words: str) -> bool:
    """Whether it is DVC's."""
    return " -m dvc " in words


def send(world: World, number: signal.Signals, wanted: Callable[[str], bool]) -> int:
    """A signal to each process of the campaign whose command line is wanted; how many got it."""
    num_hit = 0
    for pid, words in world.processes().items():
        if wanted(words):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                num_hit += 1
    return num_hit


def send_caller(running: subprocess.Popen[str], number: signal.Signals) -> int:
    """A signal to the one that was started; 0 where it has ended."""
    ended = running.poll() is not None
    running.send_signal(number)
    return int(not ended)


def kill_stage(world: World, _running: subprocess.Popen[str], _chance: random.Random) -> int:
    """The kernel ends the stage: no memory was left."""
    return send(world, signal.SIGKILL, is_stage)


def end_stage(world: World, _running: subprocess.Popen[str], _chance: random.Random) -> int:
    """Somebody asks the stage to end."""
    return send(world, signal.SIGTERM, is_stage)


def kill_caller(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> int:
    """DVC, or the flow, is killed; its stage is not."""
    return send_caller(running, signal.SIGKILL)


def end_caller(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> int:
    """A service manager stops DVC, or the flow."""
    return send_caller(running, signal.SIGTERM)


def kill_dvc(world: World, _running: subprocess.Popen[str], _chance: random.Random) -> int:
    """DVC alone is killed, whoever called it."""
    return send(world, signal.SIGKILL, is_dvc)


def interrupt(_world: World, running: subprocess.Popen[str], _chance: random.Random) -> int:
    """Ctrl-C in the terminal: the whole group hears it."""
    if running.poll() is not None:
        return 0
    os.killpg(running.pid, signal.SIGINT)
    return 1


def cut_power(world: World, _running: subprocess.Popen[str], chance: random.Random) -> int:
    """All processes stop at once; what was written last is on the disk only in part."""
    num_hit = send(world, signal.SIGKILL, lambda _: True)
    for path in written_since(world.root, time.time() - UNWRITTEN_S):
        status = path.stat()
        if status.st_size and chance.random() < 0.5:
            path.chmod(0o644)
            os.truncate(path, chance.randrange(status.st_size))
            path.chmod(status.st_mode)  # DVC trusts what cannot be written to
    if (world.root / LOOKED).exists():
        os.utime(world.root / LOOKED, (1.0, 1.0))  # the machine starts after that
    return num_hit


def written_since(root: Path, moment: float) -> Iterator[Path]:
    """Files of products, cache and DVC's books that were written after a moment."""
    for path in sorted(path for pattern in WRITTEN for path in root.glob(pattern)):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime > moment:
            yield path


def take_memory(world: World, _running: subprocess.Popen[str], chance: random.Random) -> int:
    """The stage may take hardly more address space than it has: allocations fail."""
    num_hit = 0
    for pid, words in world.processes().items():
        if is_stage(words):
            with suppress(OSError):
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
                room = chance.randrange(1, 16) << 20
                num_hit += limit(pid, f"as={pages * os.sysconf('SC_PAGE_SIZE') + room}")
    return num_hit


def fill_disk(world: World, _running: subprocess.Popen[str], chance: random.Random) -> int:
    """No file of anyone may grow any more beyond what is drawn: flow, server, DVC and stage."""
    room = draw_room(chance)
    return sum(limit(pid, f"fsize={room}:") for pid in world.processes())


def make_room(world: World) -> None:
    """The disk is full no more."""
    for pid in world.processes():
        limit(pid, "fsize=unlimited:")


def draw_room(chance: random.Random) -> int:
    """What a full disk lets a file be: 10 bytes to 200 kB."""
    return int(10 ** chance.uniform(1, 5.3))


def limit(pid: int, what: str) -> bool:
    """Limit what a process may take; whether it was still there."""
    command = ["prlimit", f"--pid={pid}", f"--{what}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


POWER_CUT = "power cut"
DISK_FULL = "disk full"  # of a run that DVC begins, before that: see campaign.py
STRIKES: dict[str, Strike] = {
    "SIGKILL of the stage": kill_stage,
    "SIGTERM of the stage": end_stage,
    "SIGKILL of the caller": kill_caller,
    "SIGTERM of the caller": end_caller,
    "SIGKILL of DVC": kill_dvc,
    "SIGINT of all": interrupt,
    POWER_CUT: cut_power,
    "no memory": take_memory,
    DISK_FULL: fill_disk,
}
