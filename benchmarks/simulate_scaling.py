"""8 to 256 GPUs, simulated: where pretraining stops scaling with DDP and with FSDP.

    python benchmarks/simulate_scaling.py --write

Measured, here, on a CPU: the seconds of an example of a small model, and how many
operations of torch it starts. Counted from the architecture: operations and bytes of every size.
Assumed: everything about GPUs and their links, listed below; there was none to measure. The model
is components/training/scaling.py.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import torch
from results import show
from torch.utils._python_dispatch import TorchDispatchMode
from train_plan import make_batch

from components.config import GpuParams, Params
from components.model.config import model_config
from components.model.flops import BatchShape, parameters_by_part, step_flops
from components.model.model import UnifiedModel
from components.planning.streams import pretraining_streams, step_batches
from components.profiles.overlay import read_profile
from components.schema import validate
from components.training.objective import Objective, batch_loss
from components.training.scaling import Cluster, Work, efficiency, step_s

SIZES = ("base", "large", "xlarge")
GPUS = (8, 16, 32, 64, 128, 256)
MEASURED, REPEATS = "small", 1
LINK_SHARE = 0.8  # of a link's rate that collectives reach
LAUNCH_S = 5e-6  # of starting one operation on a GPU
OVERLAP = {"ddp": 0.0, "ddp, sums behind the backward pass": 0.8, "fsdp": 0.8}
# One way, of a GPU: NVLink 3 and 4 (600 and 900 GB/s both ways), a network port of 200 and of
# 400 Gbit/s for each GPU; latencies of some microseconds. Bytes a second that memory gives.
CLUSTERS = {
    "a100_80gb": Cluster(8, 300e9 * LINK_SHARE, 25e9 * LINK_SHARE, 5e-6, 15e-6),
    "h100_80gb": Cluster(8, 450e9 * LINK_SHARE, 50e9 * LINK_SHARE, 5e-6, 15e-6),
}
MEMORY_BYTES_S = {"a100_80gb": 2.0e12, "h100_80gb": 3.3e12}
UPDATE_BYTES = 7 * 4  # of a parameter: four numbers read, three written


@dataclass(frozen=True)
class Measured:
    """A micro-batch on this machine: seconds, operations asked for, operations started."""

    seconds: float
    flops: int
    num_started: int


class Counter(TorchDispatchMode):
    """Counts what is started."""

    num = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, and do it."""
        self.num += 1
        return func(*args, **(kwargs or {}))


def settings_of(size: str) -> Params:
    """The settings of a size's profile."""
    return validate(Params, read_profile(size), size)


def batches_of(size: str) -> list[BatchShape]:
    """The micro-batches of a pretraining step, every text as long as its limit."""
    params = settings_of(size)
    px = params.tokenize_images.image_px
    streams = pretraining_streams(params.pretrain.for_run(size), px, has_boxes=True)
    return step_batches(streams, params.pretrain.micro_batch)


def measure() -> Measured:
    """Forward and backward of one example as base reads it, in seconds of the processor."""
    shape = batches_of("base")[0]
    shape = replace(shape, samples=1, learnt_tokens=shape.target_tokens)
    config = model_config(MEASURED)
    torch.manual_seed(0)
    model = UnifiedModel(config).train()
    batch = make_batch(shape, config.vocabulary_size)
    objective = Objective(sampled_patches=shape.sampled_patches)

    def run() -> float:
        start = time.process_time()
        batch_loss(model, batch, objective).loss.backward()
        return time.process_time() - start

    run()
    seconds = statistics.median(run() for _ in range(REPEATS))
    with Counter() as counter:
        run()
    return Measured(seconds, step_flops(config, [shape]), counter.num)


def make_work(size: str, kind: str, gpu: GpuParams, mode: str, measured: Measured) -> Work:
    """A step of a size on a kind of GPU, by the measured time and the assumed rates."""
    config, batches = model_config(size), batches_of(size)
    mean_flops = step_flops(config, batches) / len(batches)
    faster = gpu.tflops * 1e12 * gpu.mfu / (measured.flops / measured.seconds)
    layers = config.encoder_layers + config.decoder_layers
    first = model_config(MEASURED)
    deeper = layers / (first.encoder_layers + first.decoder_layers)
    parts = parameters_by_part(config)
    whole, split = sum(parts.values()), parts["encoder layers"] + parts["decoder layers"]
    work = Work(
        micro_batches=len(batches),
        micro_batch=settings_of(size).pretrain.micro_batch,
        micro_batch_s=measured.seconds * mean_flops / measured.flops / faster,
        launch_s=measured.num_started * deeper * LAUNCH_S,
        update_s=UPDATE_BYTES * whole / MEMORY_BYTES_S[kind],
        replicated_bytes=4 * whole,
        overlap=OVERLAP[mode],
    )
    if mode != "fsdp":
        return work
    return replace(
        work,
        replicated_bytes=4 * (whole - split),
        gathered_bytes=2 * split,  # weights as bfloat16
        scattered_bytes=4 * split,
    )


def last_efficient(work: Work, cluster: Cluster) -> str:
    """The number of GPUs, doubled from 8 on, at which efficiency falls under one half."""
    gpus = GPUS[0]
    while gpus <= 2**14:
        if efficiency(work, gpus, cluster) < 0.5:
            return f"{gpus:,}"
        gpus *= 2
    return "beyond 16,384"


def table(measured: Measured) -> str:
    """Markdown: a row for each size, kind of GPU and way of spreading."""
    today = datetime.now().astimezone().date().isoformat()
    gpus = settings_of(SIZES[0]).plan.gpus
    rate = measured.flops / measured.seconds
    lines = [
        f"### Pretraining on 8 to 256 GPUs, simulated, {today}",
        "",
        f"`python benchmarks/simulate_scaling.py`. Measured: one example of {MEASURED}, "
        f"forward and back, {measured.seconds:.1f} s of one thread "
        f"({rate / 1e9:.0f} GFLOP/s), {measured.num_started:,} operations started. Assumed: "
        + ", ".join(f"{kind} {g.mfu:.0%} of {g.tflops:.0f} TFLOP/s" for kind, g in gpus.items())
        + f"; links of 300 and 450 GB/s within 8 GPUs, 25 and 50 GB/s between, of which "
        f"{LINK_SHARE:.0%}; {LAUNCH_S * 1e6:.0f} us to start an operation; sums hide behind "
        f"{OVERLAP['fsdp']:.0%} of the computing where they may.",
        "",
        "| size, effective batch | GPU | spread | seconds on 8 | "
        + " | ".join(f"eff. on {n}" for n in GPUS)
        + " | under 50 % at |",
        "|---|---|---|---|" + "---|" * len(GPUS) + "---|",
    ]
    for size in SIZES:
        pairs = settings_of(size).pretrain.effective_batch
        for kind, gpu in gpus.items():
            for mode in OVERLAP:
                work, cluster = make_work(size, kind, gpu, mode, measured), CLUSTERS[kind]
                cells = " | ".join(f"{efficiency(work, n, cluster):.0%}" for n in GPUS)
                lines.append(
                    f"| {size}, {pairs:,} pairs | {kind} | {mode} | "
                    f"{step_s(work, GPUS[0], cluster):.1f} | {cells} | "
                    f"{last_efficient(work, cluster)} |"
                )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, simulate, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    show(table(measure()), given.write)


if __name__ == "__main__":
    main()
