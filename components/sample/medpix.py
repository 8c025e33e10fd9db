"""MedPix 2.0: CT and MR pictures with captions, and the cases that they belong to."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from components.sample.drawing import draw_scene
from components.sample.encode import (
    start_chance,
    start_dice,
    write_image,
    write_json,
    write_json_lines,
)
from components.sample.facts import DISEASES, Disease, state_fact
from components.sample.scenes import Scene, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import caption_scene, place_lesions, start_upper

TYPES = {"ct": "CT", "mri": "MR"}
CONTRASTS = {"ct": ("CT w/contrast (IV)", "CT - noncontrast"), "mri": ("MR - T1W", "MR - T2W")}
LOCATIONS = {"ct": ("Abdomen - Generalized", "Abdomen"), "mri": ("Brain, Supratentorial", "Head")}
NAMES = {"train": "train", "validation": "dev", "test": "test"}
RGBA_EVERY = 5
SEXES = ("male", "female", "N/A")


def make_medpix(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write descriptions, cases and ``num_images`` pictures; returns every file's path."""
    chance, dice = start_chance(settings.seed, "medpix"), start_dice(settings.seed, "medpix")
    top = folder / "MedPix-2-0"
    paths: list[Path] = []
    described: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    for split, numbers in cut_splits(settings.num_images).items():
        scenes = imagine_scenes(list(TYPES), len(numbers), chance, normal=0.1)
        rows, told = _tell_cases(scenes, numbers, chance)
        for row, scene, number in zip(rows, scenes, numbers, strict=True):
            pixels = draw_scene(scene, settings.image_px, dice)
            mode = "RGBA" if number % RGBA_EVERY == 0 else "RGB"
            paths.append(write_image(top / "images" / f"{row['image']}.png", pixels, mode))
        parts = top / "splitted_dataset"
        paths.append(write_json_lines(parts / f"descriptions_{NAMES[split]}.jsonl", rows))
        paths.append(write_json_lines(parts / f"data_{NAMES[split]}.jsonl", told))
        described += rows
        cases += told
    paths.append(write_json(top / "Descriptions.json", described, indent=4))
    paths.append(write_json(top / "Case_topic.json", cases, indent=4))
    return paths


def _tell_cases(
    scenes: list[Scene], numbers: range, chance: random.Random
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Descriptions of the pictures, and their cases of one to three pictures each."""
    rows: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    left = 0
    for scene, number in zip(scenes, numbers, strict=True):
        if not left:
            left = chance.randrange(1, 4)
            disease = chance.choice(DISEASES)
            cases.append(_start_case(f"MPX{100000 + number}", disease, scene))
            person = {"Age": str(chance.randrange(1, 90)), "Sex": chance.choice(SEXES)}
        left -= 1
        case = cases[-1]
        image = f"{case['U_id']}_synpic{200000 + number}"
        case["TAC" if scene.modality == "ct" else "MRI"].append(image)
        rows.append(_describe(case["U_id"], image, scene, person, chance))
    return rows, cases


def _start_case(key: str, disease: Disease, scene: Scene) -> dict[str, Any]:
    return {
        "U_id": key,
        "TAC": [],
        "MRI": [],
        "Case": {
            "Title": start_upper(disease.name),
            "History": f"The patient came with {disease.sign}.",
            "Exam": "N/A",
            "Findings": start_upper(place_lesions(scene)) + ".",
            "Differential Diagnosis": disease.name,
            "Case Diagnosis": start_upper(disease.name),
            "Diagnosis By": start_upper(disease.test),
            "Treatment & Follow Up": state_fact(disease, "drug", 2),
            "Discussion": None,
        },
        "Topic": {
            "Title": start_upper(disease.name),
            "Disease Discussion": state_fact(disease, "cause", 0),
            "ACR Code": "0.0",
            "Category": start_upper(disease.cause),
            "Keywords": disease.name,
            "Reference": None,
            "External Links": None,
        },
    }


def _describe(
    key: str, image: str, scene: Scene, person: dict[str, str], chance: random.Random
) -> dict[str, Any]:
    place, category = LOCATIONS[scene.modality]
    return {
        "Type": TYPES[scene.modality],
        "U_id": key,
        "image": image,
        "Description": {
            "ACR Codes": "0.0",
            "Age": person["Age"],
            "Caption": caption_scene(scene, chance.randrange(3)),
            "Figure Part": None,
            "Modality": chance.choice(CONTRASTS[scene.modality]),
            "Plane": chance.choice(("Axial", "Transverse")),
            "Sex": person["Sex"],
        },
        "Location": place,
        "Location Category": category,
    }
