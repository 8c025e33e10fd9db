"""The convolutions of the image trunk as numbers: what they hold, and what they compute.

It follows components/model/vision.py, without torch; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.model.config import ModelConfig

EXPANSION = 4


@dataclass(frozen=True)
class Convolution:
    """Channels in and out, side of the kernel, side of the map that comes out. ``is_rectified``:
    what comes out is kept twice, before and after its norm and rectifier."""

    channels: int
    planes: int
    kernel: int
    side: int
    is_rectified: bool = True

    @property
    def parameters(self) -> int:
        """Weights, and scale and shift of the batch norm behind it."""
        return self.kernel**2 * self.channels * self.planes + 2 * self.planes

    @property
    def operations(self) -> int:
        """Of one image, forward."""
        return 2 * self.kernel**2 * self.channels * self.planes * self.side**2


def trunk_convolutions(config: ModelConfig, image_px: int = 16) -> Iterator[Convolution]:
    """Every convolution in order, the first one first; the side is halved and rounded up."""
    width, side = config.trunk_width, -(-image_px // 2)
    yield Convolution(3, width, 7, side)
    channels, side = width, -(-side // 2)  # the pooling
    for stage, blocks in enumerate(config.trunk_blocks):
        planes = width * 2**stage
        for block in range(blocks):
            before, stride = side, 2 if stage and not block else 1
            side = -(-side // stride)
            yield Convolution(channels, planes, 1, before)
            yield Convolution(planes, planes, 3, side)
            yield Convolution(planes, planes * EXPANSION, 1, side)
            if not block:
                yield Convolution(channels, planes * EXPANSION, 1, side, is_rectified=False)
            channels = planes * EXPANSION
