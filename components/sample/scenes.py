"""What a picture of the sample world shows, before it is drawn or put into words.

Every modality shares one visual language of lesions, so that what is learnt from one kind of
picture serves another. Sides are those of the picture as one looks at it: "left" is the left half
of the image, in every modality, not the patient's left.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
SIDES = ("left", "right")
COUNTS = (1, 2, 3)
SIZES = ("small", "large")
SHAPES = ("round", "linear", "ring")
SHADES = ("bright", "dark")
MODALITIES = ("x-ray", "ct", "mri", "histology", "fundus", "gross")


@dataclass(frozen=True, slots=True)
class Lesions:
    """The lesions of one picture: all on one side, all of one size, shape and shade."""

    count: int
    side: str
    size: str
    shape: str
    shade: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A modality, its lesions (None: a normal picture) and, on films, whether the heart is big."""

    modality: str
    lesions: Lesions | None
    big_heart: bool = False


def draw_evenly(values: Sequence[T], num: int, chance: random.Random) -> list[T]:
    """``num`` values in random order, each as often as the others (the remainder by chance)."""
    whole, rest = divmod(num, len(values))
    drawn = [*values] * whole + chance.sample(list(values), rest)
    chance.shuffle(drawn)
    return drawn


def imagine_scenes(
    modalities: Sequence[str], num: int, chance: random.Random, normal: float = 0.0
) -> list[Scene]:
    """``num`` scenes whose attributes are each even and independent of one another.

    A share ``normal`` of them has no lesion; modalities are even among both kinds.
    """
    num_normal = round(num * normal)
    num_lesions = num - num_normal
    lesions = [
        Lesions(*parts)
        for parts in zip(
            draw_evenly(COUNTS, num_lesions, chance),
            draw_evenly(SIDES, num_lesions, chance),
            draw_evenly(SIZES, num_lesions, chance),
            draw_evenly(SHAPES, num_lesions, chance),
            draw_evenly(SHADES, num_lesions, chance),
            strict=True,
        )
    ]
    kinds = draw_evenly(modalities, num_lesions, chance) + draw_evenly(
        modalities, num_normal, chance
    )
    hearts = draw_evenly((False, True), num, chance)
    scenes = [
        Scene(kind, lesion, heart)
        for kind, lesion, heart in zip(kinds, [*lesions, *[None] * num_normal], hearts, strict=True)
    ]
    chance.shuffle(scenes)
    return scenes
