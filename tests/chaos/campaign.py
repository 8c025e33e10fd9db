"""Strike a pipeline at random moments, run it to its end, and look whether anything differs.

    python -m tests.chaos.campaign --strikes 200 --seed 7

A round undoes one stage and strikes it a few times, each time after a random share of the time that
it took undisturbed; each start that follows must go on. Then all is brought up to date, by
`biomedgpt run` or by `dvc repro`. Kept is the promise when that needs no hand, every
product has the bytes of the undisturbed run, and nobody is left running and no lock held.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from flows.lock import find_holder
from flows.stage import LIST_TORN
from tests.chaos.faults import DISK_FULL, POWER_CUT, STRIKES, draw_room, is_stage, make_room
from tests.chaos.world import LOCK, World, end_all, make_world

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # for processes to end after a strike
FULL_S = 30.0  # for which a disk is full
START_S = 120.0  # for a stage to begin
LOOK_S = 0.02
FLOW, DVC = "biomedgpt run", "dvc repro"
CALLERS = {FLOW: ["-m", "flows.cli", "run"], DVC: ["-m", "dvc", "repro"]}
FLOW_SHARE = 0.05  # of the struck runs: Prefect takes its time to start
PER_ROUND = 7
LAST_LINES = 15
# DVC on its torn list of files in use, dvc.lock, either, and an empty folder of its cache of runs.
BOOKS = (LIST_TORN, f"'./{LOCK}'", "unexpected error", "join() argument must be str")


@dataclass
class Strike:
    """What was done, and what came of it. ``broken``: the promises that did not hold."""

    number: int
    stage: str
    caller: str
    fault: str
    after_s: float = 0.0
    num_hit: int = 0  # processes; 0: the stage had ended
    ended: int | None = None  # the caller's status
    lost_s: float = 0.0  # from the start of the struck run until nobody was left
    recovered_by: str = ""
    recovery_s: float = 0.0  # beyond what the stage takes undisturbed
    handed_on: str = ""  # which command refused, where `biomedgpt plan` put its books right
    broken: list[str] = field(default_factory=list)
    said: str = ""

    def blame(self, words: str, said: str) -> None:
        """Note a promise that did not hold."""
        self.broken.append(words)
        self.said = "\n".join(said.splitlines()[-LAST_LINES:])


def strike_round(world: World, stage: str, strikes: list[Strike], by: str,
                 chance: random.Random) -> None:  # fmt: skip
    """Undo a stage, strike its runs, bring all up to date, and compare."""
    world.forget(stage)
    for number, one in enumerate(strikes):
        before = strikes[number - 1] if number else None
        if before is not None and before.ended == 0:  # it was struck too late
            world.forget(stage)
        said = run_struck(world, one, before, chance)
        for words in wait_for_silence(world):
            one.blame(f"left running: {words}", said)
        end_all(world)
        for words in find_half_made(world):
            one.blame(words, said)
        if one.fault == POWER_CUT:
            look(world, one)  # DVC alone trusts half an object
    recover(world, strikes[-1], by)
    if differing := differ(world):
        strikes[-1].blame(f"other products: {', '.join(differing)}", "")
        world.restore()


def run_struck(world: World, one: Strike, before: Strike | None, chance: random.Random) -> str:
    """Start a stage and strike it; what its caller said. That it starts is the recovery before."""
    full_before = one.fault == DISK_FULL and one.caller == DVC
    room = draw_room(chance) if full_before else 0
    one.after_s = round(chance.uniform(0, world.seconds[one.stage]), 2)
    narrow = ["--single-item", one.stage] if one.caller == DVC else []
    begun, said = time.monotonic(), list[str]()
    running = world.start(*CALLERS[one.caller], *narrow, file_bytes=room)
    threading.Thread(target=said.extend, args=(running.stdout,), daemon=True).start()
    one.num_hit = int(full_before)
    started = not full_before and wait_for_stage(world, running)
    if started:
        time.sleep(one.after_s)
        one.num_hit = STRIKES[one.fault](world, running, chance)
    wait_for_end(world, one, running)
    one.ended = running.poll()
    one.lost_s = round(time.monotonic() - begun, 1)
    if started and not one.num_hit:  # others use this machine: it was slower the first time
        world.seconds[one.stage] = min(world.seconds[one.stage], one.after_s)
    if one.fault == DISK_FULL and one.ended == 0:  # what refused nothing struck nothing
        one.num_hit = 0
    if before is not None and not full_before:
        before.recovered_by, before.recovery_s = one.caller, 0.0
        if not started and one.ended != 0:
            refuse(world, before, one.caller, "".join(said))
    return "".join(said)


def wait_for_end(world: World, one: Strike, running: subprocess.Popen[str]) -> None:
    """Have patience with the caller; a full disk has room after a while, for which DVC may wait."""
    if one.fault == DISK_FULL:
        with suppress(subprocess.TimeoutExpired):
            running.wait(FULL_S)
        make_room(world)
    with suppress(subprocess.TimeoutExpired):
        running.wait(PATIENCE_S + world.seconds[one.stage])


def refuse(world: World, one: Strike, caller: str, said: str) -> None:
    """A start after a strike failed: DVC's own refusal is ours to mend, and then it goes on."""
    if caller == DVC and is_books(said) and not one.handed_on:
        one.handed_on = last_error(said)
        look(world, one)
        recover(world, one, DVC)
    else:
        one.blame(f"the next {caller} failed", said)
        world.restore()


