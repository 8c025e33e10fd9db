"""ROCO's repository after its script has fetched the images: captions, lists, and licences."""

from __future__ import annotations

from pathlib import Path

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_text
from components.sample.scenes import imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import caption_scene

MODALITIES = ("x-ray", "ct", "mri")
LICENCES = ("CC BY", "CC BY", "CC BY-NC", "CC BY-NC-SA", "CC0")
CONCEPTS = {"x-ray": "C1306645", "ct": "C0040405", "mri": "C0024485"}  # UMLS names of methods


def make_roco(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write captions, keywords, concepts, licences and images; returns every file's path."""
    chance, dice = start_chance(settings.seed, "roco"), start_dice(settings.seed, "roco")
    paths: list[Path] = []
    for split, numbers in cut_splits(settings.num_images).items():
        part = folder / "data" / split / "radiology"
        captions, keywords, concepts = [], [], []
        licences = ["ROCO_ID,PMC_ID,CC\n"]
        scenes = imagine_scenes(MODALITIES, len(numbers), chance, normal=0.1)
        for number, scene in zip(numbers, scenes, strict=True):
            name, caption = f"ROCO_{number:05d}", caption_scene(scene, chance.randrange(3))
            pixels = draw_scene(scene, settings.image_px, dice)
            paths.append(write_image(part / "images" / f"{name}.jpg", pixels, "RGB"))
            captions.append(f"{name}\t {caption}\n")  # the official ones begin with a space, too
            words = caption.lower().removesuffix(".").split()
            keywords.append("\t".join([name, "", *words]) + "\n")
            concepts.append(f"{name}\t\t{CONCEPTS[scene.modality]}\n")
            article = f"PMC{chance.randrange(1_000_000, 6_000_000)}_sample-g{number:03d}.jpg"
            licences.append(f"{name},{article},{chance.choice(LICENCES)}\n")
        lists = {
            "captions": captions, "keywords": keywords, "cuis": concepts, "licences": licences,
        }  # fmt: skip
        paths += [write_text(part / f"{kind}.txt", "".join(lines)) for kind, lines in lists.items()]
    return paths
