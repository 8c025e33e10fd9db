"""How fast the model trains and generates, beside a peer of the same size in the same run.

The peer is what one would assemble from transformers: a ResNet of the same stages, whose cells go
before the text into BART of the same width, depth and vocabulary. It lacks this model's position
biases and inner norms, so that its work is a little less; its batch norms are not folded when it
answers, so that there it is a little more.

    python benchmarks/model.py --size base --threads 2 --write
    python benchmarks/model.py --size large --device cuda --precision bfloat16 --compile

Times are medians of interleaved runs in one process; memory is the peak of a process of its own.
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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import torch
from peer import Peer
from results import peak_memory_mb, show
from torch.utils.flop_counter import FlopCounterMode

from components.dataset.collate import Batch
from components.generation.beam import search
from components.generation.constraints import SearchSettings
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.training.objective import Objective, batch_loss

REFERENCE_PEAK = 137e9  # operations a second of matrix products where the reference was timed
PEAK_SIDE = 2048


@dataclass(frozen=True)
class Case:
    """One thing to time. ``beam`` 0 is a training step, else generation of ``targets`` tokens."""

    name: str
    batch: int
    source: int
    image_px: int
    targets: int
    patches: int = 0  # 0: all
    beam: int = 0
    reference_s: float | None = None  # base size, float32, 2 threads at REFERENCE_PEAK


@dataclass(frozen=True)
class Setup:
    """What is timed, and how."""

    size: str
    threads: int
    repeats: int
    device: str
    bfloat16: bool
    compiled: bool


CASES = [
    Case("train 4 x (128 tokens, 256 px) -> 32", 4, 128, 256, 32, reference_s=9.9),
    Case("train 4 x (512 tokens, 196 patches) -> 64", 4, 512, 256, 64, 196, reference_s=21.5),
    Case("beam 5, 1 x 32 tokens", 1, 32, 256, 32, beam=5, reference_s=4.2),
    Case("beam 5, 4 x 32 tokens", 4, 32, 256, 32, beam=5, reference_s=9.3),
    Case("greedy, 1 x 32 tokens", 1, 32, 256, 32, beam=1, reference_s=2.5),
]


def make_batch(case: Case, vocabulary: int) -> Batch:
    """Random tokens and pixels of a case's shape; the labels' places are all filled."""
    torch.manual_seed(1)
    prev = torch.randint(4, vocabulary, (case.batch, case.targets))
    return Batch(
        source_BS=torch.randint(4, vocabulary, (case.batch, case.source)),
        images_B3HW=torch.randn(case.batch, 3, case.image_px, case.image_px),
        image_mask_B=torch.ones(case.batch, dtype=torch.bool),
        prev_BT=prev,
        labels_BT=prev.roll(-1, 1),
        code_mask_B=None,
        weight_B=torch.ones(case.batch),
    )


class Ours:
    """This project's model."""

    def __init__(self, size: str, device: str) -> None:
        torch.manual_seed(0)
        self.model = UnifiedModel(model_config(size)).to(device)
        self.vocabulary = self.model.config.vocabulary_size

    def prepare(self, case: Case) -> None:
        """Make the model ready to train, or, for good, to answer."""
        self.model.train(not case.beam)
        if case.beam:
            self.model.encoder.embed_images.fold_batch_norm()

    def train_step(self, case: Case, batch: Batch) -> None:
        """Forward and backward over every target, with the full softmax."""
        loss = batch_loss(self.model, batch, Objective(sampled_patches=case.patches)).loss
        (loss / batch.labels_BT.numel()).backward()
        self.model.zero_grad(set_to_none=True)

    def generate(self, case: Case, batch: Batch) -> None:
        """Search to the full length: eos is not allowed before."""
        settings = SearchSettings(
            beam=case.beam, max_length_b=case.targets, min_length=case.targets
        )
        with torch.no_grad():
            encoded = self.model.encode(batch.source_BS, batch.images_B3HW, batch.image_mask_B)
            found = search(self.model, encoded, settings)
        assert len(found[0][0].tokens) == case.targets + 1


def action(who: Any, case: Case, batch: Batch, bfloat16: bool = False) -> Callable[[], None]:
    """What is timed."""
    who.prepare(case)
    step = who.generate if case.beam else who.train_step

    def run() -> None:
        with torch.autocast(batch.source_BS.device.type, torch.bfloat16, enabled=bfloat16):
            step(case, batch)

    return run


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds of one run."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_peak(device: str, kind: torch.dtype) -> float:
    """Best rate of a large matrix product, in floating-point operations a second."""
    a = torch.randn(PEAK_SIDE, PEAK_SIDE, device=device, dtype=kind)
    return 2 * PEAK_SIDE**3 / min(timed(lambda: torch.mm(a, a), device) for _ in range(9))


