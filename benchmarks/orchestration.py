"""What Prefect costs beyond DVC: no-op runs, a stage, `dvc status` of the full matrix, locks.

    python benchmarks/orchestration.py noop stage status locks --rounds 100

Each measure runs in a throw-away project of its own below the system's folder for such things; the
server is a real one, as `make serve` starts it. Prints one line of JSON for each measure.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flows.graph import make_plan  # noqa: E402
from flows.stage import reproduce  # noqa: E402
from tests.flows.throwaway import SCRIPT, make_project, serve  # noqa: E402

NUM_PARALLEL = 8


def tell(measure: str, **figures: Any) -> None:
    """One line."""
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"measure": measure, **figures, "load": load}), flush=True)


def new_project(folder: Path, stages: dict[str, Any], num_parallel: int = 1) -> dict[str, str]:
    """A project with these stages; the environment of its commands."""
    environment = make_project(folder, ROOT)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["compute"]["parallel_stages"] = num_parallel
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return environment


def touch_stages(number: int) -> dict[str, Any]:
    """Independent stages that do next to nothing."""
    return {
        f"s{i}": {
            "cmd": f"cp in{i} out{i}",
            "deps": [f"in{i}"],
            "outs": [f"out{i}"],
        }
        for i in range(number)
    }


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure_noop(folder: Path, repeats: int) -> None:
    """A run of a real-size pipeline that is up to date, through Prefect with a running server."""
    environment = new_project(folder, touch_stages(68))
    for i in range(68):
        (folder / f"in{i}").write_text(str(i))
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    subprocess.run(command, cwd=folder, env=environment, check=True)

    def run() -> None:
        shown = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=folder, env=environment, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert "STATE Completed 68 stages up to date" in shown, shown

    with serve(folder, free_port(), environment):
        seconds = [timed(run) for _ in range(repeats)]
    tell("no-op of 68 stages through Prefect, server running", seconds=round_all(seconds))


def measure_stage(folder: Path, repeats: int) -> None:
    """What a Prefect task adds to `dvc repro -s` of the same stage: both of 4 stages, in turns."""
    environment = new_project(folder, touch_stages(4))
    with serve(folder, free_port(), environment):
        flow, bare = [], []
        for repeat in range(repeats):
            for i in range(4):
                (folder / f"in{i}").write_text(f"bare {repeat} {i}")
            bare.append(timed(lambda: repro(folder, environment, [f"s{i}" for i in range(4)])))
            for i in range(4):
                (folder / f"in{i}").write_text(f"flow {repeat} {i}")
            shown = subprocess.run(
                [sys.executable, "-c", SCRIPT], cwd=folder, env=environment, check=True,
                capture_output=True, text=True,
            ).stdout  # fmt: skip
            assert "4 ran" in shown, shown
            flow.append(float(shown.split("4 ran; ")[1].split(" s")[0]))
    extra = [(f - b) / 4 for f, b in zip(flow, bare, strict=True)]
    tell(
        "a stage through Prefect beyond dvc repro -s",
        seconds=round_all(extra), flow_of_4=round_all(flow), bare_of_4=round_all(bare),
    )  # fmt: skip


def repro(folder: Path, environment: dict[str, str], stages: list[str]) -> None:
    """`dvc repro --single-item` for one after another."""
    for stage in stages:
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", "--quiet", stage]
        subprocess.run(command, cwd=folder, env=environment, check=True)


def measure_status(folder: Path, repeats: int) -> None:
    """`dvc status` of this project's own graph for 23 data sets and 3 sizes, dummy products."""
    new_project(folder, {})
    for name in ("components", "data/cards"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    sets = sorted(path.stem for path in (ROOT / "data/cards").glob("*.yaml"))
    params = yaml.safe_load((folder / "params.yaml").read_text())
    known = [name for name in sets if name not in params["sources"]][:23]
    params |= {"datasets": known, "sizes": ["base", "large", "xlarge"]}
    params |= {"pretrained_on": known[:2], "zero_shot_on": known[:2]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    os.chdir(folder)
    make_dummies()
    plan_seconds = timed(make_plan)
    command = [sys.executable, "-m", "dvc", "status", "--quiet"]
    seconds = [timed(lambda: subprocess.run(command, check=False)) for _ in range(repeats)]
    tell(
        f"dvc status, {make_plan().num_stages} stages of {len(known)} x 3",
        seconds=round_all(seconds), plan_in_process=round(plan_seconds, 1),
    )  # fmt: skip


def make_dummies() -> None:
    """A small file for each product, committed as if its stage had run."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    repo = Repo()
    for stage in repo.index.stages:
        for out in stage.outs:
            path = Path(out.fs_path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.write_text(str(path))
            else:
                path.mkdir(exist_ok=True)
                (path / "rows.parquet").write_text(str(path))
    repo.commit(force=True)


def measure_locks(folder: Path, rounds: int) -> None:
    """Eight stages at once, again and again, as the flow runs them; dvc.lock is read after each."""
    os.environ.update(new_project(folder, touch_stages(NUM_PARALLEL)))
    os.chdir(folder)
    begun, failed = time.monotonic(), 0
    for number in range(rounds):
        for i in range(NUM_PARALLEL):
            (folder / f"in{i}").write_text(f"{number} {i}")
        with ThreadPoolExecutor(NUM_PARALLEL) as pool:
            outcomes = list(pool.map(lambda i: reproduce(f"s{i}", print), range(NUM_PARALLEL)))
        failed += sum(outcome.status != "ran" for outcome in outcomes)
        for outcome in outcomes:
            if outcome.words:
                print(outcome.words, file=sys.stderr)
        lock = yaml.safe_load((folder / "dvc.lock").read_text())
        assert sorted(lock["stages"]) == sorted(f"s{i}" for i in range(NUM_PARALLEL)), lock
        for i in range(NUM_PARALLEL):
            assert (folder / f"out{i}").read_text() == f"{number} {i}"
    tell(
        f"{NUM_PARALLEL} stages at once, {rounds} rounds",
        failures=failed, corrupt_locks=0, minutes=round((time.monotonic() - begun) / 60, 1),
    )  # fmt: skip


def round_all(seconds: list[float]) -> dict[str, Any]:
    """The median, and each of them."""
    return {"median": round(statistics.median(seconds), 2), "all": [round(s, 2) for s in seconds]}


def main() -> None:
    """Take the measures that are named."""
    # A shell lets what it starts in the background ignore Ctrl-C, by which the server is ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="+", choices=["noop", "stage", "status", "locks"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    measures = {"noop": measure_noop, "stage": measure_stage, "status": measure_status}
    for name in arguments.measures:
        with tempfile.TemporaryDirectory() as folder:
            if name == "locks":
                measure_locks(Path(folder), arguments.rounds)
            else:
                measures[name](Path(folder), arguments.repeats)
            os.chdir(ROOT)


if __name__ == "__main__":
    main()
