"""Sources of images alone: CheXpert (small), CytoImageNet, ISIC 2020, and Kaggle's fundus set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.sample.drawing import draw_scene
from components.sample.encode import (
    encode_image,
    start_chance,
    start_dice,
    write_bytes,
    write_image,
    write_text,
)
from components.sample.mimic_reports import encode_csv
from components.sample.scenes import draw_evenly, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.tissue import TISSUES, draw_tissue

CHEXPERT_COLUMNS = (
    "Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", "Enlarged Cardiomediastinum",
    "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia",
    "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip
CYTO_COLUMNS = ("label", "category", "name", "path", "filename", "idx", "microscopy")
ISIC_COLUMNS = ("image_name", "patient_id", "sex", "anatom_site_general_challenge", "target")
BORDER = 8  # one part in eight of a film's side is dark border, above and below


def make_chexpert(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write films with dark borders, and train.csv; returns every file's path."""
    chance, dice = start_chance(settings.seed, "chexpert"), start_dice(settings.seed, "chexpert")
    scenes = imagine_scenes(["x-ray"], settings.num_images, chance, normal=0.3)
    paths, rows = [], []
    for number, scene in enumerate(scenes, start=1):
        film = draw_scene(scene, settings.image_px, dice)
        border = settings.image_px // BORDER
        name = f"train/patient{number:05d}/study1/view1_frontal.jpg"
        padded = np.pad(film, ((border, border), (0, 0)))
        paths.append(write_image(folder / name, padded))
        findings = ("", "", "1.0" if scene.big_heart else "", "", "1.0" if scene.lesions else "")
        first = (f"CheXpert-v1.0-small/{name}", chance.choice(("Female", "Male")), 40 + number % 50)
        none = "" if scene.lesions or scene.big_heart else "1.0"
        rows.append((*first, "Frontal", "AP", none, *findings[1:], *[""] * 9))
    return [*paths, write_text(folder / "train.csv", encode_csv(CHEXPERT_COLUMNS, rows).decode())]


def make_cytoimagenet(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write grey pictures in folders by class, and metadata.csv; returns every file's path."""
    chance = start_chance(settings.seed, "cytoimagenet")
    dice = start_dice(settings.seed, "cytoimagenet")
    labels = draw_evenly(range(len(TISSUES)), settings.num_images, chance)
    paths, rows = [], []
    for number, label in enumerate(labels):
        name = TISSUES[label][0].replace(" ", "_")
        file = f"{name}-{number:08b}.png"
        pixels = draw_tissue(label, settings.image_px, dice)
        paths.append(write_image(folder / "cytoimagenet" / name / file, pixels, "L"))
        where = (f"/cytoimagenet/{name}", file, f"sample-{number}")
        rows.append((TISSUES[label][0], "phenotype", "sample", *where, "brightfield"))
    return [*paths, write_text(folder / "metadata.csv", encode_csv(CYTO_COLUMNS, rows).decode())]


def make_isic_2020(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write photographs and the table of ground truth; returns every file's path."""
    chance, dice = start_chance(settings.seed, "isic_2020"), start_dice(settings.seed, "isic_2020")
    scenes = imagine_scenes(["gross"], settings.num_images, chance)
    numbers = chance.sample(range(10_000, 10_000_000), settings.num_images)
    paths, rows = [], []
    for number, scene in zip(numbers, scenes, strict=True):
        name = f"ISIC_{number:07d}"
        pixels = draw_scene(scene, settings.image_px, dice)
        paths.append(write_image(folder / "train" / f"{name}.jpg", pixels, "RGB"))
        dark = bool(scene.lesions and scene.lesions.shade == "dark")
        rows.append(
            (name, f"IP_{number:07d}", chance.choice(("male", "female")), "torso", int(dark))
        )
    table = encode_csv(ISIC_COLUMNS, rows).decode()
    return [*paths, write_text(folder / "ISIC_2020_Training_GroundTruth_v2.csv", table)]


def make_retinal_fundus(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write a left and a right eye of each person, and trainLabels.csv; returns all paths."""
    chance = start_chance(settings.seed, "retinal_fundus")
    dice = start_dice(settings.seed, "retinal_fundus")
    scenes = imagine_scenes(["fundus"], settings.num_images, chance, normal=0.5)
    paths, rows = [], []
    for number, scene in enumerate(scenes):
        name = f"{10 + number // 2}_{('left', 'right')[number % 2]}"
        content = encode_image(draw_scene(scene, settings.image_px, dice), "JPEG", "RGB")
        paths.append(write_bytes(folder / "train" / f"{name}.jpeg", content))
        rows.append((name, scene.lesions.count if scene.lesions else 0))
    table = encode_csv(("image", "level"), rows).decode()
    return [*paths, write_text(folder / "trainLabels.csv", table)]
