"""Nine kinds of stained tissue, as textures, in the order of PathMNIST's labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.sample.drawing import (
    Dice,
    Layer,
    Pixels,
    aim,
    blend,
    clip_unit,
    develop,
    rgb,
    scatter,
    smooth_noise,
    tint,
)

PURPLE, PINK, PALE = (0.40, 0.20, 0.55), (0.88, 0.58, 0.72), (0.95, 0.92, 0.94)


def draw_tissue(label: int, image_px: int, dice: Dice) -> Pixels:
    """An RGB picture of the kind of tissue that the label names."""
    stain = np.asarray(dice.uniform(0.86, 1.0, 3), np.float32)
    return develop(TISSUES[label][1](image_px, dice) * stain, dice)


def _stipple(ground: Layer, share: float, strength: float, dice: Dice) -> Layer:
    """Purple nuclei on a ground; ``share`` of the pixels start one."""
    image_px = ground.shape[0]
    dots = scatter(image_px, int(share * image_px**2), dice)
    return blend(ground, strength * dots[..., None], rgb(PURPLE))


def _waves(image_px: int, num: float, wobble: float, dice: Dice) -> Layer:
    """Parallel bands at any angle, bent by ``wobble``, from 0 to 1."""
    canvas = aim(image_px, dice)
    across, down = canvas.across, canvas.down
    angle = dice.uniform(0, np.pi)
    bend = wobble * smooth_noise(3, image_px, dice)
    phase = num * (across * np.cos(angle) + down * np.sin(angle)) + bend + dice.uniform(0, 1)
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * phase), np.float32)


def _bubbles(image_px: int, num: int, dice: Dice) -> Layer:
    """A jittered honeycomb: 1 inside the cells, 0 at their walls."""
    canvas = aim(image_px, dice)
    across, down = canvas.across, canvas.down
    shift_x, shift_y = dice.uniform(0, 1, 2)
    bend = 0.35 * smooth_noise(4, image_px, dice)
    ridge = np.abs(np.sin(np.pi * (num * across + shift_x + bend))) * np.abs(
        np.sin(np.pi * (num * down + shift_y + bend))
    )
    return clip_unit(ridge * 3.0)


def _adipose(image_px: int, dice: Dice) -> Layer:
    return tint(_bubbles(image_px, 4, dice), PINK, PALE)


def _background(image_px: int, dice: Dice) -> Layer:
    return tint(0.2 * smooth_noise(3, image_px, dice), (0.93, 0.93, 0.94), (0.86, 0.88, 0.90))


def _debris(image_px: int, dice: Dice) -> Layer:
    specks = dice.random((image_px, image_px), dtype=np.float32)
    return tint(specks * smooth_noise(6, image_px, dice), (0.72, 0.48, 0.44), (0.98, 0.88, 0.80))


def _lymphocytes(image_px: int, dice: Dice) -> Layer:
    return _stipple(tint(smooth_noise(5, image_px, dice), PINK, PALE), 0.10, 0.95, dice)


def _mucus(image_px: int, dice: Dice) -> Layer:
    return tint(_waves(image_px, 1.5, 2.0, dice), (0.62, 0.72, 0.86), (0.90, 0.93, 0.97))


def _muscle(image_px: int, dice: Dice) -> Layer:
    ground = tint(_waves(image_px, 6, 0.6, dice), (0.80, 0.42, 0.60), (0.93, 0.66, 0.78))
    return _stipple(ground, 0.003, 0.6, dice)


def _mucosa(image_px: int, dice: Dice) -> Layer:
    """Regular glands: pale inside, with purple walls on pink."""
    glands = _bubbles(image_px, 3, dice)
    wall = np.exp(-(((glands - 0.75) / 0.2) ** 2)) * (glands < 0.999)
    ground = tint(glands, PINK, PALE)
    return blend(ground, 0.85 * wall[..., None].astype(np.float32), rgb(PURPLE))


def _stroma(image_px: int, dice: Dice) -> Layer:
    ground = tint(_waves(image_px, 3, 2.5, dice), (0.84, 0.56, 0.70), (0.96, 0.84, 0.88))
    return _stipple(ground, 0.012, 0.75, dice)


def _tumour(image_px: int, dice: Dice) -> Layer:
    clumps = clip_unit(3 * (smooth_noise(7, image_px, dice) - 0.3))
    return _stipple(tint(clumps, (0.78, 0.45, 0.65), (0.48, 0.24, 0.58)), 0.02, 0.6, dice)


TISSUES: tuple[tuple[str, Callable[[int, Dice], Layer]], ...] = (
    ("adipose", _adipose),
    ("background", _background),
    ("debris", _debris),
    ("lymphocytes", _lymphocytes),
    ("mucus", _mucus),
    ("smooth muscle", _muscle),
    ("normal colon mucosa", _mucosa),
    ("cancer-associated stroma", _stroma),
    ("colorectal adenocarcinoma epithelium", _tumour),
)
