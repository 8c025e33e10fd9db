"""What changes over time: cine loops of a lesion and courses of a vital sign, as one's own rows.

No single frame and no single value tells the answer: sizes and levels are drawn anew for each, and
the mean over time is the same whatever the trend. Only the order does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.sample.drawing import Dice, Pixels, aim, blend, clip_unit, ellipse, smooth_noise
from components.sample.encode import start_chance, start_dice, write_image, write_json_lines
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings

TRENDS = {"up": 1.0, "level": 0.0, "down": -1.0}
NUM_FRAMES, NUM_VALUES = 4, 24
TEST_SHARE = 0.25
CHANGES = {"up": "it grows", "level": "it stays the same", "down": "it shrinks"}
COURSES = {"up": "it rises", "level": "it stays level", "down": "it falls"}
SIGNS = ("heart rate", "temperature", "blood pressure")
LEVELS = {"heart rate": 80.0, "temperature": 37.0, "blood pressure": 120.0}
Row = dict[str, Any]


def make_cine(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write loops of NUM_FRAMES small frames, and the questions about them."""
    dice = start_dice(settings.seed, "cine")
    paths: list[Path] = []

    def film(number: int, trend: str, chance: random.Random) -> Row:
        names = [f"loop{number:04d}_{frame}.png" for frame in range(NUM_FRAMES)]
        frames = _draw_loop(TRENDS[trend], max(settings.image_px // 2, 16), dice)
        for name, pixels in zip(names, frames, strict=True):
            paths.append(write_image(folder / "images" / name, pixels))
        if number % 2:
            question, answer = "how does the lesion change over time?", CHANGES[trend]
        else:
            asked = chance.choice(("grow", "shrink"))
            said = {"grow": "up", "shrink": "down"}[asked] == trend
            question, answer = f"does the lesion {asked}?", "yes" if said else "no"
        return {"frames": names, "question": question, "answer": answer, "group": f"loop{number}"}

    return [*_write_rows(folder, "cine", settings.num_images // 2, settings.seed, film), *paths]


def make_vital_signs(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write courses of NUM_VALUES values of a vital sign, and the question how they go."""
    dice = start_dice(settings.seed, "vital_signs")

    def chart(number: int, trend: str, chance: random.Random) -> Row:
        sign = chance.choice(SIGNS)
        level, along = LEVELS[sign] * dice.uniform(0.9, 1.1), np.linspace(-1, 1, NUM_VALUES)
        values = level * (1 + 0.3 * TRENDS[trend] * along + 0.06 * dice.standard_normal(NUM_VALUES))
        return {
            "signal": [round(float(value), 2) for value in values],
            "question": f"how does the {sign} change over time?",
            "answer": COURSES[trend],
            "group": f"patient{number}",
        }

    return _write_rows(folder, "vital_signs", settings.num_images, settings.seed, chart)


def _write_rows(
    folder: Path, source: str, num: int, seed: int, make: Callable[[int, str, random.Random], Row]
) -> list[Path]:
    """train.jsonl and test.jsonl of ``num`` rows, whose trends are even in both."""
    chance = start_chance(seed, source)
    num_test = max(round(num * TEST_SHARE), 1)
    paths, number = [], 0
    for split, size in (("test", num_test), ("train", max(num - num_test, 1))):
        rows = []
        for trend in draw_evenly(list(TRENDS), size, chance):
            rows.append(make(number, trend, chance))
            number += 1
        paths.append(write_json_lines(folder / f"{split}.jsonl", rows))
    return paths


def _draw_loop(trend: float, px: int, dice: Dice) -> Sequence[Pixels]:
    """Frames of a bright disc that grows, stays or shrinks by half around the same mean size."""
    radius, x, y = dice.uniform(0.16, 0.22), dice.uniform(0.4, 0.6), dice.uniform(0.4, 0.6)
    frames = []
    for time in np.linspace(-1, 1, NUM_FRAMES):
        canvas = aim(px, dice)
        ground = 0.25 + 0.15 * smooth_noise(5, px, dice)
        size = radius * (1 + 0.5 * trend * time) * dice.uniform(0.97, 1.03)
        picture = blend(ground, ellipse(canvas, x, y, size, size), 0.9)
        frames.append(np.asarray(clip_unit(picture) * 255, np.uint8))
    return frames
