"""Let a bucket fail at every call of what is done with it, and look what comes of it.

    python -m tests.chaos.s3_faults --trials 300 --seed 7

Each errand is done once undisturbed, and its calls are counted. Then, for a call and a fault, it is
begun anew and the fault meets that call, once or from then on: before it takes effect, during it,
or after it. Kept is the promise when whatever fails says so in plain words, nothing half-made looks
whole, and the same errand succeeds once the fault is gone, with the very bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from components.acquire.transfer import Terms
from components.artifacts.places import BucketPlace
from components.checkpoint_places import BucketMirror
from components.errors import UserError
from tests.chaos.checkpoint_errands import Load, Mirror
from tests.chaos.dvc_errands import STAGES, Pull, Push
from tests.chaos.s3_errands import Bring, Errand, Get, Publish
from tests.components.training.s3_line import RESET, Fault, open_line
from tests.pipeline.conftest import SMALL, Project, make_project
from tests.remote.conftest import access, serve_rclone

ROOT = Path(__file__).resolve().parents[2]
FOR_EVER = 10**6
ATTEMPTS, TIMEOUT_S = 2, 20.0  # a server that is down is given up in seconds
FAULTS: dict[str, dict[str, Any]] = {
    "503 before": {"status": 503, "code": "SlowDown"},
    "500 before": {"status": 500, "code": "InternalError"},
    "403 before": {"status": 403, "code": "AccessDenied"},
    "reset before": {"code": RESET},
    "request cut": {"half": True},
    "answer cut": {"cut": -1},
    "answer damaged": {"flip": True},
    "answer lost": {"lost": True},
}


@dataclass
class Trial:
    """A fault at a call of an errand, and what came of it. ``broken``: what did not hold."""

    errand: str
    call: int
    fault: str
    times: int
    asked: str = ""
    told: str = ""  # in which words it failed; "" where it passed over the fault
    broken: list[str] = field(default_factory=list)


def attempt(errand: Errand, trial: Trial, again: str = "") -> bool:
    """Do an errand; whether it was done. What is no plain word is a broken promise."""
    try:
        with redirect_stdout(sys.stderr):
            told = errand.do()
    except UserError as error:
        told = str(error)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        trial.broken.append(f"{again}no plain word: {told[-500:]}")
    if again and told:
        trial.broken.append(f"{again}{told[-500:]}")
    trial.told = trial.told or told
    return not told


def try_fault(errand: Errand, trial: Trial) -> None:
    """Begin an errand anew, let one of its calls fail, look; then do it again."""
    line = errand.line
    errand.begin()
    line.asked.clear()
    fault = Fault(**{"status": 0, "method": "", "ending": "", **FAULTS[trial.fault]},
                  times=trial.times, skip=trial.call)  # fmt: skip
    line.faults.append(fault)
    done = attempt(errand, trial)
    trial.asked = line.asked[trial.call] if len(line.asked) > trial.call else ""
    line.faults.clear()
    trial.broken += [f"meanwhile: {words}" for words in errand.list_amiss()]
    if not done:
        attempt(errand, trial, "again: ")
    trial.broken += [f"in the end: {words}" for words in errand.list_wanting()]


def count_calls(errand: Errand) -> list[str]:
    """What an undisturbed errand asks for."""
    line = errand.line
    errand.begin()
    line.asked.clear()
    trial = Trial(errand.name, 0, "none", 0)
    assert attempt(errand, trial), trial
    asked = list(line.asked)
    assert not [*errand.list_amiss(), *errand.list_wanting()]
    return asked


def plan_trials(calls: dict[str, list[str]], chance: random.Random) -> list[Trial]:
    """Every call with every fault, once or for ever, in the order of chance."""
    planned = [
        Trial(name, call, fault, times)
        for name, asked in calls.items()
        for call, words in enumerate(asked)
        for fault in FAULTS
        for times in (1, FOR_EVER)
        if fault != "request cut" or words.startswith(("PUT", "POST"))
    ]
    chance.shuffle(planned)
    return planned


def choose_trials(calls: dict[str, list[str]], num: int, chance: random.Random) -> list[Trial]:
    """So many of them, the errands in turn for as long as each has some left."""
    planned, chosen = plan_trials(calls, chance), list[Trial]()
    by_errand = {name: [trial for trial in planned if trial.errand == name] for name in calls}
    while len(chosen) < num and any(by_errand.values()):
        chosen += [trials.pop() for trials in by_errand.values() if trials]
    return chosen[:num]


@contextmanager
def open_errands(repository: Path, folder: Path) -> Iterator[list[Errand]]:
    """Everything that is done with a bucket, each with a line to a server and what it needs there.

    rclone's server checks signatures, and knows no conditional writes: publications go to moto's.
    """
    (folder / "served").mkdir()
    (folder / "nothing").touch()
    bucket = f"biomedgpt-tests-{uuid.uuid4().hex[:12]}"
    with (
        serve_rclone(folder / "served", "a-key", "a-secret") as server,
        impatient(access(server, folder / "nothing")),
        open_line(server.client(), server.address) as line,
        serve_moto() as address,
        open_line(replace(server, address=address).client(), address) as conditional,
    ):
        for one in (line, conditional):
            one.client.create_bucket(Bucket=bucket)
        publish = Publish(conditional, bucket, folder / "publish", repository)
        mirror = Mirror(line, bucket, folder / "mirror")
        push = Push(line, bucket, folder / "push", finish_project(repository, folder / "project"))
        yield [
            publish,
            Get(conditional, bucket, folder / "get", publish),
            mirror,
            Load(line, bucket, folder / "load", mirror),
            Bring(line, bucket, folder / "bring", repository),
            push,
            Pull(line, bucket, folder / "pull", push),
        ]


@contextmanager
def serve_moto() -> Iterator[str]:
    """The address of moto's server."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of each request

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def finish_project(repository: Path, folder: Path) -> Project:
    """A project with the products that are pushed, in git."""
    made = make_project(repository, folder, SMALL)
    done = made.dvc("repro", "--quiet", *STAGES)
    assert done.returncode == 0, done.stderr
    name = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["add", "--all"], [*name, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *words], cwd=made.root, check=True)
    return replace(made, environment={**os.environ, **made.environment})


