"""Small pictures of the sample world: one function per modality, one language of lesions.

Coordinates run from 0 to 1, x to the right and y downwards. Layers are float32 arrays of H x W
(or H x W x 3) with values from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.sample.scenes import Lesions, Scene

Layer = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.uint8]
Dice = np.random.Generator
Edges = tuple[int, int, int, int]  # left, top, right, bottom in pixels

VESSEL_RED = (0.60, 0.12, 0.08)
MAX_TURN, SCALES, MAX_SHIFT = 0.16, (0.94, 1.14), 0.03  # radians; shares of the side
ROWS = (0.29, 0.50, 0.71)
COLUMNS = {"left": 0.30, "right": 0.70}
RADII = {"small": 0.045, "large": 0.084}


def draw_scene(scene: Scene, image_px: int, dice: Dice) -> Pixels:
    """The picture of a scene: (image_px, image_px) grey, or with a third axis of RGB."""
    return draw_boxed_scene(scene, image_px, dice)[0]


def draw_boxed_scene(scene: Scene, image_px: int, dice: Dice) -> tuple[Pixels, list[Edges]]:
    """The picture of a scene, and the edges of its lesions, one each."""
    canvas = aim(image_px, dice)
    picture = PAINTERS[scene.modality](scene, canvas, dice)
    masks: list[Layer] = []
    if scene.lesions:
        masks = _draw_lesions(scene.lesions, canvas, dice)
        mask = np.maximum.reduce(masks)
        colour = rgb(LESION_COLOURS[scene.modality][scene.lesions.shade])
        strength = np.float32(dice.uniform(0.75, 0.95)) * mask
        if picture.ndim == 3:
            strength = strength[..., None]
        picture = blend(picture, strength, colour)
    return develop(picture, dice), [_find_edges(mask) for mask in masks]


def _find_edges(mask: Layer) -> Edges:
    rows, columns = np.nonzero(mask > mask.max() / 2)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


LESION_COLOURS: dict[str, dict[str, tuple[float, ...]]] = {
    "x-ray": {"bright": (0.95,), "dark": (0.02,)},
    "ct": {"bright": (0.97,), "dark": (0.03,)},
    "mri": {"bright": (0.97,), "dark": (0.03,)},
    "histology": {"bright": (0.99, 0.97, 0.98), "dark": (0.22, 0.08, 0.38)},
    "fundus": {"bright": (1.0, 0.95, 0.60), "dark": (0.25, 0.02, 0.02)},
    "gross": {"bright": (0.97, 0.93, 0.80), "dark": (0.15, 0.05, 0.05)},
}


def blend(below: Layer, strength: Layer, above: Layer | float) -> Layer:
    """From ``below``, where the strength is 0, to ``above``, where it is 1."""
    return np.asarray(below + strength * (above - below), np.float32)


def clip_unit(values: Layer) -> Layer:
    """Values below 0 as 0, above 1 as 1."""
    return np.asarray(np.clip(values, 0, 1), np.float32)


def rgb(colour: Sequence[float]) -> Layer:
    """Red, green and blue from 0 to 1, ready to blend; one number for grey."""
    return np.array(colour, np.float32)


def develop(picture: Layer, dice: Dice) -> Pixels:
    """Random exposure, uneven light and grain, then 8 bits."""
    image_px = picture.shape[0]
    light = 1.0 + 0.12 * (smooth_noise(3, image_px, dice) - 0.5)
    grain = dice.normal(0.0, dice.uniform(0.01, 0.03), picture.shape[:2])
    if picture.ndim == 3:
        light, grain = light[..., None], grain[..., None]
    exposed = picture * light * dice.uniform(0.88, 1.05) + grain
    return (np.clip(exposed, 0, 1) * 255).round().astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture's side in pixels, and the coordinates of each pixel's centre (H x W)."""

    image_px: int
    across: Layer
    down: Layer


def aim(image_px: int, dice: Dice) -> Canvas:
    """Coordinates as of a camera that is a little turned, near or far, and off the centre."""
    axis = (np.arange(image_px) + 0.5) / image_px - 0.5
    angle, scale = dice.uniform(-MAX_TURN, MAX_TURN), dice.uniform(*SCALES)
    shift_x, shift_y = dice.uniform(-MAX_SHIFT, MAX_SHIFT, 2)
    sine, cosine = np.sin(angle) * scale, np.cos(angle) * scale
    across = cosine * axis[None, :] + sine * axis[:, None] + 0.5 + shift_x
    down = cosine * axis[:, None] - sine * axis[None, :] + 0.5 + shift_y
    return Canvas(image_px, np.asarray(across, np.float32), np.asarray(down, np.float32))


