"""Change a target's files N times and read each: python -m tests.fuzz.run --target T --cases N.

Each case follows from the target's name, the seed and its number alone. They run in a process of
their own, so that one which ends that process (a decoder's fault in C, too much memory) is named,
and the rest go on after it. Status 1 where a case broke the contract.
"""

from __future__ import annotations

import argparse
import json
import mmap
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

from tests.fuzz.contract import Breach, hold, limited_memory, watch_files
from tests.fuzz.mutation import mutate
from tests.fuzz.seeds import Seed, place
from tests.fuzz.targets import TARGETS, Target

SILENT_S = 120.0  # a case that takes longer by the clock is one that no signal reaches
RESULT, SAID = "result.json", "said"
# The libraries are loaded already, and the parent has used none of them: a fork costs nothing.
FORK = multiprocessing.get_context("fork")
NUM_BYTES = 8  # of the number of the case that is running
MEMORY = Path("/dev/shm")


@contextmanager
def _work_folder() -> Iterator[Path]:
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=where) as folder:
        yield Path(folder)


def make_case(target: Target, seeds: list[Seed], seed: int, number: int) -> tuple[Seed, str, bytes]:
    """The seed of a case, the path of the file that is changed, and its new content."""
    random = Random(f"{target.name} {seed} {number}")
    begun = random.choice(seeds)
    path = random.choice(begun.changed)
    return begun, path, mutate(random, path, begun.files[path])


def run_here(
    target: Target, first: int, num_cases: int, seed: int, folder: Path, at: mmap.mmap | None = None
) -> tuple[dict[str, int], list[tuple[int, Breach]]]:
    """How many cases gave a result or were refused, and those that broke the contract."""
    seeds = target.make_seeds()
    for number, begun in enumerate(seeds):
        place(begun, folder / f"{number}")
        warmed = hold(
            lambda b=begun, n=number: target.call(folder / f"{n}", b), target.documented, folder
        )
        if warmed != "result":  # what is refused from the start tries nothing
            raise AssertionError(f"{target.name}: the seed {begun.name} is not sound: {warmed}")
    places = {id(begun): folder / f"{number}" for number, begun in enumerate(seeds)}
    counts, breaches = {"result": 0, "refused": 0}, []
    with limited_memory():
        for number in range(first, first + num_cases):
            if at:
                at[:NUM_BYTES] = number.to_bytes(NUM_BYTES, "little")
            begun, path, content = make_case(target, seeds, seed, number)
            own = places[id(begun)]
            (own / path).write_bytes(content)
            outcome = hold(lambda: target.call(own, begun), target.documented, folder)  # noqa: B023
            (own / path).write_bytes(begun.files[path])
            if isinstance(outcome, Breach):
                breaches.append((number, outcome))
            else:
                counts[outcome] += 1
    return counts, breaches


def run_apart(target: Target, num_cases: int, seed: int) -> dict[str, object]:
    """The same in processes of their own: counts, and each breach once with its first case."""
    counts = {"result": 0, "refused": 0}
    breaches: dict[tuple[str, str], dict[str, object]] = {}
    begun_s, first = time.monotonic(), 0
    while first < num_cases:
        found, died_at = _run_shard(target, first, num_cases - first, seed)
        for outcome in counts:
            counts[outcome] += found["counts"].get(outcome, 0)
        for number, breach in found["breaches"]:
            known = breaches.setdefault(
                (breach["kind"], breach["place"]), {**breach, "first": number, "times": 0}
            )
            known["times"] = int(str(known["times"])) + 1
        first = num_cases if died_at is None else died_at + 1
    return {
        "target": target.name, "cases": num_cases, "seed": seed, **counts,
        "seconds": round(time.monotonic() - begun_s, 1), "breaches": list(breaches.values()),
    }  # fmt: skip


def _run_shard(target: Target, first: int, num_cases: int, seed: int) -> tuple[dict, int | None]:
    """What a process found, and the case at which it ended; None where it came to the end.

    Of a process that ended, what it had counted is lost: so it begins again, up to that case.
    """
    with _work_folder() as folder:
        progress = folder / "at"
        progress.write_bytes(bytes(NUM_BYTES))
        child = FORK.Process(target=_run_as_shard, args=(target, first, num_cases, seed, folder))
        child.start()
        code = _wait(child, progress)
        if code == 0:
            return json.loads((folder / RESULT).read_text()), None
        died_at = int.from_bytes(progress.read_bytes(), "little")
        said = (folder / SAID).read_text(errors="replace")[-2000:]
    if code > 0:
        raise SystemExit(f"{target.name}: the runner itself failed\n{said}")
    before: dict = {"counts": {}, "breaches": []}
    if died_at > first:
        before, _ = _run_shard(target, first, died_at - first, seed)
    died = Breach(f"signal {-code}", "", said.strip()[-300:])
    return {**before, "breaches": [*before["breaches"], (died_at, asdict(died))]}, died_at


def _wait(child: BaseProcess, progress: Path) -> int:
    """The status of a process; one whose case does not end is killed."""
    last, since_s = b"", time.monotonic()
    while child.exitcode is None:
        child.join(1)
        now = progress.read_bytes()
        if now != last:
            last, since_s = now, time.monotonic()
        elif time.monotonic() - since_s > SILENT_S:
            child.kill()
    return child.exitcode


def _run_as_shard(target: Target, first: int, num_cases: int, seed: int, folder: Path) -> None:
    with (folder / SAID).open("wb") as said:  # decoders say much
        os.dup2(said.fileno(), sys.stderr.fileno())
    watch_files()
    with (folder / "at").open("r+b") as file, mmap.mmap(file.fileno(), NUM_BYTES) as at:
        counts, breaches = run_here(target, first, num_cases, seed, folder, at)
    found = {"counts": counts, "breaches": [(number, asdict(b)) for number, b in breaches]}
    (folder / RESULT).write_text(json.dumps(found))


def main() -> int:
    """One target or all, as JSON lines; with ``--first N --cases 1 --show`` the file of a case."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--target", choices=["all", *TARGETS], default="all")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--show", metavar="FILE", type=Path, help="write the first case's file")
    given = parser.parse_args()
    names = list(TARGETS) if given.target == "all" else [given.target]
    if given.show:
        target = TARGETS[names[0]]
        begun, path, content = make_case(target, target.make_seeds(), given.seed, given.first)
        given.show.write_bytes(content)
        print(f"{path} of {begun.name}, {len(content)} bytes")
        return 0
    status = 0
    for name in names:
        found = run_apart(TARGETS[name], given.cases, given.seed)
        print(json.dumps(found), flush=True)
        status |= bool(found["breaches"])
    return status


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