@contextmanager
def impatient(environment: dict[str, str]) -> Iterator[None]:
    """Few attempts without pauses, and an environment of the server's own."""
    before = dict(os.environ)
    made: list[Any] = [BucketPlace.__init__, BucketMirror.__init__]
    named = [dict(one.__kwdefaults__) for one in made]
    terms = Terms.__init__.__defaults__
    os.environ.update(environment)
    os.environ.pop("AWS_PROFILE", None)
    for one in made:
        one.__kwdefaults__ |= {"attempts": ATTEMPTS, "timeout_s": TIMEOUT_S}
    Terms.__init__.__defaults__ = (8 << 30, 1, 60.0, 60.0, None, lambda _: None, lambda: 0.0)
    try:
        yield
    finally:
        for one, values in zip(made, named, strict=True):
            one.__kwdefaults__.update(values)
        Terms.__init__.__defaults__ = terms
        os.environ.clear()
        os.environ.update(before)


def run_trials(errands: list[Errand], num: int, seed: int) -> list[Trial]:
    """So many faults, as chance has it."""
    chance = random.Random(seed)
    calls = {errand.name: count_calls(errand) for errand in errands}
    by_name = {errand.name: errand for errand in errands}
    chosen = choose_trials(calls, num, chance)
    print(json.dumps({name: len(asked) for name, asked in calls.items()}), flush=True)
    for trial in chosen:
        try_fault(by_name[trial.errand], trial)
        print(json.dumps(asdict(trial)), flush=True)
    return chosen


def summarise(trials: list[Trial]) -> dict[str, object]:
    """The figures of a campaign."""
    return {
        "trials": len(trials),
        "by errand": dict(Counter(trial.errand for trial in trials)),
        "by fault": dict(Counter(trial.fault for trial in trials)),
        "passed over": sum(not trial.told for trial in trials),
        "kept": sum(not trial.broken for trial in trials),
    }


def main() -> None:
    """Run a campaign in a folder of its own; status 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], help="errands, by name; else all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open_errands(ROOT, Path(folder)) as all_:
        errands = [one for one in all_ if not arguments.only or one.name in arguments.only]
        trials = run_trials(errands, arguments.trials, arguments.seed)
    print(json.dumps(summarise(trials)))
    sys.exit(any(trial.broken for trial in trials))


if __name__ == "__main__":
    main()
