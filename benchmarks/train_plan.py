"""What `biomedgpt plan STAGE` says of memory and time, beside what a run here takes.

    python benchmarks/train_plan.py --write

Each case is a process of its own, which trains some steps of two micro-batches. Memory is its peak
above what it held before there was a model. Time is predicted from the operations of each case and
the rate that the first case reaches. Seconds are those of the processor, on one thread: they grow
less than those of the clock when others use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime

import torch
from results import peak_memory_mb, show

from components.dataset.collate import Batch
from components.model.config import model_config
from components.model.flops import BatchShape, step_flops
from components.model.model import UnifiedModel
from components.training.ema import Average
from components.training.estimate import Placement, memory_by_part
from components.training.objective import Objective
from components.training.optimizer import Adam
from components.training.step import train_step

MICRO_BATCHES = 2
REPEATS = 5


@dataclass(frozen=True)
class Case:
    """A model and a micro-batch."""

    size: str
    shape: BatchShape

    @property
    def name(self) -> str:
        """As the table has it."""
        shape = self.shape
        image = f", {shape.image_px} px" if shape.image_px else ""
        image += f", {shape.sampled_patches} patches" if shape.sampled_patches else ""
        tokens = f"{shape.source_tokens} -> {shape.target_tokens} tokens"
        return f"{self.size}, {shape.samples} x ({tokens}{image})"


CASES = [
    Case("small", BatchShape(4, 128, 32, 128, image_px=128)),
    Case("small", BatchShape(8, 128, 64, 512)),
    Case("small", BatchShape(2, 272, 64, 128, image_px=256, sampled_patches=196)),
    Case("medium", BatchShape(2, 128, 32, 64, image_px=128)),
    Case("base", BatchShape(2, 128, 32, 64, image_px=128)),
    Case("debug", BatchShape(32, 64, 32, 1024, image_px=64)),
]


def make_batch(shape: BatchShape, vocabulary: int) -> Batch:
    """Random tokens and pixels; every place has a target."""
    torch.manual_seed(1)
    images = mask = None
    if shape.image_px:
        images = torch.randn(shape.samples, 3, shape.image_px, shape.image_px)
        mask = torch.ones(shape.samples, dtype=torch.bool)
    prev = torch.randint(4, vocabulary, (shape.samples, shape.target_tokens))
    source = torch.randint(4, vocabulary, (shape.samples, shape.source_tokens))
    return Batch(source, images, mask, prev, prev.roll(-1, 1), None, torch.ones(shape.samples))


class Training:
    """A model, its optimizer and average, and batches to train on."""

    def __init__(self, case: Case) -> None:
        torch.manual_seed(0)
        self.model = UnifiedModel(model_config(case.size)).train()
        self.optimizer = Adam(self.model.named_parameters())
        self.average = Average(self.model, 0.999)
        vocabulary = self.model.config.vocabulary_size
        self.batches = [make_batch(case.shape, vocabulary)] * MICRO_BATCHES
        self.objective = Objective(sampled_patches=case.shape.sampled_patches)
        self.num_steps = 0

    def step(self) -> float:
        """Train one step; its seconds of processor time."""
        start, self.num_steps = time.process_time(), self.num_steps + 1
        train_step(
            self.model, [self.batches], self.optimizer, self.objective, seed=0,
            step=self.num_steps, learning_rate=1e-4, clip_norm=1.0,
        )  # fmt: skip
        self.average.update(self.model)
        return time.process_time() - start


def measure(number: int) -> tuple[float, float]:
    """Seconds of a step, and peak bytes above what was held without a model, in a new process."""
    words = [sys.executable, __file__, "--alone", str(number)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    print(f"{CASES[number].name}: {seconds:.2f} s, {peak / 1e9:.2f} GB", file=sys.stderr)
    return seconds, peak


def run_alone(case: Case) -> None:
    """A few steps; prints the median of all but the first, and the peak above the beginning."""
    before = peak_memory_mb()
    training = Training(case)
    times = [training.step() for _ in range(1 + REPEATS)]
    print(json.dumps([statistics.median(times[1:]), (peak_memory_mb() - before) * 1e6]))


def row(case: Case, seconds: float, peak: float, rate: float) -> str:
    """One case in the table."""
    config = model_config(case.size)
    parts = memory_by_part(
        config, case.shape, Placement(device="cpu", bfloat16=False, has_average=True)
    )
    planned = sum(parts.values())
    flops = step_flops(config, [case.shape] * MICRO_BATCHES)
    expected = flops / rate
    return (
        f"| {case.name} | {planned / 1e9:.2f} GB | {peak / 1e9:.2f} GB | {planned / peak - 1:+.0%} "
        f"| {flops / 1e12:.3f} | {expected:.2f} s | {seconds:.2f} s "
        f"| {expected / seconds - 1:+.0%} |"
    )


def table(sizes: list[str]) -> str:
    """Markdown: one row for each case of these sizes."""
    numbers = [number for number, case in enumerate(CASES) if case.size in sizes]
    measured = [measure(number) for number in numbers]
    first = CASES[numbers[0]]
    flops = step_flops(model_config(first.size), [first.shape] * MICRO_BATCHES)
    rate = flops / measured[0][0]
    rows = [
        row(CASES[number], *found, rate) for number, found in zip(numbers, measured, strict=True)
    ]
    today = datetime.now().astimezone().date().isoformat()
    head = [
        f"### The plan of a training run and the run, cpu, one thread, {today}",
        "",
        f"`python benchmarks/train_plan.py --sizes {' '.join(sizes)}`, {os.cpu_count()} cores "
        f"({platform.machine()}), torch {torch.__version__}, float32, "
        f"steps of {MICRO_BATCHES} micro-batches with clipping, update and average, medians of "
        f"{REPEATS} after one; seconds of processor time. The first case "
        f"sets the rate, {rate / 1e9:.0f} GFLOP/s.",
        "",
        "| case | memory planned | peak | off | TFLOP | time planned | measured | off |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def main() -> None:
    """Measure, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = list(dict.fromkeys(case.size for case in CASES))
    parser.add_argument("--sizes", nargs="+", choices=sizes, default=sizes)
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.alone is not None:
        run_alone(CASES[given.alone])
        return
    show(table(given.sizes), given.write)


if __name__ == "__main__":
    main()
