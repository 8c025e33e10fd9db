"""The image trunk: a ResNet (v1.5 bottlenecks) without its last stage, stride 16.

Source: He et al. 2015 (arXiv 1512.03385), as OFA cuts it: stages 1-3, ordinary batch norm.
Shape letters: B samples, C channels, H and W pixels or cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from components.model.config import ModelConfig

EXPANSION = 4


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Drop whole samples of a residual branch; survivors are divided by the keep rate."""
    if rate == 0.0 or not training:
        return x
    keep = 1.0 - rate
    mask = torch.rand(x.shape[0], *([1] * (x.dim() - 1)), device=x.device, dtype=x.dtype)
    return x * (mask < keep) / keep


def layer_rates(rate: float, layers: int) -> list[float]:
    """Drop-path rates that rise linearly from 0 in the first layer to ``rate`` in the last."""
    return [rate * i / max(layers - 1, 1) for i in range(layers)]


class Bottleneck(nn.Module):
    """1x1, 3x3 (carries the stride), 1x1, each with batch norm, around an identity."""

    def __init__(self, channels: int, planes: int, stride: int, drop_path_rate: float) -> None:
        super().__init__()
        out = planes * EXPANSION
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.drop_path_rate = drop_path_rate
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * planes, H / stride, W / stride)."""
        identity = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        y = torch.relu(self.bn1(self.conv1(x_BCHW)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = drop_path(self.bn3(self.conv3(y)), self.drop_path_rate, self.training)
        return torch.relu(identity + y)


class Trunk(nn.Module):
    """Images to a grid of features at one sixteenth of the resolution."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.trunk_width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.out_channels = width * 4 * EXPANSION
        rate, (n1, n2, n3) = config.trunk_drop_path, config.trunk_blocks
        self.layer1 = _stage(width, width, n1, 1, rate)
        self.layer2 = _stage(width * EXPANSION, width * 2, n2, 2, rate)
        self.layer3 = _stage(width * 2 * EXPANSION, width * 4, n3, 2, rate)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 16 * width, H / 16, W / 16), rounded up as the convolutions do."""
        # Channels last is the layout that convolutions are fastest in, on CPU and GPU alike.
        if images_B3HW.is_cuda or not self.training:
            # On a CPU, batch norm's backward pass sums this layout less exactly: gradients of
            # the first stage would be off by 2e-3.
            images_B3HW = images_B3HW.contiguous(memory_format=torch.channels_last)
        x = self.maxpool(torch.relu(self.bn1(self.conv1(images_B3HW))))
        features_BCHW: Tensor = self.layer3(self.layer2(self.layer1(x)))
        return features_BCHW

    def fold_batch_norm(self) -> None:
        """Let the convolutions do what their batch norms do in evaluation, for good.

        A trunk that only predicts gives the same features with one pass less over every map.
        """
        for module in self.modules():
            for name in ("1", "2", "3"):
                if hasattr(module, f"bn{name}"):
                    _fold(module, f"conv{name}", f"bn{name}")
            if isinstance(module, Bottleneck) and module.downsample is not None:
                _fold(module.downsample, "0", "1")


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    first, second = parent.get_submodule(conv), parent.get_submodule(norm)
    if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
        parent.register_module(conv, fuse_conv_bn_eval(first, second))
        parent.register_module(norm, nn.Identity())


def _stage(channels: int, planes: int, blocks: int, stride: int, rate: float) -> nn.Sequential:
    rates = layer_rates(rate, blocks)
    first = Bottleneck(channels, planes, stride, 0.0)
    rest = [Bottleneck(planes * EXPANSION, planes, 1, rates[i]) for i in range(1, blocks)]
    return nn.Sequential(first, *rest)
