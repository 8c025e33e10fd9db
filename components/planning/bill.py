"""What a training run asks for: memory, time, storage, energy and money. Numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.config import GpuParams, Params
from components.model.config import ModelConfig
from components.model.flops import (
    BatchShape,
    Trained,
    parameters_by_part,
    recomputed_operations,
    step_flops,
)
from components.planning.streams import Stream, step_batches
from components.training.estimate import Placement, memory_by_part, trained_parameters
from components.training_config import TrainingParams

MODES = {
    "ddp": (False, False),
    "ddp, checkpointing": (False, True),
    "fsdp": (True, False),
    "fsdp, checkpointing": (True, True),
}
FULL = 4  # bytes of a stored number


@dataclass(frozen=True)
class KindCost:
    """The run on one kind of GPU. Hours of all GPUs together, and of the clock."""

    name: str
    gpu: GpuParams
    gpu_hours: float
    gpus: int

    @property
    def wall_hours(self) -> float:
        """Hours from start to end."""
        return self.gpu_hours / self.gpus

    @property
    def kwh(self) -> float:
        """Energy of the GPUs alone."""
        return self.gpu_hours * self.gpu.watts / 1000

    @property
    def usd(self) -> float:
        """Rent of the GPUs."""
        return self.gpu_hours * self.gpu.usd_per_hour


@dataclass(frozen=True)
class Bill:
    """All that ``biomedgpt plan STAGE`` prints of a run, but what is missing.

    ``steps`` are of one seed; hours, money and what is stored are of all ``seeds``. ``memory`` is
    by mode of MODES and part, in bytes on one GPU. ``busy`` is the share of the GPUs' time in which
    they have a micro-batch; ``recomputed`` what activation checkpointing adds to the operations, as
    a share.
    """

    parameters: dict[str, int]
    trained: int
    memory: dict[str, dict[str, int]]
    streams: list[Stream]
    steps: int
    seeds: int
    step_tokens: int
    step_flops: int
    recomputed: float
    busy: float
    checkpoints: int
    checkpoint_bytes: int
    product_bytes: int
    kinds: list[KindCost]


def draw_up(
    params: Params,
    config: ModelConfig,
    settings: TrainingParams,
    streams: Sequence[Stream],
    gpus: int,
) -> Bill:
    """The bill of one run on ``gpus`` GPUs of each kind of params.yaml."""
    trained = Trained(
        trunk=not settings.freeze_trunk,
        token_matrix=not settings.freeze_embeddings,
        lora_rank=settings.lora_rank,
    )
    placement = Placement(
        bfloat16=params.compute.precision == "bfloat16",
        has_average=settings.ema_decay > 0,
        dropout=settings.dropout > 0,
    )
    batches = step_batches(streams, settings.micro_batch)
    if settings.rdrop:
        batches = [pass_twice(batch) for batch in batches]
    flops = step_flops(config, batches, trained)
    busy = len(batches) / (gpus * -(-len(batches) // gpus))  # each takes every n-th of them
    memory = weigh_modes(config, batches, placement, trained, gpus)
    learnt = trained_parameters(config, trained)
    kept = memory["ddp"]["average"] + 2 * FULL * learnt
    seeds, validates = getattr(settings, "seeds", 1), getattr(settings, "validate_every", 0) > 0
    keeps_best = getattr(settings, "keep", "last") == "best"  # then one must be there at the end
    num_kept = params.compute.keep_last + max(params.compute.keep_best, keeps_best) * validates
    parameters = parameters_by_part(config)
    product = FULL * sum(parameters.values())
    return Bill(
        parameters=parameters,
        trained=learnt,
        memory=memory,
        streams=list(streams),
        steps=settings.steps,
        seeds=seeds,
        step_tokens=sum(b.samples * (b.positions + b.target_tokens) for b in batches),
        step_flops=flops,
        recomputed=recomputed_operations(config, batches) / flops,
        busy=busy,
        checkpoints=num_kept,
        checkpoint_bytes=(product + kept) * (seeds * num_kept + 1),  # one more while it is written
        product_bytes=seeds * product,
        kinds=[
            KindCost(name, gpu, seeds * settings.steps * flops / _rate(gpu) / 3600 / busy, gpus)
            for name, gpu in params.plan.gpus.items()
        ],
    )


def pass_twice(batch: BatchShape) -> BatchShape:
    """A batch as R-Drop sees it: in two passes at once."""
    return replace(batch, samples=2 * batch.samples, learnt_tokens=2 * batch.learnt_tokens)


def weigh_modes(
    config: ModelConfig,
    batches: Sequence[BatchShape],
    placement: Placement,
    trained: Trained,
    gpus: int,
) -> dict[str, dict[str, int]]:
    """Bytes by part of the batch that needs most, for each way of spreading the run."""
    found = {}
    for mode, (sharded, checkpointed) in MODES.items():
        spread = replace(placement, shards=gpus if sharded else 1, checkpointed=checkpointed)
        each = [memory_by_part(config, batch, spread, trained) for batch in dict.fromkeys(batches)]
        found[mode] = max(each, key=lambda parts: sum(parts.values()))
    return found


def _rate(gpu: GpuParams) -> float:
    """Operations a second that are assumed to be reached."""
    return gpu.tflops * 1e12 * gpu.mfu
