"""PneumoniaMNIST and PathMNIST archives: {train,val,test}_{images,labels}, 8 bits."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.sample.drawing import Dice, Pixels, draw_scene
from components.sample.encode import start_chance, start_dice, write_bytes
from components.sample.scenes import Scene, draw_evenly, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.tissue import TISSUES, draw_tissue

EDITIONS_PX = (28, 64, 128, 224)
PREFIXES = {"train": "train", "validation": "val", "test": "test"}
PNEUMONIA_SHARE = 0.55
FIRST_DATE = (1980, 1, 1, 0, 0, 0)

DrawSplit = Callable[[int, int, random.Random, Dice], tuple[list[Pixels], list[int]]]


def make_pneumoniamnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey chest films; label 1 where the lungs hold a lesion (55 %)."""
    return _make_archive("pneumoniamnist", folder, settings, _draw_films)


def make_pathmnist(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write RGB tissue of nine kinds, as even as the number allows."""
    return _make_archive("pathmnist", folder, settings, _draw_tissues)


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
    num: int, image_px: int, chance: random.Random, dice: Dice
) -> tuple[list[Pixels], list[int]]:
    labels = draw_evenly(range(len(TISSUES)), num, chance)
    return [draw_tissue(label, image_px, dice) for label in labels], labels


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
