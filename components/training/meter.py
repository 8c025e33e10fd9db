"""What a run shows while it runs: losses, speed, waiting for data, utilisation, memory.

Times are here and in what trackers write, never in the log, which is the same for the same run.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from components.model.specials import PAD
from components.training.distributed import rank_and_world
from components.training.loop import BatchSource
from components.training.step import Parts, StepReport

# Dense bfloat16 matrix products, FLOP/s, from NVIDIA's data sheets (half of what they give "with
# sparsity"). The first name that the device's name contains is taken.
PEAK_FLOPS = {
    "B200": 2250e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
}
MIB = 2**20


def peak_flops(device: str, autocast: torch.dtype | None) -> float | None:
    """FLOP/s that the device could reach, or None where that is not known (CPUs, float32)."""
    if device != "cuda" or autocast is not torch.bfloat16:
        return None
    name = torch.cuda.get_device_name()
    return next((peak for part, peak in PEAK_FLOPS.items() if part in name), None)


def peak_memory_mib(device: str) -> float:
    """The most that was held at once: of the GPU's memory by tensors, else of this process's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024  # bytes there, KiB elsewhere


@dataclass(frozen=True)
class Reading:
    """One step's losses, and rates over the last steps. ``wait_share``: of time, for data.

    ``streams``: nats a token of each kind of sample that the step had.

    Tokens are those of encoder and decoder without padding; ``utilisation`` is the model's FLOPs
    over what the devices could do (MFU), None where that is not known.
    """

    loss: float
    streams: dict[str, float]
    learning_rate: float
    gradient_norm: float
    step_s: float
    tokens_per_s: float
    images_per_s: float
    wait_share: float
    utilisation: float | None
    memory_mib: float

    def values(self) -> dict[str, float]:
        """Flat names and numbers, for trackers."""
        known = {} if self.utilisation is None else {"speed/utilisation": self.utilisation}
        return {
            "loss": self.loss,
            **{f"streams/{name}": nats for name, nats in self.streams.items()},
            "learning_rate": self.learning_rate,
            "gradient_norm": self.gradient_norm,
            "speed/step_s": self.step_s,
            "speed/tokens_per_s": self.tokens_per_s,
            "speed/images_per_s": self.images_per_s,
            "speed/wait_share": self.wait_share,
            "speed/memory_mib": self.memory_mib,
            **known,
        }

    def words(self) -> dict[str, str]:
        """The same for a person, in the order in which one asks."""
        mfu = "-" if self.utilisation is None else f"{self.utilisation:.0%}"
        several = self.streams if len(self.streams) > 1 else {}
        return {
            **{name: f"{nats:.3f}" for name, nats in several.items()},
            "lr": f"{self.learning_rate:.2g}",
            "grad norm": f"{self.gradient_norm:.2f}",
            "tokens/s": f"{self.tokens_per_s:,.0f}",
            "images/s": f"{self.images_per_s:,.1f}",
            "wait": f"{self.wait_share:.0%}",
            "MFU": mfu,
            "memory": f"{self.memory_mib:,.0f} MiB",
        }


@dataclass(frozen=True)
class _Lap:
    """One step: seconds in all and for its data, and what it held."""

    seconds: float
    wait_s: float
    tokens: float
    images: float
    flops: float


class Meter:
    """A source of batches that measures what passes through it; ``read`` once after each step.

    A step lasts from one reading to the next, so that saving counts. Rates are over the last
    ``window`` steps. Sums stay on the device until a reading: none is waited for on a GPU.
    """

    def __init__(
        self,
        source: BatchSource,
        *,
        device: str,
        window: int,
        step_flops: Callable[[Parts], float] | None = None,
        peak: float | None = None,
    ) -> None:
        self.source, self.device = source, device
        self.part_names, self.stream_names = source.part_names, source.stream_names
        self.step_flops, self.peak = step_flops, peak
        self.laps: deque[_Lap] = deque(maxlen=window)
        self.begun: float | None = None
        self.wait_s = self.flops = 0.0
        self.sums: tuple[Tensor, Tensor] = (torch.zeros(()), torch.zeros(()))

    def parts(self, step: int) -> Parts:
        """The source's parts, timed and counted."""
        begun = time.perf_counter()
        parts = self.source.parts(step)
        self.wait_s = time.perf_counter() - begun
        self.begun = begun if self.begun is None else self.begun
        self.sums = count_contents(parts)
        self.flops = self.step_flops(parts) if self.step_flops is not None and self.peak else 0.0
        return parts

    def read(self, report: StepReport) -> Reading:
        """What the step that ends here shows."""
        now = time.perf_counter()
        begun, self.begun = now if self.begun is None else self.begun, now
        tokens, images = (float(value) for value in self.sums)
        self.laps.append(_Lap(now - begun, self.wait_s, tokens, images, self.flops))
        seconds = max(sum(lap.seconds for lap in self.laps), 1e-9)
        utilisation = None
        if self.peak and self.step_flops is not None:
            flops = sum(lap.flops for lap in self.laps)
            utilisation = flops / seconds / (self.peak * rank_and_world()[1])
        return Reading(
            loss=sum(report.losses),
            streams=self._name_streams(report),
            learning_rate=report.learning_rate,
            gradient_norm=report.gradient_norm,
            step_s=seconds / len(self.laps),
            tokens_per_s=sum(lap.tokens for lap in self.laps) / seconds,
            images_per_s=sum(lap.images for lap in self.laps) / seconds,
            wait_share=sum(lap.wait_s for lap in self.laps) / seconds,
            utilisation=utilisation,
            memory_mib=peak_memory_mib(self.device),
        )

    def _name_streams(self, report: StepReport) -> dict[str, float]:
        named = zip(self.stream_names, report.streams, strict=True)
        return {name: nats for name, nats in named if nats is not None}


def count_contents(parts: Parts) -> tuple[Tensor, Tensor]:
    """Tokens that are no padding, and images, of an effective batch, as tensors on its device."""
    batches = [batch for part in parts for batch in part]
    tokens = [(ids != PAD).sum() for b in batches for ids in (b.source_BS, b.prev_BT)]
    images = [b.image_mask_B.sum() for b in batches if b.image_mask_B is not None]
    nothing = torch.zeros((), dtype=torch.int64)
    return (
        torch.stack(tokens).sum() if tokens else nothing,
        torch.stack(images).sum() if images else nothing,
    )