def smooth_noise(num_cells: int, image_px: int, dice: Dice) -> Layer:
    """Noise from 0 to 1 that changes over about ``1 / num_cells`` of the picture."""
    coarse = Image.fromarray(dice.random((num_cells + 1, num_cells + 1), dtype=np.float32))
    return np.asarray(coarse.resize((image_px, image_px), Image.Resampling.BICUBIC))


def ellipse(canvas: Canvas, x: float, y: float, width: float, height: float) -> Layer:
    """A filled ellipse with a soft edge of about one pixel; width and height are half axes."""
    distance = np.hypot((canvas.across - x) / width, (canvas.down - y) / height)
    return clip_unit((1 - distance) * min(width, height) * canvas.image_px + 0.5)


def scatter(image_px: int, num: int, dice: Dice) -> Layer:
    """``num`` soft dots of about 1/40 of the picture, at random places."""
    dots = np.zeros((image_px, image_px), np.float32)
    dots[dice.integers(0, image_px, num), dice.integers(0, image_px, num)] = 1
    for _ in range(max(1, image_px // 40)):
        dots = np.maximum.reduce([dots, *(0.8 * np.roll(dots, 1, axis) for axis in (0, 1))])
        dots = np.maximum.reduce([dots, *(0.8 * np.roll(dots, -1, axis) for axis in (0, 1))])
    return dots


def _draw_lesions(lesions: Lesions, canvas: Canvas, dice: Dice) -> list[Layer]:
    masks = []
    for row in dice.choice(len(ROWS), lesions.count, replace=False):
        x = COLUMNS[lesions.side] + dice.uniform(-0.05, 0.05)
        y = ROWS[row] + dice.uniform(-0.015, 0.015)
        radius = RADII[lesions.size] * dice.uniform(0.95, 1.08)
        dx, dy = canvas.across - x, canvas.down - y
        masks.append(_draw_lesion(lesions.shape, dx, dy, radius, dice))
    return masks


def _draw_lesion(shape: str, dx: Layer, dy: Layer, radius: float, dice: Dice) -> Layer:
    """One lesion, from the distances dx and dy to its centre."""
    image_px = dx.shape[1]
    distance = np.sqrt(dx**2 + dy**2)
    if shape == "linear":
        angle = dice.uniform(-0.4, 0.4)
        along = np.abs(dx * np.cos(angle) + dy * np.sin(angle)) - 1.35 * radius
        beside = np.abs(dy * np.cos(angle) - dx * np.sin(angle)) - 0.34 * radius
        inside = -np.maximum(along, beside)
    elif shape == "ring":
        inside = 0.32 * radius - np.abs(distance - 0.9 * radius)
    else:
        inside = radius - distance
    return clip_unit(inside * image_px + 0.5)


def _paint_film(scene: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """A chest film: torso, two lungs, ribs, spine and heart."""
    across, down = canvas.across, canvas.down
    x, y = 0.5 + dice.uniform(-0.02, 0.02), 0.52 + dice.uniform(-0.02, 0.02)
    picture: Layer = 0.10 + 0.60 * ellipse(canvas, x, 0.62, 0.50, 0.62)
    lungs = np.maximum(
        ellipse(canvas, x - 0.21, y, 0.18, 0.38), ellipse(canvas, x + 0.21, y, 0.18, 0.38)
    )
    picture = blend(picture, 0.9 * lungs, dice.uniform(0.36, 0.44))
    bend = 0.35 * (across - x) ** 2
    ribs = np.maximum(0, np.sin((down + bend + dice.uniform(0, 1)) * 2 * np.pi * 7)) ** 4
    picture = picture + 0.07 * lungs * np.asarray(ribs, np.float32)
    spine = np.exp(-(((across - x) / 0.04) ** 2)).astype(np.float32)
    width = 0.205 if scene.big_heart else 0.10
    heart = ellipse(canvas, x + 0.03, 0.80, width, 0.13)
    picture = np.maximum(picture, 0.72 * heart)
    return np.asarray(np.maximum(picture, 0.70 * spine))


def _paint_ct(_: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """A CT slice: a bright rim, soft organs, a vertebra at the back."""
    x, y = 0.5 + dice.uniform(-0.02, 0.02), 0.5 + dice.uniform(-0.02, 0.02)
    width, height = dice.uniform(0.45, 0.48), dice.uniform(0.40, 0.44)
    rim = ellipse(canvas, x, y, width, height)
    inner = ellipse(canvas, x, y, width - 0.045, height - 0.045)
    organs: Layer = 0.40 + 0.16 * smooth_noise(4, canvas.image_px, dice)
    picture = blend(0.80 * rim, inner, organs)
    vertebra = ellipse(canvas, x, y + 0.29, 0.075, 0.065)
    vessel = ellipse(canvas, x + dice.uniform(-0.02, 0.02), y + 0.14, 0.03, 0.03)
    return np.asarray(np.maximum(picture, np.maximum(0.9 * vertebra, 0.68 * vessel)))


def _paint_mri(_: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """An MR slice of the head: scalp, dark skull, folded brain, ventricles."""
    x, y = 0.5 + dice.uniform(-0.02, 0.02), 0.5 + dice.uniform(-0.02, 0.02)
    scalp = ellipse(canvas, x, y, 0.44, 0.48)
    skull = ellipse(canvas, x, y, 0.415, 0.455)
    brain = ellipse(canvas, x, y, 0.385, 0.425)
    folds: Layer = 0.42 + 0.20 * smooth_noise(9, canvas.image_px, dice)
    picture = blend(blend(0.75 * scalp, skull, 0.08), brain, folds)
    across, down = canvas.across, canvas.down
    gap = np.exp(-(((across - x) / 0.012) ** 2)) * (np.abs(down - y) < 0.40)
    ventricles = np.maximum(
        ellipse(canvas, x - 0.055, y, 0.028, 0.11), ellipse(canvas, x + 0.055, y, 0.028, 0.11)
    )
    dark = np.maximum(0.6 * gap.astype(np.float32), ventricles)
    return blend(picture, dark, 0.16)


def tint(shade: Layer, dark: tuple[float, ...], light: tuple[float, ...]) -> Layer:
    """From one colour, where the layer is 0, to another, where it is 1."""
    return blend(rgb(dark), shade[..., None], rgb(light))


def _paint_histology(_: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """A stained section: pink ground, fibres, scattered purple nuclei."""
    across, down = canvas.across, canvas.down
    wave = 4 * smooth_noise(3, canvas.image_px, dice)
    fibres = 0.5 + 0.5 * np.sin(2 * np.pi * (5 * down + across + wave))
    picture = tint(fibres.astype(np.float32), (0.80, 0.50, 0.66), (0.90, 0.66, 0.78))
    nuclei = scatter(canvas.image_px, int(dice.integers(35, 70)), dice)
    return blend(picture, 0.55 * nuclei[..., None], rgb((0.45, 0.25, 0.60)))


def _paint_fundus(_: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """A fundus photograph: an orange disc on black, the optic disc, vessels."""
    across, down = canvas.across, canvas.down
    disc = ellipse(canvas, 0.5, 0.5, 0.48, 0.48)
    glow = disc * (0.75 + 0.25 * smooth_noise(3, canvas.image_px, dice))
    picture = tint(glow, (0.0, 0.0, 0.0), (0.86, 0.45, 0.20))
    y = 0.5 + dice.uniform(-0.03, 0.03)
    for bend in (-1.0, -0.45, 0.45, 1.0):
        course = y + bend * 0.42 * np.abs(across - 0.5) ** 0.7 * dice.uniform(0.9, 1.1)
        vessel = 0.5 * np.exp(-(((down - course) / 0.010) ** 2)) * disc
        picture = blend(picture, vessel[..., None].astype(np.float32), rgb(VESSEL_RED))
    nerve = ellipse(canvas, 0.5, y, 0.065, 0.075)
    return blend(picture, 0.8 * nerve[..., None], rgb((0.98, 0.80, 0.50)))


def _paint_gross(_: Scene, canvas: Canvas, dice: Dice) -> Layer:
    """A specimen on a blue cloth, with a scale at its foot."""
    across, down = canvas.across, canvas.down
    cloth = np.broadcast_to(rgb((0.30, 0.45, 0.55)), (canvas.image_px, canvas.image_px, 3))
    wobble = 0.10 * (smooth_noise(4, canvas.image_px, dice) - 0.5)
    radius = ((across - 0.5) / 0.45) ** 2 + ((down - 0.48) / 0.40) ** 2 + wobble
    organ = clip_unit((1 - radius) * 0.25 * canvas.image_px + 0.5)
    flesh = tint(smooth_noise(5, canvas.image_px, dice), (0.50, 0.22, 0.18), (0.68, 0.36, 0.28))
    picture = blend(cloth, organ[..., None], flesh)
    ticks = (down > 0.94) & (np.floor(across * 16) % 2 == 0)
    return blend(picture, ticks[..., None].astype(np.float32), 0.95)


PAINTERS: dict[str, Callable[[Scene, Canvas, Dice], Layer]] = {
    "x-ray": _paint_film,
    "ct": _paint_ct,
    "mri": _paint_mri,
    "histology": _paint_histology,
    "fundus": _paint_fundus,
    "gross": _paint_gross,
}
