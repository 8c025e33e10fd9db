"""Strike a pipeline at random moments, run it to its end, and look whether anything differs.

    python -m tests.chaos.campaign --strikes 200 --seed 7

For each strike one stage is undone, started again, and struck after a random share of the time that
it took undisturbed; then `dvc repro` brings all up to date. Kept is the promise when that succeeds
without a hand, every product has the hash of the undisturbed run, and nobody is left running.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.faults import DISK_FULL, STRIKES
from tests.chaos.world import STARTED, World, end_all, make_world

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # for processes to end after a strike
CALLERS = {"dvc": ("-m", "dvc", "repro", "--single-item"), "flow": ("-m", "flows.cli", "run")}
LAST_LINES = 15


@dataclass(frozen=True)
class Strike:
    """What was done, and what came of it. ``broken``: the promises that did not hold."""

    number: int
    stage: str
    fault: str
    after_s: float
    struck: bool  # before the stage had ended
    broken: list[str]
    lost_s: float  # beyond what the stage takes undisturbed
    said: str = ""


def strike(world: World, number: int, stage: str, fault: str, chance: random.Random) -> Strike:
    """Undo a stage, strike its run, recover, and compare."""
    world.forget(stage)
    begun = time.monotonic()
    after_s = chance.uniform(0, world.seconds[stage] * 1.1)
    struck = run_struck(world, stage, fault, after_s, chance)
    broken = [f"left running: {words}" for words in wait_for_silence(world)]
    end_all(world)
    done = world.project.dvc("repro")
    said = done.stdout + done.stderr
    if done.returncode != 0:
        broken.append(f"the next run failed with {done.returncode}")
        repair(world)
    elif differing := differ(world):
        broken.append(f"other products: {', '.join(differing)}")
    lost_s = time.monotonic() - begun - world.seconds[stage]
    tail = "\n".join(said.splitlines()[-LAST_LINES:]) if broken else ""
    return Strike(number, stage, fault, round(after_s, 2), struck, broken, round(lost_s, 1), tail)


def run_struck(world: World, stage: str, fault: str, after_s: float, chance: random.Random) -> bool:
    """Start a stage and strike it; whether it was still running then."""
    room = chance.randrange(1, 200_000) if fault == DISK_FULL else 0
    running = world.start(*CALLERS["dvc"], stage, file_bytes=room)
    if fault == DISK_FULL:
        running.communicate()
        return running.returncode != 0
    for line in running.stdout or ():
        if line.startswith(STARTED):
            break
    time.sleep(after_s)
    struck = running.poll() is None
    STRIKES[fault](world, running, chance)
    try:
        running.communicate(timeout=PATIENCE_S + world.seconds[stage])
    except subprocess.TimeoutExpired:
        return struck
    return struck


def wait_for_silence(world: World) -> list[str]:
    """The command lines of those who are left after some patience."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := world.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(left.values())


def differ(world: World) -> list[str]:
    """The products that are not those of the undisturbed run."""
    found = world.read_products()
    wanted = {path: made for outs in world.products.values() for path, made in outs.items()}
    got = {path: made for outs in found.values() for path, made in outs.items()}
    return sorted(path for path in wanted.keys() | got.keys() if wanted.get(path) != got.get(path))


def repair(world: World) -> None:
    """By hand, so that one broken promise does not break those that follow."""
    (world.root / "dvc.lock").unlink(missing_ok=True)
    done = world.project.dvc("repro", "--force")
    assert done.returncode == 0, done.stdout + done.stderr


def run_campaign(world: World, strikes: int, minutes: float, seed: int) -> list[Strike]:
    """So many strikes, over all stages and faults in turn, as far as the time goes."""
    chance, results = random.Random(seed), []
    stages, faults = list(world.seconds), [*STRIKES, DISK_FULL]
    chance.shuffle(stages)
    deadline = time.monotonic() + 60 * minutes
    for number in range(strikes):
        if time.monotonic() > deadline:
            break
        stage = stages[number % len(stages)]
        fault = faults[(number + number // len(stages)) % len(faults)]
        results.append(strike(world, number, stage, fault, chance))
        print(json.dumps(asdict(results[-1])), flush=True)
    return results


def summarise(results: list[Strike]) -> dict[str, object]:
    """The figures of a campaign."""
    lost = sorted(result.lost_s for result in results)
    return {
        "strikes": len(results),
        "while running": sum(result.struck for result in results),
        "stages": len({result.stage for result in results}),
        "by fault": dict(Counter(result.fault for result in results)),
        "recovered": sum(not result.broken for result in results),
        "seconds lost, median": lost[len(lost) // 2] if lost else 0.0,
        "seconds lost, most": lost[-1] if lost else 0.0,
    }


def main() -> None:
    """Run a campaign in a folder of its own; status 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(ROOT, Path(folder))
        results = run_campaign(world, arguments.strikes, arguments.minutes, arguments.seed)
    print(json.dumps(summarise(results)))
    sys.exit(any(result.broken for result in results))


if __name__ == "__main__":
    main()
