"""MedMNIST archives of seven sets: {train,val,test}_{images,labels}, 8 bits.

A class is a texture where the set is in colour, else a kind of lesion: what there is to learn, not
what the organ or the disease looks like.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.sample.drawing import Dice, Pixels, draw_scene
from components.sample.encode import start_chance, start_dice, write_bytes
from components.sample.scenes import (
    SHAPES,
    SIDES,
    SIZES,
    Lesions,
    Scene,
    draw_evenly,
    imagine_scenes,
)
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.tissue import TISSUES, draw_tissue

EDITIONS_PX = (28, 64, 128, 224)
PREFIXES = {"train": "train", "validation": "val", "test": "test"}
PNEUMONIA_SHARE = 0.55
MARKS = tuple(product(SIDES, SIZES, SHAPES))  # one for each label of a grey set
FIRST_DATE = (1980, 1, 1, 0, 0, 0)

DrawSplit = Callable[[int, int, random.Random, Dice], tuple[list[Pixels], list[int]]]


def make_pneumoniamnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey chest films; label 1 where the lungs hold a lesion (55 %)."""
    return _make_archive("pneumoniamnist", folder, settings, _draw_films)


def make_pathmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write RGB tissue of nine kinds, as even as the number allows."""
    return _make_archive("pathmnist", folder, settings, _draw_tissues)


def make_dermamnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write RGB pictures of seven kinds."""
    return _make_archive("dermamnist", folder, settings, partial(_draw_tissues, num_labels=7))


def make_bloodmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write RGB pictures of eight kinds."""
    return _make_archive("bloodmnist", folder, settings, partial(_draw_tissues, num_labels=8))


def make_octmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey pictures of four kinds."""
    return _make_archive("octmnist", folder, settings, partial(_draw_marks, num_labels=4))


def make_breastmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey pictures of two kinds."""
    return _make_archive("breastmnist", folder, settings, partial(_draw_marks, num_labels=2))


def make_organcmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey pictures of eleven kinds."""
    return _make_archive("organcmnist", folder, settings, partial(_draw_marks, num_labels=11))


def choose_edition(image_px: int) -> int:
    """The largest official side that is no larger than asked for; 28 at least."""
    return max(edition for edition in EDITIONS_PX if edition <= max(image_px, 28))


def _make_archive(name: str, folder: Path, settings: SampleSettings, draw: DrawSplit) -> list[Path]:
    chance, dice = start_chance(settings.seed, name), start_dice(settings.seed, name)
    edition_px = choose_edition(settings.image_px)
    arrays: dict[str, npt.NDArray[np.uint8]] = {}
    for split, numbers in cut_splits(settings.num_images).items():
        pictures, labels = draw(len(numbers), edition_px, chance, dice)
        arrays[f"{PREFIXES[split]}_images"] = np.stack(pictures)
        arrays[f"{PREFIXES[split]}_labels"] = np.array(labels, np.uint8)[:, None]
    suffix = "" if edition_px == 28 else f"_{edition_px}"
    return [write_bytes(folder / f"{name}{suffix}.npz", encode_npz(arrays))]


def _draw_films(
    num: int, image_px: int, chance: random.Random, dice: Dice
) -> tuple[list[Pixels], list[int]]:
    scenes: list[Scene] = imagine_scenes(["x-ray"], num, chance, normal=1 - PNEUMONIA_SHARE)
    pictures = [draw_scene(scene, image_px, dice) for scene in scenes]
    return pictures, [int(scene.lesions is not None) for scene in scenes]


def _draw_tissues(
    num: int, image_px: int, chance: random.Random, dice: Dice, num_labels: int = len(TISSUES)
) -> tuple[list[Pixels], list[int]]:
    labels = draw_evenly(range(num_labels), num, chance)
    return [draw_tissue(label, image_px, dice) for label in labels], labels


def _draw_marks(
    num: int, image_px: int, chance: random.Random, dice: Dice, num_labels: int
) -> tuple[list[Pixels], list[int]]:
    """Slices with one bright lesion, whose side, size and shape tell the label."""
    labels = draw_evenly(range(num_labels), num, chance)
    scenes = [Scene("ct", Lesions(1, *MARKS[label], "bright")) for label in labels]
    return [draw_scene(scene, image_px, dice) for scene in scenes], labels


def encode_npz(arrays: Mapping[str, npt.NDArray[np.uint8]]) -> bytes:
    """What np.savez_compressed writes, with every entry dated 1980."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(entry, content.getvalue())
    return buffer.getvalue()
