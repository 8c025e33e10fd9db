"""An hour of training and of the web page, side by side: does anything grow?

    python benchmarks/soak.py PROJECT --minutes 60 --write

PROJECT is a folder in which `make demo` has run. The stage `finetune` trains there without end,
with a process that makes its batches, checkpoints and curves (in a copy of what it reads), and
``biomedgpt web`` serves the finished model to a few clients: they ask, have pictures shown, send
broken ones, hang up, and break off in the middle of an upload. Each minute the memory, open files
and threads of the processes are read from /proc (Linux). What a minute shows goes to the terminal
as a line of JSON at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import torch
import yaml
from results import show
from scipy.stats import theilslopes
from web_load import QUESTIONS, Tally, draw, served

SIZE, DATASET = "debug", "vqa_rad"
READ = ("cards", "vocabulary", "audit", f"examples/{DATASET}", f"models/pretrained/{SIZE}")
ENDLESS, LOG_EVERY, SAVE_EVERY = 100_000_000, 10, 200
CLIENTS, PAUSE_S, PX = 3, 0.5, 256
WARM = 10  # minutes in which caches and pools fill
BROKEN = {
    "truncated": draw(0, PX)[:2000],
    "no image": b"<svg onload='alert(1)'/>" * 20,
    "empty": b"",
}
EXPECTED = {"200", "429", "400", "415", "422", "hung up", "broke off"}


@contextmanager
def trained(project: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """A training without end in ``folder``; its process, and the table of its steps' seconds."""
    for name in READ:
        shutil.copytree(project / "data" / name, folder / "data" / name)
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["finetune"] |= {"steps": ENDLESS, "log_every": LOG_EVERY, "save_every": SAVE_EVERY}
    params["compute"] |= {"device": "cpu", "workers": 0, "loader_workers": 1, "track": ["dvclive"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    words = ["-m", "components.stages.finetune", "--size", SIZE, "--dataset", DATASET]
    code = str(Path(__file__).resolve().parents[1])
    with (folder / "training.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=os.environ | {"PYTHONPATH": code},
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process.pid, folder / f"data/live/finetune-{SIZE}-{DATASET}"
    finally:
        process.terminate()
        process.wait()


def children(pid: int) -> list[int]:
    """The processes that a process started and that are still there."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def look(pid: int) -> dict[str, float]:
    """Resident memory (MB), open files, threads, and seconds of the processor, of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return {
        "cpu_s": sum(map(int, spent)) / os.sysconf("SC_CLK_TCK"),
        "mb": int(told["VmRSS"].split()[0]) / 1e3,
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(told["Threads"]),
    }


class Tail:
    """The lines that a table has gained since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at = folder, 0

    def values(self) -> list[float]:
        """Seconds a step, each a mean over ``LOG_EVERY`` steps."""
        (path,) = self.folder.rglob("step_s.tsv")
        with path.open() as file:
            file.seek(self.at)
            whole, _, _ = file.read().rpartition("\n")
        self.at += len(whole) + bool(whole)
        lines = whole.splitlines()
        return [float(line.split("\t")[-1]) for line in lines if line[:1].isdigit()]


async def break_off(address: str, content: bytes, share: float) -> str:
    """Send a part of an upload, or all of it, and hang up without reading a word."""
    url = httpx.URL(address)
    request = httpx.Client().build_request(
        "POST", url.join("/api/ask"), files={"image": content}, data={"question": QUESTIONS[0]}
    )
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"POST /api/ask HTTP/1.1\r\n{head}\r\n".encode() + body[: int(len(body) * share)])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    return "hung up" if share == 1 else "broke off"


async def use(client: httpx.AsyncClient, address: str, user: int, tally: Tally) -> None:
    """One client, for ever: six questions of ten, then the rest. Each picture comes twice."""
    turn = user * 1000
    while True:
        turn += 1
        picture, kind = await asyncio.to_thread(draw, turn // 2, PX), turn % 10
        begun = time.monotonic()
        if kind < 6:
            data = {"question": QUESTIONS[turn % len(QUESTIONS)], "explain": str(kind < 3).lower()}
            status = await post(client, "/api/ask", picture, data)
            if status == "200":
                tally.seconds.append(time.monotonic() - begun)
        elif kind == 6:
            status = await post(client, "/api/see", picture)
        elif kind == 7:
            broken = list(BROKEN.values())[turn // 10 % len(BROKEN)]
            status = await post(client, "/api/ask", broken, {"question": QUESTIONS[0]})
        else:
            status = await break_off(address, picture, 1 if kind == 8 else 0.5)
        tally.statuses[status] += 1
        await asyncio.sleep(PAUSE_S)


async def post(
    client: httpx.AsyncClient, path: str, image: bytes, data: Mapping[str, str] | None = None
) -> str:
    """What became of a request: its status, or the name of the error."""
    try:
        response = await client.post(path, files={"image": image}, data=data)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(response.status_code)


async def watch(
    minutes: int, address: str, server: int, trainer: int, tail: Tail
) -> tuple[list[dict[str, Any]], Tally]:
    """Let the clients ask, and look at all processes each minute."""
    rows: list[dict[str, Any]] = []
    tally = Tally()
    async with (
        httpx.AsyncClient(base_url=address, timeout=300) as client,
        asyncio.TaskGroup() as all_,
    ):
        users = [all_.create_task(use(client, address, user, tally)) for user in range(CLIENTS)]
        begun, answered = time.monotonic(), 0
        for minute in range(1, minutes + 1):
            await asyncio.sleep(max(0.0, begun + 60 * minute - time.monotonic()))
            steps, answers = tail.values(), tally.seconds[answered:]
            answered += len(answers)
            rows.append({
                "minute": minute, "load": os.getloadavg()[0],
                "trainer": look(trainer) | {"ms": 1e3 * middle(steps), "steps": 10 * len(steps)},
                "loader": look(children(trainer)[0]),
                "server": look(server) | {"ms": 1e3 * middle(answers), "answers": len(answers)},
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
        for user in users:
            user.cancel()
    return rows, tally


def middle(values: Sequence[float]) -> float:
    """The median, or no number of none."""
    return statistics.median(values) if values else float("nan")


def slope(rows: Sequence[Mapping[str, Any]], who: str, what: str) -> tuple[float, float, float]:
    """Theil and Sen's slope after the warm minutes, an hour, with its 95 % interval."""
    late = [row for row in rows if row["minute"] > WARM and not math.isnan(row[who][what])]
    found = theilslopes([row[who][what] for row in late], [row["minute"] / 60 for row in late])
    return float(found.slope), float(found.low_slope), float(found.high_slope)


def tell(rows: Sequence[Mapping[str, Any]], tally: Tally, minutes: int) -> str:
    """A section of RESULTS.md: every tenth minute, then what grew."""
    shown = [row for row in rows if row["minute"] == 1 or row["minute"] % 10 == 0]
    statuses = ", ".join(
        f"{number:,} x {status}" for status, number in sorted(tally.statuses.items())
    )
    steps = sum(row["trainer"]["steps"] for row in rows)
    lines = [
        f"### A soak of {minutes} minutes, {datetime.now(UTC):%Y-%m-%d}", "",
        f"`nice -n 5 python benchmarks/soak.py PROJECT --minutes {minutes}`, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', '-')}, {os.cpu_count()} cores "
        f"({platform.machine()}) that others used, too, torch {torch.__version__}. Training: "
        f"finetune@{SIZE}-{DATASET} of the demo, {steps:,} steps, a checkpoint every {SAVE_EVERY}; "
        f"the page: {CLIENTS} clients, {statuses}. Times are medians of the minute.", "",
        "| minute | trainer | files, threads | step | batch maker | files | "
        "web server | files, threads | answer | load |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {row['minute']} | {row['trainer']['mb']:.1f} MB | {row['trainer']['files']}, "
            f"{row['trainer']['threads']} | {row['trainer']['ms']:.0f} ms | "
            f"{row['loader']['mb']:.1f} MB | {row['loader']['files']} | "
            f"{row['server']['mb']:.1f} MB | {row['server']['files']}, "
            f"{row['server']['threads']} | {row['server']['ms']:.0f} ms | {row['load']:.1f} |"
            for row in shown
        ), "",
    ]  # fmt: skip
    if minutes > 2 * WARM:
        lines += [
            f"After the first {WARM} minutes (Theil-Sen slopes with 95 % intervals; medians of ten "
            "minutes, then of the last ten):", "",
        ]  # fmt: skip
        for who, name in (("trainer", "trainer"), ("loader", "batch maker"), ("server", "server")):
            mb, low, high = slope(rows, who, "mb")
            lines.append(f"- {name}: {mb:+.1f} MB an hour [{low:+.1f}, {high:+.1f}]")
        lines += compare_ends(rows)
    return "\n".join(lines) + "\n"


def compare_ends(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Medians of the ten minutes after the warm ones, and of the last ten.

    Seconds of the clock tell of the machine's other users, too; seconds of the processor less so.
    """
    ends = rows[WARM : 2 * WARM], rows[-WARM:]
    for who, name in (("trainer", "trainer"), ("loader", "batch maker"), ("server", "server")):
        for what in ("files", "threads"):
            first, last = (middle([row[who][what] for row in end]) for end in ends)
            yield f"- {what} of the {name}: {first:g}, then {last:g}"
    for who, name, num in (("trainer", "step", "steps"), ("server", "answer", "answers")):
        first, last = (
            middle([row[who]["ms"] for row in end if not math.isnan(row[who]["ms"])])
            for end in ends
        )
        yield f"- one {name}: {first:.0f} ms, then {last:.0f} ms"
        costs = [
            1e3 * (end[-1][who]["cpu_s"] - end[0][who]["cpu_s"])
            / max(sum(row[who][num] for row in end[1:]), 1)
            for end in ends
        ]  # fmt: skip
        spent = f"{costs[0]:.0f} ms, then {costs[1]:.0f} ms"
        yield f"- processor time of the process for one {name}: {spent}"
    loads = [middle([row["load"] for row in end]) for end in ends]
    yield f"- load of the machine: {loads[0]:.1f}, then {loads[1]:.1f}"


def main() -> None:
    """Print the table; status 1 where a client met what it should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="a folder in which `make demo` has run")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--write", action="store_true", help="add the table to RESULTS.md")
    arguments = parser.parse_args()
    project = arguments.project.resolve()
    model = project / f"data/models/finetuned/{SIZE}/{DATASET}"
    with (
        tempfile.TemporaryDirectory() as folder,
        trained(project, Path(folder)) as (trainer, curves),
        served(str(model), project) as (address, server),
    ):
        found = asyncio.run(watch(arguments.minutes, address, server, trainer, Tail(curves)))
    rows, tally = found
    show(tell(rows, tally, arguments.minutes), arguments.write)
    if strange := set(tally.statuses) - EXPECTED:
        raise SystemExit(f"clients met {', '.join(sorted(strange))}")


if __name__ == "__main__":
    main()
