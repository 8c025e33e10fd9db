"""The VQ-GAN whose codes the model names: eight-fold smaller grids, one code a cell.

Architecture: taming-transformers (arXiv 2012.09841) with the Gumbel quantizer of DALL-E, in the
f8 / 8,192-code configuration; parameter names are those of its checkpoints.

Shape letters: B images, C channels, H and W pixels, h and w cells, N = h x w of them, K codes.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.errors import FORMAT, check_format

MAX_COUNT, MAX_DEPTH = 1 << 24, 100  # of anything; of stages and their blocks


@dataclass(frozen=True)
class VqganConfig:
    """Widths of the network. The released one: 128 channels, latent 256, 8,192 codes.

    ``num_groups`` of group norm: 32 as released. With one channel to a group it would take each
    channel's mean away, and colour with it: ``narrow`` keeps four, as the released width has.
    """

    channels: int = 128
    latent: int = 256
    num_codes: int = 8192
    multipliers: tuple[int, ...] = (1, 1, 2, 4)
    num_blocks: int = 2
    in_channels: int = 3
    num_groups: int = 32

    @classmethod
    def narrow(cls, channels: int, latent: int, num_codes: int) -> VqganConfig:
        """A network of another width, with as many channels to a group as the released one."""
        return cls(channels, latent, num_codes, num_groups=max(channels // 4, 1))

    def to_json(self) -> str:
        """This config as stable JSON."""
        return json.dumps({FORMAT: 1, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> VqganConfig:
        """Read a config; ValueError, TypeError or KeyError for what is none, or cannot be built.

        UserError where a newer package wrote it.
        """
        values = check_format(json.loads(path.read_text()), path)
        multipliers = tuple(values["multipliers"])
        counts = (*multipliers, *(value for key, value in values.items() if key != "multipliers"))
        if not all(type(count) is int and 0 < count < MAX_COUNT for count in counts):
            raise ValueError(f"a count is not a whole number from 1 to {MAX_COUNT}")
        if max(len(multipliers), values.get("num_blocks", 0)) > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} stages, or blocks of one")
        return cls(**{**values, "multipliers": multipliers})

    def least_parameters(self) -> int:
        """What it has at least: its codes, and one convolution of each block of the encoder."""
        widths = [self.channels * multiplier for multiplier in self.multipliers]
        return self.num_codes * self.latent + self.num_blocks * sum(9 * w * w for w in widths)


def _norm(channels: int, num_groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(num_groups, channels, eps=1e-6)


def _map_cells(conv: nn.Conv2d, cells_BNC: Tensor) -> Tensor:
    """A convolution of 1 x 1 as the matrix product that it is, which takes less time."""
    return F.linear(cells_BNC, conv.weight.flatten(1), conv.bias)


class ResBlock(nn.Module):
    """Norm, swish, conv, twice, around a shortcut."""

    def __init__(self, channels: int, out: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(channels, groups), nn.Conv2d(channels, out, 3, 1, 1)
        self.norm2, self.conv2 = _norm(out, groups), nn.Conv2d(out, out, 3, 1, 1)
        self.nin_shortcut = nn.Conv2d(channels, out, 1) if channels != out else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W)."""
        y: Tensor = self.conv1(F.silu(self.norm1(x_BCHW), inplace=True))
        y = self.conv2(F.silu(self.norm2(y), inplace=True))
        y += x_BCHW if self.nin_shortcut is None else self.nin_shortcut(x_BCHW)
        return y


