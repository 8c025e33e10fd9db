"""MIMIC-CXR-JPG: films in their studies' folders, the reports beside these, split and metadata.

No film, no number and no word of MIMIC is in them.
"""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import (
    start_chance,
    start_dice,
    write_gzip,
    write_image,
    write_text,
)
from components.sample.mimic_reports import (
    CXR_REPORT,
    OFFICIAL,
    SPLIT_FILE,
    encode_csv,
    name_image,
    word_report,
)
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits

METADATA_FILE = "mimic-cxr-2.0.0-metadata.csv.gz"
SPLIT_COLUMNS = ("dicom_id", "study_id", "subject_id", "split")
METADATA_COLUMNS = (
    "dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition",
    "Rows", "Columns",
)  # fmt: skip
VIEWS = ("PA", "AP", "LATERAL")
TWO_FILMS_EVERY = 4


def make_mimic_cxr_report(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_images`` films, two to one study in four; returns every file's path."""
    chance = start_chance(settings.seed, "mimic_cxr_report")
    dice = start_dice(settings.seed, "mimic_cxr_report")
    paths: list[Path] = []
    splits: list[tuple[object, ...]] = []
    metadata: list[tuple[object, ...]] = []
    for split, places in cut_splits(settings.num_images).items():
        scenes = iter(imagine_scenes(["x-ray"], len(places), chance, normal=0.15))
        num_left = len(places)
        while num_left:
            num_films = 2 if num_left > 1 and num_left % TWO_FILMS_EVERY == 0 else 1
            num_left -= num_films
            scene, patient = next(scenes), chance.randrange(10_000_000, 20_000_000)
            study = chance.randrange(50_000_000, 60_000_000)
            place = folder / "files" / f"p{str(patient)[:2]}" / f"p{patient}"
            paths.append(
                write_text(place / f"s{study}.txt", word_report(CXR_REPORT, scene, chance))
            )
            for _ in range(num_films):
                name = name_image(chance)
                pixels = draw_scene(scene, settings.image_px, dice)
                paths.append(write_image(place / f"s{study}" / f"{name}.jpg", pixels))
                splits.append((name, study, patient, OFFICIAL[split]))
                view, px = chance.choice(VIEWS), settings.image_px
                metadata.append((name, patient, study, "CHEST", view, px, px))
    paths.append(write_gzip(folder / SPLIT_FILE, encode_csv(SPLIT_COLUMNS, splits)))
    paths.append(write_gzip(folder / METADATA_FILE, encode_csv(METADATA_COLUMNS, metadata)))
    return paths