def count_flops(run: Callable[[], None]) -> int:
    """Operations of matrix products and convolutions in one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def measure_bandwidth(device: str) -> float:
    """Bytes a second at which memory is read, over far more than any cache holds."""
    numbers = torch.ones(2**26, device=device)
    return numbers.nbytes / min(timed(numbers.sum, device) for _ in range(9))


def count_repeated(ours: Ours, case: Case) -> int:
    """Operations that a training step does more than once, to save memory: the positions' product
    in every layer of the encoder. They are no part of what the model asks for."""
    config = ours.model.config
    cells = case.patches or (case.image_px // 16) ** 2
    product = 2 * (cells + case.source) ** 2 * config.d_model
    once = case.batch if case.patches else 1
    return 3 * product * (case.batch * config.encoder_layers - once)


def least_time(ours: Ours, case: Case, batch: Batch, bandwidth: float, device: str) -> float:
    """Seconds that generation cannot go below: encode, then read the weights once a token."""
    model = ours.model
    with torch.no_grad():
        run = lambda: model.encode(batch.source_BS, batch.images_B3HW, batch.image_mask_B)  # noqa: E731
        encoding = min(timed(run, device) for _ in range(5))
    layers = sum(p.nbytes for p in model.decoder.layers.parameters())
    weights = layers + model.encoder.embed_tokens.weight.nbytes
    return encoding + (case.targets + 1) * weights / bandwidth


def measure_memory(size: str, case: Case, peer: bool) -> float:
    """Peak memory in GB of a process that does nothing else."""
    words = [sys.executable, __file__, "--size", size, "--alone", case.name]
    done = subprocess.run(
        [*words, *(["--peer"] if peer else [])], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_alone(size: str, name: str, peer: bool) -> None:
    """One run of one case; prints the peak memory of this process."""
    case = next(case for case in CASES if case.name == name)
    who = Peer(size, "cpu") if peer else Ours(size, "cpu")
    action(who, case, make_batch(case, who.vocabulary))()
    print(json.dumps(peak_memory_mb() / 1e3))


def measure(case: Case, pair: list[Any], setup: Setup) -> list[list[float]]:
    """Times of both, one after the other, after one run to warm up."""
    runs = [
        action(who, case, make_batch(case, who.vocabulary).to(setup.device), setup.bfloat16)
        for who in pair
    ]
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(setup.repeats):
        for run, found in zip(runs, times, strict=True):
            found.append(timed(run, setup.device))
    return times


def row(case: Case, model: Ours, times: list[list[float]], setup: Setup, peak: float) -> str:
    """One case in the table."""
    ours, peer = (statistics.median(found) for found in times)
    batch = make_batch(case, model.vocabulary).to(setup.device)
    scaled = ""
    if case.beam:
        bandwidth = measure_bandwidth(setup.device)
        bound = least_time(model, case, batch, bandwidth, setup.device) / ours
    else:
        asked = count_flops(action(model, case, batch, setup.bfloat16))
        asked -= count_repeated(model, case) if setup.device == "cpu" else 0
        bound = asked / ours / peak
        if case.reference_s and setup.size == "base" and setup.device == "cpu":
            scaled = f"{ours / (case.reference_s * REFERENCE_PEAK / peak):.2f}"
    memory = "-"
    if setup.device == "cpu":
        alone = (measure_memory(setup.size, case, peer) for peer in (False, True))
        memory = " / ".join(f"{gigabytes:.1f}" for gigabytes in alone) + " GB"
    return (
        f"| {case.name} | {ours:.2f} s | {peer:.2f} s | {ours / peer:.2f} | {scaled or '-'} | "
        f"{bound:.0%} | {memory} |"
    )


def table(setup: Setup) -> str:
    """Markdown: one row for each case."""
    kind = torch.bfloat16 if setup.bfloat16 else torch.float32
    model = Ours(setup.size, setup.device)
    peer = Peer(setup.size, setup.device)
    if setup.compiled:
        model.model.compile()
        peer.bart.compile()
    peaks, rows = [measure_peak(setup.device, kind)], []
    for case in CASES:
        times = measure(case, [model, peer], setup)
        peaks.append(measure_peak(setup.device, kind))
        rows.append(row(case, model, times, setup, max(peaks)))
    machine = torch.cuda.get_device_name() if setup.device == "cuda" else platform.machine()
    today = datetime.now().astimezone().date().isoformat()
    precision = "bfloat16" if setup.bfloat16 else "float32"
    head = [
        f"### {setup.size}, {precision}, {setup.device}, {setup.threads} threads, {today}",
        "",
        f"`python benchmarks/model.py {' '.join(sys.argv[1:])}`, {os.cpu_count()} cores "
        f"({machine}), torch {torch.__version__}, medians of {setup.repeats}; matrix products "
        f"reach {max(peaks) / 1e9:.0f} GFLOP/s (median {statistics.median(peaks) / 1e9:.0f}), "
        f"memory is read at {measure_bandwidth(setup.device) / 1e9:.0f} GB/s.",
        "",
        "| case | ours | peer | ours / peer | ours / scaled reference | of bound | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def main() -> None:
    """Time, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--compile", action="store_true", help="both models, by torch.compile")
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.alone:
        run_alone(given.size, given.alone, given.peer)
        return
    bfloat16 = given.precision == "bfloat16"
    text = table(
        Setup(given.size, given.threads, given.repeats, given.device, bfloat16, given.compile)
    )
    show(text, given.write)


if __name__ == "__main__":
    main()