class AttnBlock(nn.Module):
    """Single-head attention over all cells, around an identity."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.q, self.k = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.v, self.proj_out = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        cells_BNC = self.norm(x_BCHW).flatten(2).transpose(1, 2)
        q, k, v = (_map_cells(f, cells_BNC) for f in (self.q, self.k, self.v))
        change_BNC = _map_cells(self.proj_out, F.scaled_dot_product_attention(q, k, v))
        return x_BCHW + change_BNC.transpose(1, 2).reshape(x_BCHW.shape)


class Resample(nn.Module):
    """A level's change of resolution: halves with a strided conv, or doubles and convolves."""

    def __init__(self, channels: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv = nn.Conv2d(channels, channels, 3, 2 if down else 1, 0 if down else 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Half or twice the height and width."""
        if self.down:
            x_BCHW = F.pad(x_BCHW, (0, 1, 0, 1))
        else:
            x_BCHW = F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")
        y: Tensor = self.conv(x_BCHW)
        return y


class Level(nn.Module):
    """Blocks at one resolution, with attention at the coarsest."""

    def __init__(self, widths: list[int], groups: int, *, attention: bool) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        self.block = nn.ModuleList(ResBlock(a, b, groups) for a, b in pairs)
        self.attn = nn.ModuleList(AttnBlock(b, groups) for _, b in pairs if attention)
        self.downsample: nn.Module | None = None
        self.upsample: nn.Module | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Through the blocks, then the change of resolution if there is one."""
        for i, block in enumerate(self.block):
            x_BCHW = block(x_BCHW)
            if len(self.attn):
                x_BCHW = self.attn[i](x_BCHW)
        for resample in (self.downsample, self.upsample):
            x_BCHW = x_BCHW if resample is None else resample(x_BCHW)
        return x_BCHW


class Middle(nn.Module):
    """Block, attention, block at the coarsest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels, groups)
        self.attn_1 = AttnBlock(channels, groups)
        self.block_2 = ResBlock(channels, channels, groups)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        y: Tensor = self.block_2(self.attn_1(self.block_1(x_BCHW)))
        return y


class Coder(nn.Module):
    """Encoder (down) or decoder (up); the last level is an eighth of the resolution."""

    def __init__(self, config: VqganConfig, *, up: bool) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        last, self.is_decoder = len(widths) - 1, up
        self.conv_in = nn.Conv2d(
            config.latent if up else config.in_channels, widths[-1] if up else widths[0], 3, 1, 1
        )
        self.mid = Middle(widths[-1], config.num_groups)
        levels = []
        for i, width in enumerate(widths):
            before = widths[min(i + 1, last)] if up else widths[max(i - 1, 0)]
            num = config.num_blocks + (1 if up else 0)
            level = Level([before, *[width] * num], config.num_groups, attention=i == last)
            if up and i > 0:
                level.upsample = Resample(width, down=False)
            if not up and i < last:
                level.downsample = Resample(width, down=True)
            levels.append(level)
        self.add_module("up" if up else "down", nn.ModuleList(levels))
        self.norm_out = _norm(widths[0] if up else widths[-1], config.num_groups)
        self.conv_out = nn.Conv2d(
            widths[0] if up else widths[-1],
            config.in_channels if up else config.latent,
            3,
            1,
            1,
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images to latents (B, latent, h, w), or latents to images."""
        y = self.conv_in(x_BCHW)
        if self.is_decoder:
            y = self.mid(y)
            for level in reversed(self.up):  # type: ignore[arg-type]
                y = level(y)
        else:
            for level in self.down:  # type: ignore[union-attr]
                y = level(y)
            y = self.mid(y)
        out: Tensor = self.conv_out(F.silu(self.norm_out(y), inplace=True))
        return out


class Quantizer(nn.Module):
    """Logits over the codes, and the codes' vectors."""

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.latent, config.num_codes, 1)
        self.embed = nn.Embedding(config.num_codes, config.latent)


class Vqgan(nn.Module):
    """Image to code logits, and codes to image. Images are in [-1, 1]."""

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Coder(config, up=False), Coder(config, up=True)
        self.quantize = Quantizer(config)
        self.quant_conv = nn.Conv2d(config.latent, config.latent, 1)
        self.post_quant_conv = nn.Conv2d(config.latent, config.latent, 1)

    def encode_latents(self, images_BCHW: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, latent, H / 8, W / 8); ValueError below 8 pixels on a side."""
        height, width = images_BCHW.shape[-2:]
        if min(height, width) < 8:
            raise ValueError(f"an image of {height} x {width} is smaller than a code's 8 x 8")
        latents: Tensor = self.quant_conv(self.encoder(images_BCHW))
        return latents

    def code_logits(self, images_BCHW: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, H / 8, W / 8)."""
        latents_BChw = self.encode_latents(images_BCHW)
        cells_BNC = latents_BChw.flatten(2).transpose(1, 2)
        logits_BNK = _map_cells(self.quantize.proj, cells_BNC)
        batch, _, height, width = latents_BChw.shape
        return logits_BNK.transpose(1, 2).reshape(batch, -1, height, width)

    def decode_latents(self, latents_BChw: Tensor) -> Tensor:
        """Code vectors (B, latent, h, w) -> images (B, 3, 8h, 8w), not clamped."""
        images: Tensor = self.decoder(self.post_quant_conv(latents_BChw))
        return images

    def decode_codes(self, codes_Bhw: Tensor) -> Tensor:
        """Codes (B, h, w) -> images (B, 3, 8h, 8w) in [-1, 1].

        ValueError, with the code and the number of codes, where one is out of range.
        """
        lowest, highest = (int(bound) for bound in codes_Bhw.aminmax())
        if lowest < 0 or highest >= self.config.num_codes:
            wrong = lowest if lowest < 0 else highest
            raise ValueError(f"image code {wrong} is not in [0, {self.config.num_codes})")
        latents = self.quantize.embed(codes_Bhw).permute(0, 3, 1, 2)
        return self.decode_latents(latents).clamp(-1, 1)

    def reconstruct(self, images_BCHW: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Training pass: images through sampled soft codes; returns images and code logits."""
        logits = self.code_logits(images_BCHW)
        soft = F.gumbel_softmax(logits, tau=temperature, dim=1, hard=False)
        latents = torch.einsum("bkhw,kc->bchw", soft, self.quantize.embed.weight)
        return self.decode_latents(latents), logits
