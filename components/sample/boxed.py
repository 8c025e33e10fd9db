"""Two sources of boxes: DeepLesion's slices of 16 bits, and OIA-DDR's fundus photographs.

What a lesion looks like tells its label, so that a model can learn both from the picture.
"""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from lxml import etree
from PIL import Image

from components.sample.drawing import Edges, Pixels, draw_boxed_scene
from components.sample.encode import (
    start_chance,
    start_dice,
    write_bytes,
    write_image,
    write_text,
)
from components.sample.markup import add
from components.sample.mimic_reports import encode_csv
from components.sample.scenes import Lesions, Scene, draw_evenly, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits

COLUMNS = (
    "File_name", "Patient_index", "Study_index", "Series_ID", "Key_slice_index",
    "Measurement_coordinates", "Bounding_boxes", "Lesion_diameters_Pixel_",
    "Normalized_lesion_location", "Coarse_lesion_type", "Possibly_noisy", "Slice_range",
    "Spacing_mm_px_", "Image_size", "DICOM_windows", "Patient_gender", "Patient_age",
    "Train_Val_Test",
)  # fmt: skip
ORGANS = {"round": 4, "linear": 2, "ring": 6}  # liver, abdomen, kidney
PARTS = (1, 1, 1, 2, 3)  # the lesions of part 1 have no type, as most of the real ones
WINDOW, OFFSET = (-175, 275), 32768
TWICE_EVERY, MISNAMED_EVERY = 5, 7
SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def make_deeplesion(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_images`` slices and DL_info.csv; returns every file's path."""
    chance, dice = (
        start_chance(settings.seed, "deeplesion"),
        start_dice(settings.seed, "deeplesion"),
    )
    scenes = imagine_scenes(["ct"], settings.num_images, chance)
    paths: list[Path] = []
    rows: list[tuple[object, ...]] = []
    parts = draw_evenly(PARTS, len(scenes), chance)
    for number, (scene, part) in enumerate(zip(scenes, parts, strict=True), start=1):
        pixels, edges = draw_boxed_scene(scene, settings.image_px, dice)
        series, place = f"{number:06d}_01_01", chance.randrange(10, 120)
        path = folder / "Images_png" / series / f"{place:03d}.png"
        paths.append(write_bytes(path, _encode_slice(pixels)))
        named = (f"{series}_{place:03d}.png", number, place)
        rows += [_describe(named, box, _see(scene), part, settings.image_px) for box in edges]
    return [*paths, write_text(folder / "DL_info.csv", encode_csv(COLUMNS, rows).decode())]


def _see(scene: Scene) -> Lesions:
    if scene.lesions is None:
        raise AssertionError("no picture of these sets is normal")
    return scene.lesions


def _encode_slice(pixels: Pixels) -> bytes:
    """Grey values as Hounsfield units in the window, with DeepLesion's offset: a PNG of 16 bits."""
    low, high = WINDOW
    units = low + pixels.astype(np.float64) * (high - low) / 255
    buffer = io.BytesIO()
    Image.fromarray((units.round() + OFFSET).astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def _describe(
    named: tuple[str, int, int], box: Edges, lesions: Lesions, part: int, image_px: int
) -> tuple[object, ...]:
    file, patient, place = named
    left, top, right, bottom = box
    kind = -1 if part == 1 else ORGANS[lesions.shape]
    middle = f"{(left + right) / 2 / image_px:.5f}, {(top + bottom) / 2 / image_px:.5f}, 0.5"
    return (
        file, patient, 1, 1, place, f"{left}, {top}, {right}, {bottom}",
        f"{left}, {top}, {right}, {bottom}", f"{right - left}, {bottom - top}", middle, kind, 0,
        f"{place - 5}, {place + 5}", "0.8, 0.8, 5", f"{image_px}, {image_px}",
        f"{WINDOW[0]}, {WINDOW[1]}", "MF"[patient % 2], 20 + patient % 60, part,
    )  # fmt: skip


def make_oia_ddr(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_images`` photographs with Pascal VOC's XML; returns every file's path.

    One XML in five holds an object twice, one in seven another image's name, as some real ones do.
    """
    chance, dice = start_chance(settings.seed, "oia_ddr"), start_dice(settings.seed, "oia_ddr")
    paths: list[Path] = []
    for split, numbers in cut_splits(settings.num_images).items():
        scenes = imagine_scenes(["fundus"], len(numbers), chance)
        for number, scene in zip(numbers, scenes, strict=True):
            pixels, edges = draw_boxed_scene(scene, settings.image_px, dice)
            name, part = f"007-{number:04d}-100", SPLITS[split]
            image = folder / "lesion_segmentation" / part / "image" / f"{name}.jpg"
            paths.append(write_image(image, pixels, "RGB"))
            told = f"007-{number + 1:04d}-100" if number % MISNAMED_EVERY == 0 else name
            twice = edges[:1] if number % TWICE_EVERY == 0 else []
            xml = _build_voc(told, [*edges, *twice], _name_lesion(_see(scene)), chance)
            place = folder / "lesion_detection" / part / f"{name}.xml"
            paths.append(write_bytes(place, etree.tostring(xml, pretty_print=True)))
    return paths


def _name_lesion(lesions: Lesions) -> str:
    if lesions.shade == "dark":
        return "ma" if lesions.size == "small" else "he"
    return "se" if lesions.shape == "linear" else "ex"


def _build_voc(name: str, edges: list[Edges], label: str, chance: random.Random) -> etree._Element:
    root = etree.Element("annotation")
    add(root, "folder", "OurDataset")
    add(root, "filename", f"{name}.jpg")
    for box in chance.sample(edges, len(edges)):
        node = add(root, "object")
        add(node, "name", label)
        place = add(node, "bndbox")
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
            add(place, side, str(value))
    return root
