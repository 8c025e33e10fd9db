"""CBIS-DDSM as TCIA's retrievers leave it: tables of lesions, and a folder of crop and mask each.

Every third folder is named as the tables say, with the names of crop and mask exchanged, as some of
the real ones are; the rest as the newer retriever names them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.sample.dicom import encode_dicom
from components.sample.drawing import Dice, Pixels, draw_scene
from components.sample.encode import start_chance, start_dice, write_bytes, write_text
from components.sample.mimic_reports import encode_csv
from components.sample.scenes import Lesions, imagine_scenes
from components.sample.settings import SampleSettings

PATHOLOGIES = {"round": "BENIGN", "ring": "BENIGN_WITHOUT_CALLBACK", "linear": "MALIGNANT"}
COLUMNS = {
    "mass": ("breast_density", "mass shape", "mass margins"),
    "calc": ("breast density", "calc type", "calc distribution"),
}
KINDS = {"mass": "mass", "calc": "calcification"}
ROOT_UID = "1.3.6.1.4.1.9590.100.1.2"
TEST_SHARE = 0.2
OLD_NAMES_EVERY = 3


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one set is made, and what its choices are made with."""

    kind: str
    folder: Path
    chance: random.Random
    dice: Dice


def make_cbis_ddsm_mass(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write both tables of masses, and crops and masks; returns every file's path."""
    return _make_lesions("mass", folder, settings)


def make_cbis_ddsm_calc(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write both tables of calcifications, and crops and masks; returns every file's path."""
    return _make_lesions("calc", folder, settings)


def _make_lesions(kind: str, folder: Path, settings: SampleSettings) -> list[Path]:
    name = f"cbis_ddsm_{kind}"
    desk = Desk(kind, folder, start_chance(settings.seed, name), start_dice(settings.seed, name))
    num_test = max(1, round(settings.num_images * TEST_SHARE))
    paths: list[Path] = []
    number = 0
    for split, num in (("Training", settings.num_images - num_test), ("Test", num_test)):
        rows: list[tuple[object, ...]] = []
        for scene in imagine_scenes(["x-ray"], num, desk.chance):
            lesions = scene.lesions
            if lesions is None:
                raise AssertionError("no picture of this set is normal")
            number += 1
            view = desk.chance.choice(("CC", "MLO"))
            names = (f"P_{number:05d}", lesions.side.upper(), view)
            case = f"{kind.title()}-{split}_{'_'.join(names)}"
            crop = draw_scene(scene, settings.image_px, desk.dice)
            places, files = _write_case(desk, f"{case}_1", crop, number % OLD_NAMES_EVERY == 0)
            paths += files
            rows.append((*_describe(desk, names, lesions), _name_film(desk, case), *places))
        table = encode_csv(_name_columns(kind), rows).decode()
        file = f"{kind}_case_description_{'train' if split == 'Training' else 'test'}_set.csv"
        paths.append(write_text(folder / file, table))
    return paths


def _name_columns(kind: str) -> tuple[str, ...]:
    density, first, second = COLUMNS[kind]
    return (
        "patient_id", density, "left or right breast", "image view", "abnormality id",
        "abnormality type", first, second, "assessment", "pathology", "subtlety",
        "image file path", "cropped image file path", "ROI mask file path",
    )  # fmt: skip


def _describe(desk: Desk, names: tuple[str, str, str], lesions: Lesions) -> tuple[object, ...]:
    """A row's cells before its paths."""
    patient, side, view = names
    chance, shape = desk.chance, lesions.shape.upper()
    return (
        patient, chance.randrange(1, 5), side, view, 1, KINDS[desk.kind], shape,
        lesions.size.upper(), chance.randrange(2, 6), PATHOLOGIES[lesions.shape],
        chance.randrange(1, 6),
    )  # fmt: skip


def _name_film(desk: Desk, case: str) -> str:
    """The whole film, which is not made."""
    return f"{case}/{_draw_uid(desk)}/{_draw_uid(desk)}/000000.dcm"


def _write_case(
    desk: Desk, case: str, crop: Pixels, old_names: bool
) -> tuple[tuple[str, str], list[Path]]:
    """Crop and mask; their paths as a table has them (some end a line), and the files."""
    study, series = _draw_uid(desk), (_draw_uid(desk), _draw_uid(desk))
    told = tuple(f"{case}/{study}/{uid}/{n:06d}.dcm" for n, uid in enumerate(series))
    pictures = {"cropped images": crop, "ROI mask images": np.where(crop > 128, 255, 0)}
    files: list[Path] = []
    for number, (words, pixels) in enumerate(pictures.items()):
        uid = series[1 - number if old_names else number]
        date = f"{desk.chance.randrange(1, 13):02d}-20-2016"
        place = f"{case}/{date}-DDSM-NA-{number + 10000}/1.000000-{words}-{number + 20000}/1-1.dcm"
        content = encode_dicom(
            pixels.astype(np.uint8),
            {
                0x00080060: ("CS", "MG"),
                0x0008103E: ("LO", words),
                0x0020000D: ("UI", study),
                0x0020000E: ("UI", uid),
            },
            f"{uid}.1",
        )
        path = told[1 - number] if old_names else place
        files.append(write_bytes(desk.folder / "CBIS-DDSM" / path, content))
    return (told[0] + "\n" * desk.chance.randrange(2), told[1]), files


def _draw_uid(desk: Desk) -> str:
    return f"{ROOT_UID}.{desk.chance.randrange(10**11, 10**12)}"