def look(world: World, one: Strike) -> None:
    """Let our own command put DVC's books right, as docs/promises.md says."""
    done = world.project.biomedgpt("plan")
    if done.returncode != 0:
        one.blame("biomedgpt plan failed", done.stdout + done.stderr)
        world.restore()


def is_books(said: str) -> bool:
    """Whether DVC cannot read what it wrote itself."""
    return any(words in said for words in BOOKS)


def last_error(said: str) -> str:
    """The line in which DVC says why."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "RWLock" in line or LOCK in line]
    return (errors or lines or [""])[-1]


def wait_for_stage(world: World, running: subprocess.Popen[str]) -> bool:
    """Whether a stage's process came to life before its caller ended."""
    deadline = time.monotonic() + START_S
    while running.poll() is None and time.monotonic() < deadline:
        if any(map(is_stage, world.processes().values())):
            return True
        time.sleep(LOOK_S)
    return False


def recover(world: World, one: Strike, by: str) -> None:
    """Bring all up to date, as a person would; without a hand."""
    begun = time.monotonic()
    done = world.project.biomedgpt("run") if by == FLOW else world.project.dvc("repro")
    said = done.stdout + done.stderr
    one.recovered_by = by
    one.recovery_s = round(max(0.0, time.monotonic() - begun - world.seconds[one.stage]), 1)
    if done.returncode != 0:
        refuse(world, one, by, said)


def wait_for_silence(world: World) -> list[str]:
    """The command lines of those who are left after some patience."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := world.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return list(left.values())


def find_half_made(world: World) -> Iterator[str]:
    """What a strike left that must not be: a held lock, a product in dvc.lock that is another."""
    if find_holder(world.root) is not None:
        yield "the project's lock is held"
    try:
        accepted = world.read_products()
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, OSError):
        return  # cut off: the next start must mend it
    for stage, outs in accepted.items():
        for path, made in outs.items():
            wanted = world.products[stage][path]
            if made != wanted and not wanted.startswith(made):  # its name may be what was cut
                yield f"accepted: {path} of {stage}"


def differ(world: World) -> list[str]:
    """The products that are not those of the undisturbed run: by dvc.lock, and by their bytes.

    And objects of DVC's cache that are not what their name tells: they would be pushed.
    """
    found, files = world.read_products(), world.hash_files()
    wanted = {path: made for outs in world.products.values() for path, made in outs.items()}
    got = {path: made for outs in found.values() for path, made in outs.items()}
    damaged = (path.as_posix() for path in world.find_damaged())
    return sorted({*_unlike(wanted, got), *_unlike(world.files, files), *damaged})


def _unlike(wanted: dict[str, str], got: dict[str, str]) -> Iterator[str]:
    yield from (path for path in wanted.keys() | got.keys() if wanted.get(path) != got.get(path))


def plan_campaign(
    world: World, strikes: int, seed: int, flow_share: float, chance: random.Random
) -> Iterator[list[Strike]]:
    """Rounds of strikes: over all stages in turn, each with other faults and callers."""
    stages, faults = list(world.seconds), list(STRIKES)
    for first in range(0, strikes, PER_ROUND):
        # campaigns side by side begin at other stages
        stage = stages[(10 * seed + first // PER_ROUND) % len(stages)]
        yield [
            Strike(number, stage, FLOW if chance.random() < flow_share else DVC,
                   faults[(number + number // len(faults)) % len(faults)])
            for number in range(first, min(first + PER_ROUND, strikes))
        ]  # fmt: skip


def run_campaign(
    world: World, strikes: int, minutes: float, seed: int, flow_share: float = FLOW_SHARE
) -> list[Strike]:
    """So many strikes, over all stages and faults in turn, as far as the time goes."""
    chance, results = random.Random(seed), []
    deadline = time.monotonic() + 60 * minutes
    for number, round_ in enumerate(plan_campaign(world, strikes, seed, flow_share, chance)):
        if time.monotonic() > deadline:
            break
        strike_round(
            world, round_[0].stage, round_, (FLOW, DVC, DVC, DVC)[(number + seed) % 4], chance
        )
        results += round_
        for one in round_:
            print(json.dumps(asdict(one)), flush=True)
    return results


def summarise(results: list[Strike]) -> dict[str, object]:
    """The figures of a campaign."""
    lost = sorted(one.lost_s + one.recovery_s for one in results)
    return {
        "strikes": len(results),
        "while running": sum(one.num_hit > 0 for one in results),
        "stages": len({one.stage for one in results}),
        "by fault": dict(Counter(one.fault for one in results)),
        "by caller": dict(Counter(one.caller for one in results)),
        "recovered": sum(not one.broken for one in results),
        "of these where DVC refused": sum(bool(one.handed_on) for one in results),
        "seconds lost, median": lost[len(lost) // 2] if lost else 0.0,
        "seconds lost, most": lost[-1] if lost else 0.0,
    }


def main() -> None:
    """Run a campaign in a folder of its own; status 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--flow-share", type=float, default=FLOW_SHARE, help="of runs that `biomedgpt run` begins"
    )
    arguments = parser.parse_args()
    # A shell lets what it starts in the background ignore Ctrl-C, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(ROOT, Path(folder))
        results = run_campaign(
            world, arguments.strikes, arguments.minutes, arguments.seed, arguments.flow_share
        )
    print(json.dumps(summarise(results)))
    sys.exit(any(one.broken for one in results))


if __name__ == "__main__":
    main()
