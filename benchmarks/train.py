"""The training engine beside the bare arithmetic: overhead, waiting for data, ranks.

    python benchmarks/train.py --write

Every figure is a median of alternating runs of one process. The loop's overhead is what a step of
``train`` takes beyond a forward pass, a backward pass, clipping and an update of the same batch.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from results import show
from torch import multiprocessing

from components.dataset.collate import Batch
from components.dataset.example_feed import ExampleFeed
from components.dataset.feeds import Limits
from components.dataset.images import ImageStore
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.records import Example, ImageRecord, write_records
from components.tokenization.vocabulary import train_vocabulary
from components.training.loader import StepLoader
from components.training.loop import LoopSettings, train
from components.training.meter import Meter
from components.training.objective import Objective, batch_loss
from components.training.optimizer import Adam
from components.training.step import StepReport

SAMPLES, SOURCE, TARGET, IMAGE_PX = 4, 128, 32, 256
STORED_PX = 512  # of the images that are decoded and resized
NUM_IMAGES = 64


class Repeated:
    """The same micro-batches at every step, so that nothing but the loop differs."""

    part_names, stream_names = ["examples"], ["examples"]

    def __init__(self, vocabulary: int, px: int, micro: int = 1) -> None:
        self.batches = [draw_batch(vocabulary, px, seed) for seed in range(micro)]

    def parts(self, _: int) -> list[list[Batch]]:
        """One part."""
        return [self.batches]


def draw_batch(vocabulary: int, px: int, seed: int) -> Batch:
    """Random tokens and pixels; every place of the target is filled."""
    generator = torch.Generator().manual_seed(seed)
    prev = torch.randint(4, vocabulary, (SAMPLES, TARGET), generator=generator)
    return Batch(
        source_BS=torch.randint(4, vocabulary, (SAMPLES, SOURCE), generator=generator),
        images_B3HW=torch.randn(SAMPLES, 3, px, px, generator=generator),
        image_mask_B=torch.ones(SAMPLES, dtype=torch.bool),
        prev_BT=prev,
        labels_BT=prev.roll(-1, 1),
        code_mask_B=None,
        weight_B=torch.ones(SAMPLES),
        stream_B=torch.zeros(SAMPLES, dtype=torch.int64),
    )


def numbers(steps: int) -> LoopSettings:
    """A run without checkpoints or average, which logs each step."""
    return LoopSettings(
        steps=steps, learning_rate=1e-5, warmup=0.1, weight_decay=0.01, clip_norm=1.0,
        ema_decay=0.0, seed=1, log_every=1, save_every=steps,
    )  # fmt: skip


def measure_overhead(size: str, repeats: int) -> Iterator[str]:
    """A step of the loop against the bare one; then its own work, where it can be told from noise.

    A step of a large model differs from the next by more than the loop takes; of a small one it
    does not, and that work does not grow with the model.
    """
    ours, theirs, ratio = _time_steps(size, repeats)
    yield f"| step of the loop, {size}, {SAMPLES} x {IMAGE_PX} px | {ours:.3f} s |"
    yield f"| bare forward, backward, clipping, update | {theirs:.3f} s |"
    yield f"| overhead, median of pairs (aim: under 5 %) | {ratio - 1:+.1%} |"
    small_ours, small_theirs, _ = _time_steps("debug", 40 * repeats, px=64)
    own = small_ours - small_theirs
    what = f"the loop's own work: a step of debug, {SAMPLES} x 64 px, less the bare one"
    yield f"| {what} | {1e3 * own:.1f} ms |"
    yield f"| the same as a share of the bare step of {size} | {own / theirs:.2%} |"


def _time_steps(size: str, repeats: int, px: int = IMAGE_PX) -> tuple[float, float, float]:
    """Medians of the loop's step and of the bare one in seconds, in turns on one model, and of
    their ratio."""
    torch.manual_seed(0)
    model = UnifiedModel(model_config(size))
    source = Repeated(model.config.vocabulary_size, px)
    optimizer, batch = Adam(model.named_parameters()), source.batches[0]

    def bare() -> None:
        model.train()
        optimizer.clear_gradients()
        loss = batch_loss(model, batch, Objective()).loss / batch.labels_BT.numel()
        loss.backward()
        optimizer.clip_gradients(1.0)
        optimizer.step(1e-5)

    loop_s: list[float] = []
    bare_s: list[float] = []
    last = 0.0

    def on_step(_: int, __: StepReport) -> None:
        nonlocal last
        loop_s.append(time.perf_counter() - last)
        bare_s.append(timed(bare))
        last = time.perf_counter()

    bare()
    last = time.perf_counter()
    train(model, source, numbers(repeats + 1), on_step=on_step)
    pairs = list(zip(loop_s[1:], bare_s[1:], strict=True))
    middle = [statistics.median(own) for own in zip(*pairs, strict=True)]
    return middle[0], middle[1], statistics.median(a / b for a, b in pairs)


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def measure_loader(size: str, repeats: int) -> Iterator[str]:
    """How fast one worker makes batches of stored images, and how long the loop waits for it."""
    vocabulary = train_vocabulary([" is there a rib? answer"] * 3, 20, num_codes=4, num_bins=4)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.parquet"
        images = [draw_image(number) for number in range(NUM_IMAGES)]
        write_records(file, ImageRecord, images)
        store = ImageStore([file], IMAGE_PX)
    store.max_decoded = 0  # as in an epoch that is larger than the memory
    examples = [
        Example(str(i), "set", "vqa", "train", " is there a rib?", " answer", image_id=image.id)
        for i, image in enumerate(images)
    ]
    limits = Limits(SAMPLES, SAMPLES, SOURCE, TARGET, 1)
    feed = ExampleFeed(examples, vocabulary, store, limits)
    seconds = [timed(lambda step=step: feed.parts(step)) for step in range(1, repeats + 4)]
    rate = SAMPLES / statistics.median(seconds)
    what = f"images of {STORED_PX} px decoded and resized to {IMAGE_PX} px a second, by a worker"
    yield f"| {what} | {rate:.0f} |"
    torch.manual_seed(0)
    config = model_config(size, vocabulary_size=vocabulary.size)
    for workers in (0, 1):
        loader = StepLoader(feed, repeats + 1, workers=workers, device="cpu")
        meter = Meter(loader, device="cpu", window=repeats)
        readings: list[float] = []
        train(
            UnifiedModel(config),
            meter,
            numbers(repeats + 1),
            on_step=lambda _, report, m=meter, r=readings: r.append(m.read(report).wait_share),
        )
        yield f"| share of a step of {size} spent waiting, {workers} workers | {readings[-1]:.1%} |"


def draw_image(number: int) -> ImageRecord:
    """A JPEG with some structure."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((STORED_PX, STORED_PX), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return ImageRecord(str(number), buffer.getvalue(), "JPEG", STORED_PX, STORED_PX, "", "")


