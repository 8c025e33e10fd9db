"""Many users of the web page at once, each asking again as soon as it is answered.

    python benchmarks/web_load.py MODEL --users 50 --seconds 60 --write

starts ``biomedgpt web MODEL`` on a free port, and asks with pictures and questions that differ. A
user waits where the server says so (429), and that is counted; anything else but an answer is an
error, and ends with status 1. The users run on the same machine, and take part of its time.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from results import show

QUESTIONS = ("Is there a lesion?", "On which side is the lesion?", "What type of image is this?")
PICTURES = 20
START_S = 300


@dataclass
class Tally:
    """Seconds of each answer, and how often each status came."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


def draw(seed: int, px: int) -> bytes:
    """A JPEG of smooth noise, as large as a film on a page."""
    small = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((px, px), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


@contextmanager
def served(model: str, at: Path | None = None) -> Iterator[tuple[str, int]]:
    """A server of a model, in a project's folder; its address and its process."""
    command = [sys.executable, "-m", "flows.cli", "web", model, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=at
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"answers at (http://\S+)/", line):
                yield found[1], process.pid
                break
        else:
            raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait()


async def use(client: httpx.AsyncClient, user: int, ends: float, tally: Tally, px: int) -> None:
    """One user, until the time is over."""
    turn = user
    pictures = [draw(user % PICTURES, px)]
    while time.monotonic() < ends:
        turn += 1
        begun = time.monotonic()
        try:
            response = await client.post(
                "/api/ask",
                files={"image": pictures[0]},
                data={"question": QUESTIONS[turn % len(QUESTIONS)], "explain": "true"},
            )
        except httpx.HTTPError as error:
            tally.statuses[type(error).__name__] += 1
            continue
        tally.statuses[str(response.status_code)] += 1
        if response.status_code == 200:
            tally.seconds.append(time.monotonic() - begun)
        elif response.status_code == 429:
            await asyncio.sleep(int(response.headers["Retry-After"]))


async def load(address: str, users: int, seconds: float, px: int) -> Tally:
    """All users at once; what they met."""
    tally, limits = Tally(), httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=START_S, limits=limits) as client:
        ends = time.monotonic() + seconds
        await asyncio.gather(*(use(client, n, ends, tally, px) for n in range(users)))
    return tally


def tell(tally: Tally, arguments: argparse.Namespace, name: str, busy: float) -> str:
    """A section of RESULTS.md."""
    p50, p95, p99 = np.percentile(tally.seconds, [50, 95, 99])
    statuses = ", ".join(f"{number} x {status}" for status, number in tally.statuses.items())
    return (
        f"### The web endpoint under load, {datetime.now(UTC):%Y-%m-%d}\n\n"
        f"`python benchmarks/web_load.py MODEL --users {arguments.users} "
        f"--seconds {arguments.seconds:g}`, {name}; pictures of {arguments.px} px, each question "
        f"with its blank twin and attention; users and server on one machine of {os.cpu_count()} "
        f"cores, which others used, too (load {busy:.1f}).\n\n"
        "| users | answers | a second | p50 | p95 | p99 | slowest | statuses |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        f"| {arguments.users} | {len(tally.seconds)} | "
        f"{len(tally.seconds) / arguments.seconds:.1f} | {p50:.2f} s | {p95:.2f} s | "
        f"{p99:.2f} s | {max(tally.seconds):.2f} s | {statuses} |\n"
    )


def main() -> None:
    """Load the server, print the table; status 1 where anything but an answer came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a folder, as biomedgpt web takes it")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--px", type=int, default=512, help="side of the pictures")
    parser.add_argument("--write", action="store_true", help="add the table to RESULTS.md")
    arguments = parser.parse_args()
    with served(arguments.model) as (address, _):
        facts = httpx.get(f"{address}/api/model").json()
        name = f"{facts['parameters'] / 1e6:.1f}M parameters, images at {facts['image_px']} px"
        asyncio.run(load(address, 2, 1, arguments.px))  # the first answers warm it up
        tally = asyncio.run(load(address, arguments.users, arguments.seconds, arguments.px))
        show(tell(tally, arguments, name, os.getloadavg()[0]), arguments.write)
    if set(tally.statuses) - {"200", "429"}:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