def measure_ranks(size: str, repeats: int) -> Iterator[str]:
    """One process of two threads against two of one, with the same effective batch."""
    with tempfile.TemporaryDirectory() as folder:
        for world in (1, 2):
            multiprocessing.spawn(run_rank, (world, size, repeats, folder), nprocs=world)
        one, two = (torch.load(f"{folder}/{world}.pt", weights_only=True) for world in (1, 2))
    gap = max(abs(a - b) / abs(a) for a, b in zip(one["losses"], two["losses"], strict=True))
    what = f"{size}, 4 micro-batches of {SAMPLES} x 64 px"
    yield f"| {what}: one process, two threads | {one['s']:.3f} s |"
    yield f"| two processes (DDP, gloo), a thread each | {two['s']:.3f} s |"
    yield f"| largest relative difference of {len(one['losses'])} losses | {gap:.1e} |"


def run_rank(rank: int, world: int, size: str, repeats: int, folder: str) -> None:
    """Train as one of the ranks; the first notes losses and seconds a step."""
    torch.set_num_threads(2 // world)
    if world > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world
        )
    torch.manual_seed(0)
    model = UnifiedModel(model_config(size, dropout=0.0, drop_path=0.0))
    for module in model.modules():  # batch statistics depend on who computes them: left out
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.0
    losses, marks = [], [time.perf_counter()]

    def on_step(_: int, report: StepReport) -> None:
        losses.append(sum(report.losses))
        marks.append(time.perf_counter())

    train(model, Repeated(model.config.vocabulary_size, 64, 4), numbers(repeats), on_step=on_step)
    if rank == 0:
        seconds = statistics.median(b - a for a, b in pairwise(marks[1:]))
        torch.save({"losses": losses, "s": seconds}, f"{folder}/{world}.pt")
    if world > 1:
        dist.destroy_process_group()


SECTIONS = {
    "overhead": (measure_overhead, "base"),
    "loader": (measure_loader, "base"),
    "ranks": (measure_ranks, "small"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; ``--write`` adds it to RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(SECTIONS), action="append")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    chosen = asked.only or list(SECTIONS)
    command = ["python benchmarks/train.py", *(f"--only {name}" for name in asked.only or [])]
    lines = [
        "## The training engine",
        "",
        f"`{' '.join(command)}`, "
        f"{asked.threads} threads of {os.cpu_count()} cores ({platform.machine()}), torch "
        f"{torch.__version__}, medians of {asked.repeats}, {datetime.now().astimezone():%Y-%m-%d}.",
        "",
        "| what | measured |",
        "| --- | --- |",
    ]
    for name in chosen:
        measure, size = SECTIONS[name]
        for line in measure(size, asked.repeats):
            print(line, flush=True)
            lines.append(line)
    show("\n".join(lines) + "\n", asked.write)


if __name__ == "__main__":
    main()
